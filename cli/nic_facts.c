// SPDX-License-Identifier: GPL-2.0-or-later
/* Facts about a NIC, and about the QEMU that is to use it. See nic_facts.h. */
#include "cli/nic_facts.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"

#define PROBE_MS 3000

static const char *text(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

/* "connect" says it best; the NIC's own member is the same thing. */
static const char *either(const json_t *nic, const char *key)
{
	const char *s = text(json_object_get(nic, "connect"), key);

	return s ? s : text(nic, key);
}

struct runner_nic nic_facts(const json_t *nic)
{
	struct runner_nic n = {
		.vm = text(nic, "vm"),
		.nic = (unsigned int)json_integer_value(
			json_object_get(nic, "nic")),
		.mac = text(nic, "mac"),
		.type = either(nic, "type"),
		.path = either(nic, "path"),
		.peer_dir = either(nic, "peer_dir"),
		.ifname = either(nic, "ifname"),
		.qmp = either(nic, "qmp"),
		.fd = -1,
		.queues = (unsigned int)json_integer_value(json_object_get(
			json_object_get(nic, "connect"), "queues")),
		.vmm_listens = json_is_true(json_object_get(
			json_object_get(nic, "connect"), "vmm_listens")),
		.device = "virtio-net-pci",
	};

	if (!n.type)
		n.type = "unknown";
	if (!n.mac)
		n.mac = "00:00:00:00:00:00";
	return n;
}

const char *nic_facts_type(const json_t *nic)
{
	static const char *const types[] = {"stream", "dgram", "seqpacket",
					    "tap",    "netns", "fd",
					    "vhost-user"};
	const char *type = either(nic, "type");

	for (size_t i = 0; type && i < ARRAY_LEN(types); i++)
		if (!strcmp(types[i], type))
			return types[i];
	return NULL;
}

const json_t *nic_facts_find(const json_t *nics, const char *vm, long nic)
{
	json_t *o;
	size_t i;

	json_array_foreach(nics, i, o) {
		const char *name = text(o, "vm");

		if (name && !strcmp(name, vm) &&
		    json_integer_value(json_object_get(o, "nic")) == nic)
			return o;
	}
	return NULL;
}

/* A wrapper script may do anything with --version; QEMU's own names may not. */
static bool harmless(const char *binary)
{
	const char *slash = strrchr(binary, '/');
	const char *base = slash ? slash + 1 : binary;

	return (!strncmp(base, "qemu-system-", 12) ||
		!strcmp(base, "qemu-kvm") || !strcmp(base, "kvm")) &&
	       !strchr(base, '.');
}

static void child(const char *binary, int out)
{
	int null = open("/dev/null", O_RDWR);

	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 2) < 0 ||
	    dup2(out, 1) < 0)
		_exit(127);
	execlp(binary, binary, "--version", (char *)NULL);
	_exit(127);
}

/* Read until the end, a full buffer or the deadline. */
static void read_all(int fd, char *buf, size_t cap)
{
	int64_t end = clock_mono_ms() + PROBE_MS;
	size_t len = 0;

	while (len + 1 < cap) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = end - clock_mono_ms();
		ssize_t n;

		if (left <= 0 || poll(&p, 1, (int)left) <= 0)
			break;
		n = read(fd, buf + len, cap - 1 - len);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	buf[len] = '\0';
}

unsigned int nic_facts_qemu_version(const char *binary)
{
	char buf[512];
	int pipe_fd[2];
	pid_t pid;

	if (!harmless(binary) || pipe2(pipe_fd, O_CLOEXEC))
		return 0;
	pid = fork();
	if (pid == 0)
		child(binary, pipe_fd[1]);
	close(pipe_fd[1]);
	buf[0] = '\0';
	if (pid > 0) {
		read_all(pipe_fd[0], buf, sizeof(buf));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	close(pipe_fd[0]);
	return runner_qemu_version(buf);
}
