// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Writing to the store. Reading back is store_load.c. Addresses are kept as text:
 * the file can be read with the sqlite3 command.
 */
#include "netd/store_int.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/compat.h"
#include "lib/fdutil.h"
#include "lib/hex.h"
#include "netd/guardconf.h"
#include "netd/ip6conf.h"
#include "netd/natconf.h"
#include "netd/uplinkconf.h"

#define RESERVE_SIZE (64 * 1024) /* a removal writes a few pages of 4 KiB */

/* The first schema, … */
static const char schema[] =
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);"
	"CREATE TABLE networks("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE NOT NULL,"
	" mode TEXT NOT NULL, subnet TEXT, host_ip TEXT, service_ip TEXT,"
	" dns_ip TEXT, dhcp_first TEXT, dhcp_last TEXT,"
	" lease_s INTEGER NOT NULL, mtu INTEGER NOT NULL, uplink TEXT,"
	" domain TEXT NOT NULL, access TEXT NOT NULL, mac TEXT,"
	" autostart INTEGER NOT NULL, active INTEGER NOT NULL);"
	"CREATE TABLE nics("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, network INTEGER NOT NULL"
	"  REFERENCES networks(id) ON DELETE CASCADE,"
	" vm TEXT NOT NULL, idx INTEGER NOT NULL, mac TEXT NOT NULL,"
	" type TEXT NOT NULL, ifname TEXT, netns TEXT,"
	" owner INTEGER NOT NULL, link INTEGER NOT NULL, UNIQUE(vm, idx));"
	"CREATE INDEX nics_network ON nics(network);"
	"INSERT INTO sqlite_sequence(name, seq) VALUES('nics', 99);"
	"CREATE TABLE forwards("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, network INTEGER NOT NULL"
	"  REFERENCES networks(id) ON DELETE CASCADE,"
	" proto TEXT NOT NULL, address TEXT, port INTEGER NOT NULL,"
	" port_end INTEGER NOT NULL, to_vm TEXT, to_nic INTEGER NOT NULL,"
	" to_address TEXT, to_port INTEGER NOT NULL);"
	"CREATE INDEX forwards_network ON forwards(network);"
	"CREATE TABLE reservations("
	" network INTEGER NOT NULL REFERENCES networks(id) ON DELETE CASCADE,"
	" address TEXT NOT NULL, mac TEXT, vm TEXT, nic INTEGER NOT NULL,"
	" hostname TEXT, PRIMARY KEY(network, address)) WITHOUT ROWID;"
	"CREATE TABLE leases("
	" network INTEGER NOT NULL REFERENCES networks(id) ON DELETE CASCADE,"
	" address TEXT NOT NULL, mac TEXT NOT NULL, client_id TEXT,"
	" hostname TEXT, nic INTEGER NOT NULL, expires INTEGER NOT NULL,"
	" PRIMARY KEY(network, address)) WITHOUT ROWID;"
	"PRAGMA user_version = 1;";

/* … and what brings each version to the next one. */
static const char *const upgrades[] = {
	"ALTER TABLE networks ADD COLUMN udp_filter TEXT NOT NULL"
	" DEFAULT 'address-and-port-dependent';"
	"ALTER TABLE networks ADD COLUMN host_allow TEXT;"
	"PRAGMA user_version = 2;",
	"ALTER TABLE nics ADD COLUMN queues INTEGER NOT NULL DEFAULT 0;"
	"PRAGMA user_version = 3;",
	"ALTER TABLE networks ADD COLUMN subnet6 TEXT;"
	"PRAGMA user_version = 4;",
	"ALTER TABLE nics ADD COLUMN connect_to TEXT;"
	"PRAGMA user_version = 5;",
	"ALTER TABLE networks ADD COLUMN tftp TEXT;"
	"PRAGMA user_version = 6;",
	"ALTER TABLE leases ADD COLUMN state TEXT NOT NULL DEFAULT 'bound';"
	"PRAGMA user_version = 7;",
	"ALTER TABLE networks ADD COLUMN ipv6 TEXT NOT NULL DEFAULT 'slaac';"
	"ALTER TABLE networks ADD COLUMN prefix_pool TEXT;"
	"CREATE TABLE reservations6("
	" network INTEGER NOT NULL REFERENCES networks(id) ON DELETE CASCADE,"
	" address TEXT NOT NULL, mac TEXT, vm TEXT, nic INTEGER NOT NULL,"
	" PRIMARY KEY(network, address)) WITHOUT ROWID;"
	"CREATE TABLE leases6("
	" network INTEGER NOT NULL REFERENCES networks(id) ON DELETE CASCADE,"
	" address TEXT NOT NULL, plen INTEGER NOT NULL, mac TEXT NOT NULL,"
	" duid TEXT NOT NULL, iaid INTEGER NOT NULL, via TEXT, hostname TEXT,"
	" nic INTEGER NOT NULL, expires INTEGER NOT NULL,"
	" PRIMARY KEY(network, address)) WITHOUT ROWID;"
	"PRAGMA user_version = 8;",
	"CREATE TABLE IF NOT EXISTS dhcp("
	" network INTEGER NOT NULL REFERENCES networks(id) ON DELETE CASCADE,"
	" scope TEXT NOT NULL, name TEXT NOT NULL, value TEXT,"
	" PRIMARY KEY(network, scope, name)) WITHOUT ROWID;"
	"PRAGMA user_version = 9;",
	"CREATE TABLE records("
	" network INTEGER NOT NULL REFERENCES networks(id) ON DELETE CASCADE,"
	" name TEXT NOT NULL, type TEXT NOT NULL, value TEXT,"
	" PRIMARY KEY(network, name, type, value));"
	"CREATE TABLE claims("
	" network INTEGER NOT NULL REFERENCES networks(id) ON DELETE CASCADE,"
	" address TEXT NOT NULL, mac TEXT NOT NULL, name TEXT NOT NULL,"
	" PRIMARY KEY(network, address)) WITHOUT ROWID;"
	"PRAGMA user_version = 10;",
	"ALTER TABLE networks ADD COLUMN datapath TEXT NOT NULL DEFAULT 'user';"
	"PRAGMA user_version = 11;",
	"ALTER TABLE nics ADD COLUMN transient INTEGER NOT NULL DEFAULT 0;"
	"PRAGMA user_version = 12;",
	"ALTER TABLE networks ADD COLUMN uplink_mode TEXT NOT NULL"
	" DEFAULT 'take-in';"
	"PRAGMA user_version = 13;",
	"ALTER TABLE networks ADD COLUMN guard TEXT NOT NULL DEFAULT 'off';"
	"ALTER TABLE networks ADD COLUMN isolated INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE networks ADD COLUMN storm INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE nics ADD COLUMN guard TEXT NOT NULL DEFAULT 'network';"
	"ALTER TABLE nics ADD COLUMN isolated INTEGER NOT NULL DEFAULT -1;"
	"ALTER TABLE nics ADD COLUMN storm INTEGER NOT NULL DEFAULT -1;"
	"ALTER TABLE nics ADD COLUMN rate_in INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE nics ADD COLUMN rate_out INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE nics ADD COLUMN ips TEXT;"
	"PRAGMA user_version = 14;",
	"ALTER TABLE networks ADD COLUMN mac_nat TEXT NOT NULL DEFAULT 'auto';"
	"PRAGMA user_version = 15;",
};

static_assert(ARRAY_LEN(upgrades) == STORE_VERSION - 1, "a step is missing");

int store_error(struct store *s, int rc, struct errtext *why)
{
	const char *say = s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc);
	int err = -EIO;

	switch (rc & 0xff) {
	case SQLITE_FULL:
		err = -ENOSPC;
		say = "the file system is full";
		break;
	case SQLITE_READONLY:
	case SQLITE_PERM:
		err = -EROFS;
		say = "it is not writable";
		break;
	case SQLITE_CONSTRAINT:
		err = -EEXIST;
		break;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		err = -EBUSY;
		say = "another program holds it";
		break;
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT:
		err = -EUCLEAN;
		say = "it is damaged or no database; move it away to start "
		      "anew";
		break;
	case SQLITE_NOMEM:
		err = -ENOMEM;
		break;
	case SQLITE_CANTOPEN:
		say = "it cannot be opened";
		break;
	}
	return errtext_set(why, err, "store %.120s: %s", s->path, say);
}

static int exec(struct store *s, const char *sql, struct errtext *why)
{
	int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : store_error(s, rc, why);
}

static int bind_all(sqlite3_stmt *st, const char *fmt, va_list ap)
{
	int rc = SQLITE_OK;

	for (int i = 1; *fmt && rc == SQLITE_OK; fmt++, i++) {
		const char *t;

		switch (*fmt) {
		case 't':
			t = va_arg(ap, const char *);
			rc = t && *t ? sqlite3_bind_text(st, i, t, -1,
							 SQLITE_TRANSIENT)
				     : sqlite3_bind_null(st, i);
			break;
		case 'i':
			rc = sqlite3_bind_int64(st, i, va_arg(ap, int64_t));
			break;
		}
	}
	return rc;
}

/* Of what runs often: compiled once. */
int store_run_kept(struct store *s, enum store_stmt which, struct errtext *why,
		   const char *fmt, ...)
{
	static const char put_lease[] =
		"INSERT OR REPLACE INTO leases(network,address,mac,client_id,"
		"hostname,nic,expires,state) VALUES(?,?,?,?,?,?,?,?)";
	static const char *const sql[STMTS] = {
		[STMT_BEGIN] = "BEGIN IMMEDIATE",
		[STMT_COMMIT] = "COMMIT",
		[STMT_LEASE_PUT] = put_lease,
		[STMT_LEASE_DEL] =
			"DELETE FROM leases WHERE network=? AND address=?",
		[STMT_LEASE6_PUT] =
			"REPLACE INTO leases6 VALUES(?,?,?,?,?,?,?,?,?,?)",
		[STMT_LEASE6_DEL] =
			"DELETE FROM leases6 WHERE network=? AND address=?",
	};
	sqlite3_stmt **st = &s->stmt[which];
	int rc = SQLITE_OK, r;
	va_list ap;

	if (!*st)
		rc = sqlite3_prepare_v3(s->db, sql[which], -1,
					SQLITE_PREPARE_PERSISTENT, st, NULL);
	va_start(ap, fmt);
	if (rc == SQLITE_OK)
		rc = bind_all(*st, fmt, ap);
	va_end(ap);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(*st);
	r = rc == SQLITE_DONE ? 0 : store_error(s, rc, why);
	(void)sqlite3_reset(*st);
	return r;
}

static int version(struct store *s, int64_t *out, struct errtext *why)
{
	sqlite3_stmt *st;
	int rc, r = store_prepare(s, &st, why, "PRAGMA user_version", "");

	if (r)
		return r;
	rc = sqlite3_step(st);
	*out = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return rc == SQLITE_ROW ? 0 : store_error(s, rc, why);
}

static int set_up(struct store *s, struct errtext *why)
{
	int64_t have = 0;
	int r;

	sqlite3_busy_timeout(s->db, 2000);
	r = exec(s, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
		    "PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF;",
		 why);
	if (!r)
		r = version(s, &have, why);
	if (r)
		return r;
	if (have > STORE_VERSION)
		return errtext_set(why, -ENOTSUP,
				   "store %.120s: written by a newer vnetd "
				   "(schema %lld, this one knows %d)",
				   s->path, (long long)have, STORE_VERSION);
	if (have < 0)
		return errtext_set(why, -EBADMSG,
				   "store %.120s: no schema has number %lld",
				   s->path, (long long)have);
	if (have == STORE_VERSION)
		return 0;
	r = store_begin(s, why);
	if (!r && !have)
		r = exec(s, schema, why);
	/* upgrades[i] leads from schema i + 1 to the next. */
	for (int i = 0; !r && i < STORE_VERSION - 1; i++)
		if (i + 1 >= have)
			r = exec(s, upgrades[i], why);
	if (!r)
		return store_commit(s, why);
	store_rollback(s);
	return r;
}

/* ---- the reserve --------------------------------------------------------- */

static bool reserve_path(const struct store *s, char *out, size_t cap)
{
	return s->path[0] == '/' &&
	       snprintf(out, cap, "%s-reserve", s->path) < (int)cap;
}

/* Take the blocks back when there are some; the disk may still be full. */
static void reserve_fill(struct store *s)
{
	char path[320];
	int fd;

	if (s->reserve || !reserve_path(s, path, sizeof(path)))
		return;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	s->reserve = !posix_fallocate(fd, 0, RESERVE_SIZE);
	if (!s->reserve)
		(void)unlink(path);
	fd_close(&fd);
}

/* Give them up, and what the write-ahead log has beyond need. */
static bool reserve_spend(struct store *s)
{
	char path[320];

	if (!s->reserve || !reserve_path(s, path, sizeof(path)))
		return false;
	(void)unlink(path);
	s->reserve = false;
	(void)exec(s, "PRAGMA wal_checkpoint(TRUNCATE)", NULL);
	return true;
}

int store_open(const char *path, struct store **out, struct errtext *why)
{
	struct store *s = calloc(1, sizeof(*s));
	mode_t old;
	int rc, r;

	if (!s)
		return errtext_set(why, -ENOMEM, "store: no memory");
	snprintf(s->path, sizeof(s->path), "%s", path);
	old = umask(077);
	rc = sqlite3_open_v2(path, &s->db,
			     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
				     SQLITE_OPEN_NOMUTEX,
			     NULL);
	r = rc == SQLITE_OK ? set_up(s, why) : store_error(s, rc, why);
	umask(old);
	if (r) {
		store_close(s);
		return r;
	}
	reserve_fill(s);
	*out = s;
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < STMTS; i++)
		sqlite3_finalize(s->stmt[i]);
	sqlite3_close(s->db);
	free(s);
}

int store_durability(struct store *s, enum store_durability d,
		     struct errtext *why)
{
	return exec(s,
		    d == STORE_FULL ? "PRAGMA synchronous=FULL"
				    : "PRAGMA synchronous=NORMAL",
		    why);
}

int store_begin(struct store *s, struct errtext *why)
{
	return store_run_kept(s, STMT_BEGIN, why, "");
}

int store_commit(struct store *s, struct errtext *why)
{
	int r = store_run_kept(s, STMT_COMMIT, why, "");

	if (r)
		store_rollback(s);
	return r;
}

void store_rollback(struct store *s)
{
	if (!sqlite3_get_autocommit(s->db))
		(void)exec(s, "ROLLBACK", NULL);
}

static int vprepare(struct store *s, sqlite3_stmt **st, struct errtext *why,
		    const char *sql, const char *fmt, va_list ap)
{
	int rc = sqlite3_prepare_v2(s->db, sql, -1, st, NULL);

	if (rc == SQLITE_OK)
		rc = bind_all(*st, fmt, ap);
	if (rc == SQLITE_OK)
		return 0;
	rc = store_error(s, rc, why);
	sqlite3_finalize(*st);
	return rc;
}

int store_prepare(struct store *s, sqlite3_stmt **st, struct errtext *why,
		  const char *sql, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vprepare(s, st, why, sql, fmt, ap);
	va_end(ap);
	return r;
}

static int run(struct store *s, struct errtext *why, const char *sql,
	       const char *fmt, ...)
{
	sqlite3_stmt *st;
	va_list ap;
	int rc, r;

	va_start(ap, fmt);
	r = vprepare(s, &st, why, sql, fmt, ap);
	va_end(ap);
	if (r)
		return r;
	rc = sqlite3_step(st);
	r = rc == SQLITE_DONE ? 0 : store_error(s, rc, why);
	sqlite3_finalize(st);
	return r;
}

/* May what a full disk refused be tried again? */
static bool made_room(struct store *s, int r)
{
	return r == -ENOSPC && sqlite3_get_autocommit(s->db) && reserve_spend(s);
}

int store_del(struct store *s, struct errtext *why, const char *sql, int64_t id,
	      const char *a, const char *b)
{
	const char *fmt = b ? "itt" : a ? "it" : "i";
	int r = run(s, why, sql, fmt, id, a, b);

	if (made_room(s, r))
		r = run(s, why, sql, fmt, id, a, b);
	if (!r)
		reserve_fill(s);
	return r;
}

int store_del_kept(struct store *s, enum store_stmt which, int64_t network,
		   const char *text, struct errtext *why)
{
	int r = store_run_kept(s, which, why, "it", network, text);

	if (made_room(s, r))
		r = store_run_kept(s, which, why, "it", network, text);
	return r;
}

/* ---- text forms; "" for none --------------------------------------------- */

struct addr_text {
	char s[IP6_NET_TEXT];
};

static struct addr_text ip_text(uint32_t ip)
{
	struct addr_text t = {""};

	if (ip)
		ip4_format(ip, t.s);
	return t;
}

static struct addr_text ipaddr_text(const struct ipaddr *a)
{
	struct addr_text t = {""};

	if (!ipaddr_is_zero(a))
		ipaddr_format(a, t.s);
	return t;
}

static struct addr_text net_text(const struct ip4_net *n)
{
	struct addr_text t = {""};

	if (n->plen)
		ip4_net_format(n, t.s);
	return t;
}

static struct addr_text net6_text(const struct ip6_net *n)
{
	struct addr_text t = {""};

	if (n->plen)
		ip6_net_format(n, t.s);
	return t;
}

static struct addr_text mac_text(const struct mac *m)
{
	struct addr_text t = {""};

	if (!mac_is_zero(m))
		mac_format(m, t.s);
	return t;
}

/* ---- records ------------------------------------------------------------- */

int store_meta_set(struct store *s, const char *key, const char *value,
		   struct errtext *why)
{
	return run(s, why, "INSERT OR REPLACE INTO meta VALUES(?1, ?2)", "tt",
		   key, value);
}

void store_meta_get(struct store *s, const char *key, char *out, size_t cap)
{
	const char *sql = "SELECT value FROM meta WHERE key=?1";
	sqlite3_stmt *st;

	out[0] = '\0';
	if (store_prepare(s, &st, NULL, sql, "t", key))
		return;
	if (sqlite3_step(st) == SQLITE_ROW)
		snprintf(out, cap, "%s",
			 (const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
}

int store_net_add(struct store *s, struct net_conf *c, struct errtext *why)
{
	char pool[IP6CONF_POOL_TEXT];
	int r = run(s, why,
		    "INSERT INTO networks VALUES(NULL,?,?,?,?,?,?,?,?,?,?,?,?,"
		    "?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
		    "ttttttttiitttt"
		    "iitttttttt"
		    "tiit",
		    c->name, net_mode_name(c->mode), net_text(&c->subnet).s,
		    ip_text(c->host_ip).s, ip_text(c->service_ip).s,
		    ip_text(c->dns_ip).s, ip_text(c->dhcp_first).s,
		    ip_text(c->dhcp_last).s, (int64_t)c->lease_s,
		    (int64_t)c->mtu, c->uplink, c->domain,
		    net_access_name(c->access), mac_text(&c->mac).s,
		    (int64_t)c->autostart, (int64_t)c->active,
		    natconf_filter_name(c->udp_filter), c->host_allow,
		    net6_text(&c->subnet6).s, c->tftp,
		    ip6conf_mode_name(c->ipv6), ip6conf_pool_format(c, pool),
		    net_datapath_name(c->datapath),
		    uplinkconf_mode_name(c->uplink_mode),
		    guardconf_level_name(c->guard.level),
		    (int64_t)c->guard.isolated, c->guard.storm,
		    uplinkconf_mac_nat_name(c->mac_nat));

	if (!r)
		c->id = sqlite3_last_insert_rowid(s->db);
	return r;
}

int store_net_set(struct store *s, const struct net_conf *c,
		  struct errtext *why)
{
	char pool[IP6CONF_POOL_TEXT];

	return run(s, why,
		   "UPDATE networks SET access=?2, lease_s=?3, udp_filter=?4, "
		   "host_allow=?5, subnet6=?6, tftp=?7, ipv6=?8, "
		   "prefix_pool=?9, domain=?10, uplink_mode=?11, guard=?12, "
		   "isolated=?13, storm=?14, mac_nat=?15 WHERE id=?1",
		   "itittttt"
		   "ttttiit",
		   c->id, net_access_name(c->access),
		   (int64_t)c->lease_s, natconf_filter_name(c->udp_filter),
		   c->host_allow, net6_text(&c->subnet6).s, c->tftp,
		   ip6conf_mode_name(c->ipv6), ip6conf_pool_format(c, pool),
		   c->domain, uplinkconf_mode_name(c->uplink_mode),
		   guardconf_level_name(c->guard.level),
		   (int64_t)c->guard.isolated, c->guard.storm,
		   uplinkconf_mac_nat_name(c->mac_nat));
}

int store_net_flags(struct store *s, int64_t id, bool autostart, bool active,
		    struct errtext *why)
{
	static const char sql[] =
		"UPDATE networks SET autostart=?2, active=?3 WHERE id=?1";
	int64_t as = autostart, ac = active;
	int r = run(s, why, sql, "iii", id, as, ac);

	/* A full disk must not keep a network from being stopped. */
	if (r == -ENOSPC && reserve_spend(s))
		r = run(s, why, sql, "iii", id, as, ac);
	if (!r)
		reserve_fill(s);
	return r;
}

int store_net_del(struct store *s, int64_t id, struct errtext *why)
{
	return store_del(s, why, "DELETE FROM networks WHERE id=?1", id, NULL, NULL);
}

int store_nic_add(struct store *s, struct nic_conf *c, struct errtext *why)
{
	int r = run(s, why,
		    "INSERT INTO nics VALUES(NULL,?,?,?,?,?,?,?,?,?,?,?,?,?,?,"
		    "?,?,?,?)",
		    "ititttt"
		    "iiiti"
		    "tiiiit",
		    c->network, c->vm, (int64_t)c->index, mac_text(&c->mac).s,
		    nic_type_name(c->type), c->ifname, c->netns,
		    (int64_t)c->owner, (int64_t)c->link,
		    (int64_t)c->queues, c->connect_to, (int64_t)c->transient,
		    guardconf_level_name(c->guard.level),
		    (int64_t)c->guard.isolated, c->guard.storm,
		    (int64_t)c->guard.rate_in, (int64_t)c->guard.rate_out,
		    c->guard.ips);

	if (!r)
		c->id = sqlite3_last_insert_rowid(s->db);
	return r;
}

int store_nic_update(struct store *s, const struct nic_conf *c,
		     struct errtext *why)
{
	return run(s, why,
		   "UPDATE nics SET network=?2, link=?3, ifname=?4, guard=?5, "
		   "isolated=?6, storm=?7, rate_in=?8, rate_out=?9, ips=?10 "
		   "WHERE id=?1",
		   "iiittiiiit", c->id, c->network, (int64_t)c->link, c->ifname,
		   guardconf_level_name(c->guard.level),
		   (int64_t)c->guard.isolated, c->guard.storm,
		   (int64_t)c->guard.rate_in, (int64_t)c->guard.rate_out,
		   c->guard.ips);
}

int store_nic_del(struct store *s, int64_t id, struct errtext *why)
{
	return store_del(s, why, "DELETE FROM nics WHERE id=?1", id, NULL, NULL);
}

static int del_nics(struct store *s, const int64_t *id, size_t n,
		    struct errtext *why)
{
	int r = store_begin(s, why);

	if (r)
		return r;
	for (size_t i = 0; i < n && !r; i++)
		r = run(s, why, "DELETE FROM nics WHERE id=?1", "i", id[i]);
	if (!r)
		return store_commit(s, why);
	store_rollback(s);
	return r;
}

int store_nics_del(struct store *s, const int64_t *id, size_t n,
		   struct errtext *why)
{
	int r = del_nics(s, id, n, why);

	if (r == -ENOSPC && reserve_spend(s))
		r = del_nics(s, id, n, why);
	if (!r)
		reserve_fill(s);
	return r;
}

int store_fwd_add(struct store *s, struct fwd_conf *c, struct errtext *why)
{
	int r = run(s, why,
		    "INSERT INTO forwards VALUES(NULL,?,?,?,?,?,?,?,?,?)",
		    "ittiititi", c->network, fwd_proto_name(c->proto),
		    ipaddr_text(&c->address).s, (int64_t)c->port,
		    (int64_t)c->port_end, c->to_vm, (int64_t)c->to_nic,
		    ipaddr_text(&c->to_address).s, (int64_t)c->to_port);

	if (!r)
		c->id = sqlite3_last_insert_rowid(s->db);
	return r;
}

int store_fwd_update(struct store *s, const struct fwd_conf *c,
		     struct errtext *why)
{
	return run(s, why,
		   "UPDATE forwards SET proto=?2, address=?3, port=?4, "
		   "port_end=?5, to_vm=?6, to_nic=?7, to_address=?8, to_port=?9 "
		   "WHERE id=?1",
		   "ittiititi", c->id, fwd_proto_name(c->proto),
		   ipaddr_text(&c->address).s, (int64_t)c->port,
		   (int64_t)c->port_end, c->to_vm, (int64_t)c->to_nic,
		   ipaddr_text(&c->to_address).s, (int64_t)c->to_port);
}

int store_fwd_del(struct store *s, int64_t id, struct errtext *why)
{
	return store_del(s, why, "DELETE FROM forwards WHERE id=?1", id, NULL, NULL);
}

int store_resv_put(struct store *s, const struct resv_conf *c,
		   struct errtext *why)
{
	return run(s, why,
		   "INSERT OR REPLACE INTO reservations VALUES(?,?,?,?,?,?)",
		   "itttit", c->network, ip_text(c->address).s,
		   mac_text(&c->mac).s, c->vm, (int64_t)c->nic, c->hostname);
}

int store_resv_del(struct store *s, int64_t network, uint32_t address,
		   struct errtext *why)
{
	return store_del(s, why,
			 "DELETE FROM reservations WHERE network=?1 AND "
			 "address=?2",
			 network, ip_text(address).s, NULL);
}

/* The network's own scope is "", which 't' would make NULL. */
#define NET_SCOPE(c) ((c)->scope[0] ? (c)->scope : "network")

int store_dhcpset_put(struct store *s, const struct dhcpset_conf *c,
		      struct errtext *why)
{
	return run(s, why, "INSERT OR REPLACE INTO dhcp VALUES(?,?,?,?)",
		   "ittt", c->network, NET_SCOPE(c), c->name, c->value);
}

int store_dhcpset_del(struct store *s, const struct dhcpset_conf *c,
		      struct errtext *why)
{
	return store_del(s, why,
			 "DELETE FROM dhcp WHERE network=? AND scope=? AND "
			 "name=?",
			 c->network, NET_SCOPE(c), c->name);
}

int store_record_add(struct store *s, const struct record_conf *c,
		     struct errtext *why)
{
	return run(s, why, "INSERT INTO records VALUES(?,?,?,?)", "ittt",
		   c->network, c->name, c->type, c->value);
}

int store_record_del(struct store *s, const struct record_conf *c,
		     struct errtext *why)
{
	static const char sql[] =
		"DELETE FROM records WHERE network=?1 AND name=?2 AND type=?3 "
		"AND value IS ?4";
	int r = run(s, why, sql, "ittt", c->network, c->name, c->type,
		    c->value);

	if (r == -ENOSPC && sqlite3_get_autocommit(s->db) && reserve_spend(s))
		r = run(s, why, sql, "ittt", c->network, c->name, c->type,
			c->value);
	if (!r)
		reserve_fill(s);
	return r;
}

int store_claim_put(struct store *s, const struct claim_conf *c,
		    struct errtext *why)
{
	return run(s, why, "INSERT OR REPLACE INTO claims VALUES(?,?,?,?)",
		   "ittt", c->network, ipaddr_text(&c->address).s,
		   mac_text(&c->mac).s, c->name);
}

int store_claim_del(struct store *s, const struct claim_conf *c,
		    struct errtext *why)
{
	return store_del(s, why,
			 "DELETE FROM claims WHERE network=?1 AND address=?2",
			 c->network, ipaddr_text(&c->address).s, NULL);
}

int store_lease_put(struct store *s, const struct lease_conf *c,
		    struct errtext *why)
{
	char id[2 * DHCP_CLIENT_ID_MAX + 1], mac[MAC_TEXT];

	hex_encode(c->client_id, c->client_id_len, id);
	return store_run_kept(s, STMT_LEASE_PUT, why,
			"itttt"
			"iit",
			c->network, ip_text(c->address).s,
			mac_format(&c->mac, mac), id, c->hostname, c->nic,
			c->expires, dhcp_state_name(c->state));
}

int store_lease_del(struct store *s, int64_t network, uint32_t address,
		    struct errtext *why)
{
	return store_del_kept(s, STMT_LEASE_DEL, network, ip_text(address).s,
			      why);
}
