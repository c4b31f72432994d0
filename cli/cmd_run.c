// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `vnet run`: a NIC for the time a program runs. What is to be executed is
 * decided in run_plan.c, signals and the terminal are run_child.c's; here is the
 * NIC's life.
 *
 * The NIC is one end of a socket pair of which we keep a duplicate: when vnetd
 * goes away and comes back we hand it in again, so that the VM keeps its NIC even
 * when all of vnet is killed.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/nic_facts.h"
#include "cli/run_child.h"
#include "cli/run_plan.h"
#include "lib/clock.h"
#include "lib/fdutil.h"
#include "lib/htab.h"

#define PAIR_BUFFER  (4 << 20) /* bytes a side may have under way */
#define PATIENCE_MS  15000 /* a vnetd that hangs must not keep us for ever */
#define RETRY_MIN_MS 200
#define RETRY_MAX_MS 3000

struct run {
	struct cli *c;
	const char *network;
	char vm[RUN_VM_TEXT];
	int nic;
	struct run_hints hints;
	const char *type; /* asked for; NULL: what is there, else fd */
	bool existed;	  /* the NIC was there before: leave it */
	int lock_fd;
	int ours, theirs; /* the pair: vnetd's end and the program's, or -1 */
	json_t *answer;	  /* of nic.attach */
	struct run_child child;
	int64_t retry_at; /* when to try to reach vnetd again; 0: it is there */
	int retry_ms;
	bool detached; /* somebody removed the NIC meanwhile */
};

/* ---- one run for one NIC -------------------------------------------------- */

/**
 * lock_nic() - Hold the NIC for this run
 *
 * A second `vnet run` for the same NIC would take it away from a running VM. The
 * lock is a socket in the abstract namespace, because that leaves nothing behind
 * however we end; its name is made from user, daemon and NIC.
 */
static int lock_nic(struct run *r)
{
	static const uint64_t seed[2] = {0x766e6574, 0x72756e};
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	char text[640];
	int n, len;

	n = snprintf(text, sizeof(text), "%u %s %s %d", geteuid(),
		     r->c->socket, r->vm, r->nic);
	len = snprintf(sa.sun_path + 1, sizeof(sa.sun_path) - 1,
		       "vnet-run-%08x-%s-%d",
		       hash_bytes(seed, text, (size_t)n), r->vm, r->nic);
	r->lock_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (r->lock_fd < 0 ||
	    bind(r->lock_fd, (struct sockaddr *)&sa,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			     (size_t)len)))
		return errno == EADDRINUSE
			       ? cli_refuse("%s nic %d is in use by another "
					    "vnet run; give this VM another "
					    "--name, or another --nic",
					    r->vm, r->nic)
			       : cli_refuse("socket: %s", strerror(errno));
	return CLI_OK;
}

/* ---- attaching ------------------------------------------------------------ */

/* Is the NIC there already? Then its type is taken over. */
static int look_for_nic(struct run *r)
{
	const json_t *nic;
	json_t *res;
	int ret = cli_call(r->c, "nic.list", json_object(), &res);

	if (ret)
		return ret;
	nic = nic_facts_find(json_object_get(res, "nics"), r->vm, r->nic);
	r->existed = nic;
	if (nic && !r->type)
		r->type = nic_facts_type(nic);
	json_decref(res);
	if (!r->type)
		r->type = "fd";
	if (!strcmp(r->type, "vhost-user") && !r->hints.fills && !r->hints.qemu)
		return cli_refuse("type vhost-user needs QEMU, or {socket} in "
				  "the command's words");
	if (strcmp(r->type, "vhost-user") && args_get(&r->c->args, "queues"))
		return cli_refuse("--queues goes with --type vhost-user");
	return CLI_OK;
}

static int make_pair(struct run *r)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fd))
		return cli_refuse("socketpair: %s", strerror(errno));
	for (int i = 0; i < 2; i++) {
		fd_sndbuf(fd[i], PAIR_BUFFER);
		fd_rcvbuf(fd[i], PAIR_BUFFER);
	}
	r->ours = fd[0];
	r->theirs = fd[1];
	return CLI_OK;
}

static json_t *nic_params(const struct run *r)
{
	return json_pack("{s:s,s:i}", "vm", r->vm, "nic", r->nic);
}

static int attach(struct run *r)
{
	json_t *p = nic_params(r);
	char mac[MAC_TEXT];
	int ret;

	json_object_set_new(p, "network", json_string(r->network));
	json_object_set_new(p, "type", json_string(r->type));
	cli_param(r->c, p, "mac");
	cli_param(r->c, p, "queues");
	if (r->hints.has_mac && !args_get(&r->c->args, "mac"))
		json_object_set_new(p, "mac",
				    json_string(mac_format(&r->hints.mac,
							   mac)));
	ret = cli_call_fd(r->c, "nic.attach", p, r->ours, &r->answer);
	if (!ret && !strcmp(cli_str(r->answer, "state"), "network-stopped"))
		fprintf(stderr, "vnet: network %s is stopped; `vnet start %s` "
				"gives the VM its network\n", r->network,
			r->network);
	return ret;
}

/* The TAP as a descriptor, for a program that cannot open it by name. */
static int open_tap(struct run *r)
{
	json_t *res;
	int ret = cli_call(r->c, "nic.tap_fd", nic_params(r), &res);

	if (ret)
		return ret;
	r->theirs = rpc_client_take_fd(
		r->c->rpc, json_integer_value(json_object_get(res, "fd")));
	json_decref(res);
	return r->theirs < 0 ? cli_refuse("vnetd's answer brought no descriptor")
			     : CLI_OK;
}

/* A connection in which calls end some time. Negative errno without one. */
static int open_rpc(struct run *r)
{
	int ret;

	rpc_client_free(r->c->rpc);
	r->c->rpc = NULL;
	ret = rpc_client_open(r->c->socket, &r->c->rpc, NULL);
	if (ret)
		r->c->rpc = NULL;
	else
		rpc_client_patience(r->c->rpc, PATIENCE_MS);
	return ret;
}

static void detach(struct run *r)
{
	struct errtext why = {{0}};
	json_t *res;
	int code = 0, ret;

	if (r->existed || r->detached || !r->answer)
		return;
	ret = r->retry_at && open_rpc(r) ? CLI_UNREACHABLE
					 : cli_try(r->c, "nic.detach",
						   nic_params(r), &res, &code,
						   &why);
	if (!ret)
		json_decref(res);
	else if (ret == CLI_UNREACHABLE)
		fprintf(stderr, "vnet: the NIC could not be removed; when "
				"vnetd is there again: vnet detach %s --nic "
				"%d\n", r->vm, r->nic);
	else if (code != RPC_NOT_FOUND)
		cli_refuse("%s", why.s);
}

/* ---- while it runs -------------------------------------------------------- */

/* A line between the VM's output, which may have the terminal in raw mode. */
static void note(const char *text)
{
	bool tty = isatty(STDERR_FILENO);

	fprintf(stderr, "%svnet: %s%s", tty ? "\r\n" : "", text,
		tty ? "\r\n" : "\n");
}

/* No connection: try again in @ms. */
static void lost(struct run *r, int ms)
{
	rpc_client_free(r->c->rpc);
	r->c->rpc = NULL;
	r->retry_ms = ms < RETRY_MAX_MS ? ms : RETRY_MAX_MS;
	r->retry_at = clock_mono_ms() + r->retry_ms;
}

/* vnetd has something for us: nothing we asked for, or its end. */
static void on_readable(struct run *r)
{
	json_t *msg;
	int ret;

	while (!(ret = rpc_client_event(r->c->rpc, 0, &msg)))
		json_decref(msg);
	if (ret != -ETIMEDOUT && ret != -EINTR)
		lost(r, RETRY_MIN_MS);
}

/* vnetd went away some time ago: is it back? Then it gets its end again. */
static void reconnect(struct run *r)
{
	struct errtext why;
	json_t *p, *res;
	int ret, code = 0;

	if (open_rpc(r)) {
		lost(r, 2 * r->retry_ms);
		return;
	}
	r->retry_at = 0;
	if (r->ours < 0)
		return; /* a socket or interface of vnetd's own */
	p = nic_params(r);
	json_object_set_new(p, "fd", json_integer(
					     rpc_client_next_index(r->c->rpc)));
	ret = rpc_client_call(r->c->rpc, "nic.connect", p, &r->ours, 1, &res,
			      &code, &why);
	if (!ret) {
		json_decref(res);
	} else if (ret == -EREMOTE && code == RPC_NOT_FOUND) {
		r->detached = true;
		note("the VM's NIC was removed while vnetd was away");
	} else {
		lost(r, 2 * r->retry_ms);
	}
}

/* Milliseconds until reconnect() is due; -1 = not at all. */
static int wait_ms(const struct run *r)
{
	int64_t left = r->retry_at - clock_mono_ms();

	if (!r->retry_at)
		return -1;
	return left > 0 ? (int)left : 0;
}

/* Until the program ends; its exit status. */
static int watch(struct run *r)
{
	for (;;) {
		struct pollfd p[2] = {
			{.fd = r->child.sig_fd, .events = POLLIN},
			{.fd = r->c->rpc ? rpc_client_fd(r->c->rpc) : -1,
			 .events = POLLIN},
		};
		int n = poll(p, 2, wait_ms(r));

		if (n > 0 && p[0].revents) {
			int status = run_child_signal(&r->child);

			if (status >= 0)
				return status;
		}
		if (n > 0 && p[1].revents)
			on_readable(r);
		if (r->retry_at && wait_ms(r) == 0)
			reconnect(r);
	}
}

/* ---- the command ---------------------------------------------------------- */

/* Everything about the NIC as environment, for scripts. */
static void set_environment(const struct run *r, const struct runner_nic *n)
{
	char nic[16], fd[16];

	snprintf(nic, sizeof(nic), "%d", r->nic);
	snprintf(fd, sizeof(fd), "%d", n->fd);
	setenv("VNET_NETWORK", r->network, 1);
	setenv("VNET_VM", r->vm, 1);
	setenv("VNET_NIC", nic, 1);
	setenv("VNET_MAC", n->mac, 1);
	if (n->fd >= 0)
		setenv(strcmp(r->type, "tap") ? "VNET_FD" : "VNET_TAPFD", fd, 1);
	if (n->path)
		setenv("VNET_NIC_SOCKET", n->path, 1);
	if (n->ifname)
		setenv("VNET_IFNAME", n->ifname, 1);
}

static int launch(struct run *r, const char *const *argv)
{
	struct runner_nic n = nic_facts(r->answer);
	struct strv words = {0};
	struct errtext why;
	int ret = CLI_OK;

	n.fd = r->theirs;
	if (r->hints.qemu)
		n.qemu = nic_facts_qemu_version(argv[0]);
	if (run_command(argv, &r->hints, &n, r->network, &words, &why)) {
		ret = cli_refuse("%s", why.s);
	} else {
		set_environment(r, &n);
		if (run_child_start(&r->child, &words, r->theirs, &why))
			ret = cli_refuse("%s", why.s);
	}
	strv_free(&words);
	fd_close(&r->theirs);
	return ret;
}

/* What the command line says. CLI_OK or CLI_USAGE. */
static int read_options(struct run *r, const char *const *argv)
{
	const struct args *a = &r->c->args;
	const char *name = args_get(a, "name");
	struct errtext why;

	r->network = args_get(a, "network");
	r->nic = (int)args_int(a, "nic", 0);
	if (run_look(argv, (unsigned int)r->nic, &r->hints, &why))
		return cli_usage(r->c, "%s", why.s);
	if (r->hints.has_netdev && !r->hints.fills)
		return cli_usage(r->c, "the command has a netdev vnet%d of its "
				 "own; vnet run adds one: leave -netdev out "
				 "(a -device with netdev=vnet%d may stay)",
				 r->nic, r->nic);
	if (r->hints.daemonizes)
		return cli_usage(r->c, "-daemonize ends QEMU's first process, "
				 "and with it vnet run; use vnet attach --for "
				 "qemu, or leave it out and end with &");
	r->type = args_get(a, "type");
	if (!r->type)
		r->type = r->hints.type;
	if (!name)
		run_vm_name(argv, (int)getpid(), r->vm);
	else if (strlen(name) >= sizeof(r->vm))
		return cli_usage(r->c, "--name \"%s\" is longer than %zu "
				 "characters", name, sizeof(r->vm) - 1);
	else
		strcpy(r->vm, name);
	return CLI_OK;
}

static int run_it(struct run *r, const char *const *argv)
{
	int ret = lock_nic(r);

	if (!ret)
		ret = look_for_nic(r);
	if (!ret && !strcmp(r->type, "fd"))
		ret = make_pair(r);
	if (!ret)
		ret = attach(r);
	if (!ret && r->hints.tap_fd && !strcmp(r->type, "tap"))
		ret = open_tap(r);
	if (!ret)
		ret = launch(r, argv);
	if (!ret)
		ret = watch(r);
	detach(r);
	return ret;
}

static int run_run(struct cli *c)
{
	const char *const *argv = (const char *const *)c->args.tail;
	struct run r = {.c = c, .lock_fd = -1, .ours = -1, .theirs = -1};
	int ret = read_options(&r, argv);

	if (!ret)
		ret = cli_connect(c);
	if (!ret)
		rpc_client_patience(c->rpc, PATIENCE_MS);
	if (!ret)
		ret = run_it(&r, argv);
	json_decref(r.answer);
	fd_close(&r.ours);
	fd_close(&r.theirs);
	fd_close(&r.lock_fd);
	return ret;
}

static const struct opt run_opts[] = {
	{"network", "NET", "the network to plug it into", OPT_TEXT, true},
	{"name", "VM", "the VM's name; default: QEMU's -name, else vm-PID"},
	{"nic", "N", "which NIC of the VM; default 0", OPT_INT, false, 0, 31},
	{"mac", "MAC", "hardware address; default: one that stays the same",
	 OPT_MAC},
	{"type", "fd|stream|dgram|seqpacket|tap|vhost-user",
	 "how it is reached; default fd or by placeholder",
	 OPT_CHOICE},
	{"queues", "N", "pairs of rings (type vhost-user); default 1", OPT_INT,
	 false, 1, 8},
	{NULL},
};

static const char run_help[] =
	"Plugs a NIC into a network, runs the command with it, unplugs it "
	"when the command\n"
	"ends, and returns the command's exit status (128 + signal when it "
	"was killed, 127\n"
	"when it is not found). A NIC that was there before is used and "
	"left.\n"
	"\n"
	"QEMU (7.2 or later) gets the arguments added: -netdev and -device "
	"(unless it has a\n"
	"-device with netdev=vnet0 already), and a monitor through which "
	"`vnet link` pulls\n"
	"the guest's cable. With --type vhost-user, the fastest, its memory "
	"is made to be\n"
	"shared, too, as large as its -m says. Other programs are told in "
	"their words and\n"
	"environment:\n"
	"\n"
	"  {fd}      VNET_FD          connected datagram socket, a frame a "
	"message\n"
	"  {socket}  VNET_NIC_SOCKET  path of vnetd's socket (--type "
	"stream)\n"
	"  {ifname}  VNET_IFNAME      TAP interface\n"
	"  {tapfd}   VNET_TAPFD       the TAP, opened, with virtio headers\n"
	"  {mac}     VNET_MAC         the NIC's address; also {vm} {nic} "
	"{network}\n"
	"\n"
	"The VM keeps its NIC when vnetd is restarted. Ctrl-C goes to the "
	"command, SIGTERM\n"
	"and SIGHUP are passed on; if vnet run itself is killed, the command "
	"gets SIGTERM.\n"
	"\n"
	"Examples:\n"
	"  vnet run --network lab -- qemu-system-x86_64 -m 1G -name MyVM "
	"disk.qcow2\n"
	"  vnet run --network lab --name MyVM -- \\\n"
	"      qemu-system-x86_64 -m 1G -nographic disk.qcow2\n"
	"  vnet run --network lab -- cloud-hypervisor --net "
	"tap={ifname},mac={mac} …\n"
	"  vnet run --network lab -- vfkit --device "
	"virtio-net,fd={fd},mac={mac} …\n"
	"  vnet run --network lab -- my-vmm --net-socket {socket}\n";

const struct cli_cmd cmd_run[] = {
	{"run", "start a VM with a NIC in a network",
	 {NULL, "COMMAND…", run_opts}, run_help, run_run},
	{NULL},
};
