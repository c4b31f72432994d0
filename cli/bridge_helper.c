// SPDX-License-Identifier: GPL-2.0-or-later
/* A TAP on a network's bridge for QEMU and libvirt. See bridge_helper.h. */
#include "cli/bridge_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "lib/fdutil.h"
#include "lib/version.h"

#define PATIENCE_MS 15000 /* QEMU waits for us, and somebody for it */
#define PARENTS_MAX 3	  /* a shell may be between QEMU and us */
#define WORDS_BYTES (1 << 20)
#define WORDS_MAX   4096

static const char help[] =
	"usage: vnet-bridge-helper --br=NET --fd=N [--use-vnet] [--vm=NAME] [--mac=MAC]\n"
	"                          [--socket=PATH]\n"
	"\n"
	"Started by QEMU and libvirt to get a TAP on the bridge of a network of datapath\n"
	"kernel, as an ordinary user who may use vnetd:\n"
	"\n"
	"  qemu-system-x86_64 -netdev bridge,id=n0,br=lab,helper=/…/vnet-bridge-helper \\\n"
	"      -device virtio-net-pci,netdev=n0,mac=52:54:00:01:02:03 …\n"
	"\n"
	"NET is a network or the name of its bridge. The NIC belongs to the VM that QEMU's\n"
	"-name says, and is gone when QEMU ends.\n";

/* ---- what is asked for ----------------------------------------------------------- */

static const char *value_of(const char *word, const char *name)
{
	size_t n = strlen(name);

	return !strncmp(word, name, n) && word[n] == '=' ? word + n + 1 : NULL;
}

static int parse_word(const char *word, struct bridge_args *a,
		      struct errtext *why)
{
	const char *v;
	long n;

	if (!strcmp(word, "--use-vnet")) {
		a->vnet_hdr = true;
	} else if (!strcmp(word, "--help") || !strcmp(word, "-h")) {
		a->help = true;
	} else if (!strcmp(word, "--version") || !strcmp(word, "-V")) {
		a->version = true;
	} else if ((v = value_of(word, "--br"))) {
		a->br = v;
	} else if ((v = value_of(word, "--vm"))) {
		a->vm = v;
	} else if ((v = value_of(word, "--mac"))) {
		a->mac = v;
	} else if ((v = value_of(word, "--socket"))) {
		a->socket = v;
	} else if ((v = value_of(word, "--fd"))) {
		if (args_number(v, 0, 1 << 20, &n))
			return errtext_set(why, -EINVAL,
					   "--fd=%.20s: not a descriptor", v);
		a->fd = (int)n;
	} else {
		return errtext_set(why, -EINVAL, "%.60s: unknown option", word);
	}
	return 0;
}

int bridge_args_parse(int argc, char **argv, struct bridge_args *out,
		      struct errtext *why)
{
	int r = 0;

	*out = (struct bridge_args){.br = "", .fd = -1};
	for (int i = 1; !r && i < argc; i++)
		r = parse_word(argv[i], out, why);
	if (r || out->help || out->version)
		return r;
	if (!*out->br)
		return errtext_set(why, -EINVAL, "--br=NET is missing");
	if (out->fd < 0)
		return errtext_set(why, -EINVAL, "--fd=N is missing");
	return 0;
}

/* ---- who asks ----------------------------------------------------------------------- */

/* Words of a process's command line, in @buf. False when it cannot be read. */
static bool words_of(pid_t pid, char *buf, const char **words)
{
	char path[64];
	size_t n = 0;
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	len = read(fd, buf, WORDS_BYTES - 1);
	close(fd);
	if (len <= 0)
		return false;
	buf[len] = '\0';
	for (ssize_t at = 0; at < len && n < WORDS_MAX;
	     at += (ssize_t)strlen(buf + at) + 1)
		words[n++] = buf + at;
	words[n] = NULL;
	return true;
}

static pid_t parent_of(pid_t pid)
{
	char path[64], line[512], *end;
	int parent = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	/* The name, in parentheses, may have any character. */
	if (fgets(line, sizeof(line), f) && (end = strrchr(line, ')')) &&
	    sscanf(end, ") %*c %d", &parent) != 1)
		parent = 0;
	fclose(f);
	return parent;
}

/* What QEMU's own command line says; without it, a name by the asker's number. */
static void find_vm(const char *br, struct run_bridge *out)
{
	const char **words = calloc(WORDS_MAX + 1, sizeof(*words));
	char *buf = malloc(WORDS_BYTES);
	pid_t pid = getppid();

	*out = (struct run_bridge){.has_mac = false};
	snprintf(out->vm, sizeof(out->vm), "vm-%d", (int)pid);
	for (int i = 0; words && buf && pid > 1 && i < PARENTS_MAX; i++) {
		if (!words_of(pid, buf, words))
			break;
		if (run_is_qemu(words)) {
			run_bridge_look(words, br, (int)pid, out);
			break;
		}
		pid = parent_of(pid);
	}
	free(buf);
	free(words);
}

/* ---- vnetd ------------------------------------------------------------------------------- */

/* The network that has the name, or the bridge. 0 with @out, or negative errno. */
static int find_network(struct rpc_client *rpc, const char *br, char *out,
			size_t cap, struct errtext *why)
{
	json_t *res, *net;
	const char *name = NULL;
	size_t i;
	int code, r = rpc_client_call(rpc, "network.list", NULL, NULL, 0, &res,
				      &code, why);

	if (r)
		return r;
	json_array_foreach(json_object_get(res, "networks"), i, net)
		if (!strcmp(cli_str(net, "name"), br) ||
		    (!name && !strcmp(cli_str(net, "bridge"), br)))
			name = cli_str(net, "name");
	if (name)
		snprintf(out, cap, "%s", name);
	json_decref(res);
	return name ? 0
		    : errtext_set(why, -ENOENT,
				  "there is no network and no bridge \"%.60s\" "
				  "(QEMU: br=NET)", br);
}

static int attach(struct rpc_client *rpc, const struct bridge_args *a,
		  const char *network, int *fd, struct errtext *why)
{
	struct run_bridge q;
	char mac[MAC_TEXT];
	json_t *p, *res;
	int code, r;

	find_vm(a->br, &q);
	p = json_pack("{s:s,s:s,s:s,s:b,s:b}", "vm", a->vm ? a->vm : q.vm,
		      "network", network, "type", "tap", "transient", 1,
		      "vnet_hdr", (int)a->vnet_hdr);
	if (a->mac)
		json_object_set_new(p, "mac", json_string(a->mac));
	else if (q.has_mac)
		json_object_set_new(p, "mac",
				    json_string(mac_format(&q.mac, mac)));
	r = rpc_client_call(rpc, "nic.attach", p, NULL, 0, &res, &code, why);
	if (r)
		return r;
	*fd = rpc_client_take_fd(rpc, json_integer_value(
					      json_object_get(res, "fd")));
	json_decref(res);
	return *fd >= 0 ? 0
			: errtext_set(why, -EPROTO,
				      "vnetd's answer brought no descriptor");
}

static int hand_over(int sock, int fd, struct errtext *why)
{
	char byte = 0;
	struct iovec iov = {&byte, 1};
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(sizeof(int))];
	} u = {.space = {0}};
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = u.space,
		.msg_controllen = sizeof(u.space),
	};
	ssize_t n;

	u.h.cmsg_level = SOL_SOCKET;
	u.h.cmsg_type = SCM_RIGHTS;
	u.h.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&u.h), &fd, sizeof(int));
	while ((n = sendmsg(sock, &m, MSG_NOSIGNAL)) < 0 && errno == EINTR)
		;
	return n == 1 ? 0
		      : errtext_set(why, -errno,
				    "the TAP cannot be handed over: --fd=%d: %s",
				    sock, strerror(errno));
}

static int serve(const struct bridge_args *a, struct errtext *why)
{
	char path[512], network[128];
	struct rpc_client *rpc = NULL;
	struct stat st;
	int fd = -1, r;

	if (fstat(a->fd, &st) || !S_ISSOCK(st.st_mode))
		return errtext_set(why, -ENOTSOCK, "--fd=%d is no socket",
				   a->fd);
	cli_find_socket(a->socket, path, sizeof(path));
	r = rpc_client_open(path, &rpc, NULL);
	if (r)
		return errtext_set(why, r, "cannot reach vnetd at %.200s: %s",
				   path, strerror(-r));
	rpc_client_patience(rpc, PATIENCE_MS);
	r = find_network(rpc, a->br, network, sizeof(network), why);
	if (!r)
		r = attach(rpc, a, network, &fd, why);
	if (!r)
		r = hand_over(a->fd, fd, why);
	else if (!why->s[0])
		errtext_set(why, r, "vnetd at %.200s does not answer", path);
	fd_close(&fd);
	rpc_client_free(rpc);
	return r;
}

int bridge_helper_main(int argc, char **argv)
{
	struct errtext why = {""};
	struct bridge_args a;
	int r;

	if (fd_fill_std())
		return CLI_REFUSED;
	r = bridge_args_parse(argc, argv, &a, &why);
	if (!r && a.help)
		fputs(help, stdout);
	else if (!r && a.version)
		printf("vnet-bridge-helper %s\n", VNET_VERSION);
	else if (!r)
		r = serve(&a, &why);
	if (r)
		fprintf(stderr, "vnet-bridge-helper: %s\n", why.s);
	/* QEMU knows one way of failing only. */
	return r ? CLI_REFUSED : CLI_OK;
}
