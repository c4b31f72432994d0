// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The journal: one line a fact, objects as hexadecimal. Written whole beside its place,
 * synced, and renamed, so that it is there entirely or not at all; "end" proves it.
 */
#include "switch/uplink_int.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADING	    "vnet-uplink 1"
#define JOURNAL_MAX (64 << 20)

/* ---- writing ------------------------------------------------------------------------- */

static void put_objs(FILE *f, const struct list *l)
{
	list_for_each(o, l, struct up_obj, node) {
		fprintf(f, "%s ", !o->route ? "addr"
				  : o->first ? "first-route" : "route");
		for (size_t i = 0; i < o->len; i++)
			fprintf(f, "%02x", o->b[i]);
		fputc('\n', f);
	}
}

int journal_format(const struct up_saved *s, char **out)
{
	char mac[MAC_TEXT];
	size_t len;
	FILE *f = open_memstream(out, &len);

	if (!f)
		return -ENOMEM;
	fprintf(f, HEADING "\n");
	fprintf(f, "boot %s\nnetns %" PRIu64 "\ntime %" PRId64 "\n", s->boot,
		s->netns, s->time_s);
	fprintf(f, "bridge %s\nuplink %s\ntap %s\nport-mtu %u\n",
		s->spec.bridge, s->spec.uplink, s->spec.tap, s->spec.mtu);
	fprintf(f, "index %d\nmac %s\nmtu %u\nup %d\n", s->l3.index,
		mac_format(&s->mac, mac), s->mtu, s->was_up);
	fprintf(f, "genmode %s\naccept-dad %s\ndone %d\n",
		s->genmode[0] ? s->genmode : "-",
		s->accept_dad[0] ? s->accept_dad : "-", s->done);
	if (s->spec.mark[0])
		fprintf(f, "mark %s\n", s->spec.mark);
	put_objs(f, &s->l3.addrs);
	put_objs(f, &s->l3.routes);
	fprintf(f, "end\n");
	if (fclose(f)) {
		free(*out);
		*out = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int write_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left) {
		ssize_t n = write(fd, text, left);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			text += n;
			left -= (size_t)n;
		}
	}
	return fsync(fd) ? -errno : 0;
}

/* The name is as important as the bytes. */
static int sync_dir(const char *path)
{
	char dir[PATH_MAX];
	char *slash;
	int fd, r;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (!slash)
		return 0;
	*slash = '\0';
	fd = open(dir[0] ? dir : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = fsync(fd) && errno != EINVAL ? -errno : 0;
	close(fd);
	return r;
}

int journal_write(const char *path, const struct up_saved *s,
		  struct errtext *why)
{
	char part[PATH_MAX], *text = NULL;
	int fd = -1, r = journal_format(s, &text);

	if (!r && snprintf(part, sizeof(part), "%s.part", path) >=
			  (int)sizeof(part))
		r = -ENAMETOOLONG;
	if (!r) {
		fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC |
			  O_NOFOLLOW, 0600);
		r = fd < 0 ? -errno : write_all(fd, text);
	}
	if (fd >= 0 && close(fd) && !r)
		r = -errno;
	if (!r && rename(part, path))
		r = -errno;
	if (!r)
		r = sync_dir(path);
	free(text);
	return r ? errtext_set(why, r, "cannot write %s: %s", path,
			       strerror(-r)) : 0;
}

/* ---- reading ----------------------------------------------------------------------------- */

static int hexval(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int get_obj(struct list *l, bool route, bool first, const char *hex)
{
	uint8_t b[OBJ_MAX];
	size_t n = 0;
	struct up_obj *o;

	for (; hex[0] && hex[1] && n < sizeof(b); hex += 2) {
		int hi = hexval(hex[0]), lo = hexval(hex[1]);

		if (hi < 0 || lo < 0)
			return -EINVAL;
		b[n++] = (uint8_t)(hi << 4 | lo);
	}
	if (hex[0])
		return -EINVAL;
	o = obj_new(route, b, n);
	if (!o)
		return -ENOMEM;
	if (!obj_valid(o)) {
		free(o);
		return -EINVAL;
	}
	o->first = first;
	list_add_tail(l, &o->node);
	return 0;
}

/* @v into a field of @cap; "-" means empty. */
static int get_word(char *out, size_t cap, const char *v)
{
	if (strlen(v) >= cap)
		return -EINVAL;
	snprintf(out, cap, "%s", strcmp(v, "-") ? v : "");
	return 0;
}

static int get_num(const char *v, int64_t min, int64_t max, int64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoll(v, &end, 10);
	return errno || end == v || *end || *out < min || *out > max ? -EINVAL
								     : 0;
}

static int get_number(struct up_saved *s, const char *k, const char *v)
{
	int64_t n;
	int r = get_num(v, 0, INT64_MAX, &n);

	if (r)
		return r;
	if (!strcmp(k, "netns"))
		s->netns = (uint64_t)n;
	else if (!strcmp(k, "time"))
		s->time_s = n;
	else if (!strcmp(k, "port-mtu") && n <= UINT16_MAX)
		s->spec.mtu = (uint16_t)n;
	else if (!strcmp(k, "index") && n <= INT_MAX)
		s->l3.index = (int)n;
	else if (!strcmp(k, "mtu") && n <= UINT32_MAX)
		s->mtu = (uint32_t)n;
	else if (!strcmp(k, "up"))
		s->was_up = n;
	else if (!strcmp(k, "done"))
		s->done = n;
	else
		return -EINVAL;
	return 0;
}

static int get_line(struct up_saved *s, const char *k, const char *v)
{
	if (!strcmp(k, "addr"))
		return get_obj(&s->l3.addrs, false, false, v);
	if (!strcmp(k, "route"))
		return get_obj(&s->l3.routes, true, false, v);
	if (!strcmp(k, "first-route"))
		return get_obj(&s->l3.routes, true, true, v);
	if (!strcmp(k, "boot"))
		return get_word(s->boot, sizeof(s->boot), v);
	if (!strcmp(k, "bridge"))
		return get_word(s->spec.bridge, IFNAMSIZ, v);
	if (!strcmp(k, "uplink"))
		return get_word(s->spec.uplink, IFNAMSIZ, v);
	if (!strcmp(k, "tap"))
		return get_word(s->spec.tap, IFNAMSIZ, v);
	if (!strcmp(k, "mark"))
		return get_word(s->spec.mark, LINK_ALIAS, v);
	if (!strcmp(k, "genmode"))
		return get_word(s->genmode, sizeof(s->genmode), v);
	if (!strcmp(k, "accept-dad"))
		return get_word(s->accept_dad, sizeof(s->accept_dad), v);
	if (!strcmp(k, "mac"))
		return mac_parse(v, &s->mac);
	return get_number(s, k, v);
}

static int parse_lines(char *text, struct up_saved *s)
{
	char *save = NULL, *line = strtok_r(text, "\n", &save);

	if (!line || strcmp(line, HEADING))
		return -EINVAL;
	while ((line = strtok_r(NULL, "\n", &save))) {
		char *v = strchr(line, ' ');
		int r;

		if (!v)
			return !strcmp(line, "end") && s->spec.bridge[0] &&
			       s->spec.uplink[0] && s->spec.tap[0] ? 0
								   : -EINVAL;
		*v++ = '\0';
		r = get_line(s, line, v);
		if (r)
			return r;
	}
	return -EINVAL; /* no end */
}

int journal_parse(char *text, struct up_saved *out)
{
	int r;

	memset(out, 0, sizeof(*out));
	l3_init(&out->l3);
	r = parse_lines(text, out);
	if (r)
		l3_fini(&out->l3);
	return r;
}

static int read_file(const char *path, char **out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	ssize_t n = 0;
	char *text;
	int r;

	if (fd < 0)
		return -errno;
	r = fstat(fd, &st) ? -errno : st.st_size > JOURNAL_MAX ? -EFBIG : 0;
	text = r ? NULL : malloc((size_t)st.st_size + 1);
	if (!r && !text)
		r = -ENOMEM;
	if (!r)
		n = read(fd, text, (size_t)st.st_size); /* a file: all of it */
	if (n < 0)
		r = -errno;
	close(fd);
	if (r) {
		free(text);
		return r;
	}
	text[n] = '\0';
	*out = text;
	return 0;
}

int journal_read(const char *path, struct up_saved *out, struct errtext *why)
{
	char *text = NULL;
	int r = read_file(path, &text);

	if (r == -ENOENT)
		return r;
	if (!r) {
		r = journal_parse(text, out);
		free(text);
	}
	return r ? errtext_set(why, r, "cannot read %s: %s", path,
			       strerror(-r)) : 0;
}

void saved_fini(struct up_saved *s)
{
	l3_fini(&s->l3);
}
