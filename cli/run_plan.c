// SPDX-License-Identifier: GPL-2.0-or-later
/* Planning of `vnet run`. See run_plan.h. */
#include "cli/run_plan.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

bool run_is_qemu(const char *const *argv)
{
	const char *base = base_name(argv[0]);

	return !strncmp(base, "qemu", 4) || !strcmp(base, "kvm");
}

/* ---- QEMU's options ------------------------------------------------------- */

/* The value of option @name at argv[i] (QEMU takes one dash or two), or NULL. */
static const char *option_at(const char *const *argv, size_t i,
			     const char *name)
{
	const char *s = argv[i];

	if (*s++ != '-')
		return NULL;
	s += *s == '-';
	return !strcmp(s, name) ? argv[i + 1] : NULL;
}

/* Key @key in a list like "virtio-net-pci,netdev=vnet0,mac=…" into @out; the
 * list may be JSON, too. */
static bool list_get(const char *list, const char *key, char *out, size_t cap)
{
	size_t len = strlen(key);
	json_t *o = *list == '{' ? json_loads(list, 0, NULL) : NULL;
	const char *s = json_string_value(json_object_get(o, key));
	bool found = s && strlen(s) < cap;

	if (found)
		strcpy(out, s);
	json_decref(o);
	while (!o && *list) {
		size_t n = strcspn(list, ",");

		if (n > len && n - len <= cap && !strncmp(list, key, len) &&
		    list[len] == '=') {
			snprintf(out, cap, "%.*s", (int)(n - len - 1),
				 list + len + 1);
			return true;
		}
		list += n + (list[n] == ',');
	}
	return found;
}

static bool list_is(const char *list, const char *key, const char *value)
{
	char text[64];

	return list_get(list, key, text, sizeof(text)) && !strcmp(text, value);
}

char *run_vm_name(const char *const *argv, int pid, char out[RUN_VM_TEXT])
{
	const char *name = NULL;
	char guest[128];

	for (size_t i = 0; run_is_qemu(argv) && argv[i]; i++) {
		const char *v = option_at(argv, i, "name");

		if (!v)
			continue;
		name = v;
		if (list_get(v, "guest", guest, sizeof(guest)))
			name = guest;
	}
	snprintf(out, RUN_VM_TEXT, "vm-%d", pid);
	if (!name || !*name || *name == ',')
		return out;
	snprintf(out, RUN_VM_TEXT, "%.*s", (int)strcspn(name, ","), name);
	for (char *p = out; *p; p++) {
		bool alnum = (*p >= 'a' && *p <= 'z') ||
			     (*p >= 'A' && *p <= 'Z') ||
			     (*p >= '0' && *p <= '9');

		if (!alnum && (p == out || !strchr("._-", *p)))
			*p = p == out ? 'x' : '-';
	}
	return out;
}

/* The virtio-net model of a machine: microvm has no PCI bus, s390x its own. */
static const char *device_for(const char *const *argv)
{
	static const char *const machine[] = {"M", "machine"};

	if (strstr(base_name(argv[0]), "s390x"))
		return "virtio-net-ccw";
	for (size_t i = 0; argv[i]; i++) {
		for (size_t j = 0; j < ARRAY_LEN(machine); j++) {
			const char *v = option_at(argv, i, machine[j]);

			if (v && (!strcmp(v, "microvm") ||
				  !strncmp(v, "microvm,", 8) ||
				  list_is(v, "type", "microvm")))
				return "virtio-net-device";
		}
	}
	return "virtio-net-pci";
}

/* "2G", "size=2G,slots=…", "512" (in MiB) as a size for a memory backend, where a bare
 * number means bytes. */
static int memory_size(const char *m, struct run_hints *h, struct errtext *why)
{
	char text[24];
	size_t n, digits;

	if (!list_get(m, "size", text, sizeof(text)))
		snprintf(text, sizeof(text), "%.*s", (int)strcspn(m, ","), m);
	digits = strspn(text, "0123456789");
	n = digits + strspn(text + digits, ".0123456789");
	if (!digits || (text[n] && (!strchr("bBkKmMgGtT", text[n]) ||
				    text[n + 1])))
		return errtext_set(why, -EINVAL, "-m %s: not a size of memory",
				   m);
	snprintf(h->memory, sizeof(h->memory), "%s%s", text,
		 text[n] ? "" : "M");
	return 0;
}

/* What type vhost-user has to know: memory and accelerator. */
static int look_qemu_machine(const char *const *argv, struct run_hints *h,
			     struct errtext *why)
{
	int r = 0;

	strcpy(h->memory, "128M"); /* QEMU's default */
	h->kvm = !strcmp(base_name(argv[0]), "kvm");
	for (size_t i = 0; argv[i] && !r; i++) {
		const char *m = option_at(argv, i, "m");
		const char *accel = option_at(argv, i, "accel");
		const char *machine = option_at(argv, i, "machine");

		if (!machine)
			machine = option_at(argv, i, "M");
		if (m)
			r = memory_size(m, h, why);
		if (strstr(argv[i], "enable-kvm") ||
		    (accel && !strncmp(accel, "kvm", 3)) ||
		    (machine && strstr(machine, "accel=kvm")))
			h->kvm = true;
		if (strstr(argv[i], "memory-backend") ||
		    strstr(argv[i], "memdev="))
			h->has_backend = true;
	}
	return r;
}

static void look_qemu(const char *const *argv, const char *id,
		      struct run_hints *h)
{
	h->device = device_for(argv);
	for (size_t i = 0; argv[i]; i++) {
		const char *dev = option_at(argv, i, "device");
		const char *net = option_at(argv, i, "netdev");
		char mac[MAC_TEXT];

		if (!strcmp(argv[i], "-daemonize") ||
		    !strcmp(argv[i], "--daemonize"))
			h->daemonizes = true;
		if (net && list_is(net, "id", id))
			h->has_netdev = true;
		if (!dev || !list_is(dev, "netdev", id))
			continue;
		h->has_device = true;
		h->has_mac = list_get(dev, "mac", mac, sizeof(mac)) &&
			     !mac_parse(mac, &h->mac);
	}
}

/* ---- a NIC on a bridge ---------------------------------------------------- */

/* A netdev that asks a helper for a TAP on @br. */
static bool wants_bridge(const char *netdev, const char *br)
{
	char on[64];

	if (strncmp(netdev, "bridge", 6) && strncmp(netdev, "tap", 3) &&
	    !list_is(netdev, "type", "bridge") && !list_is(netdev, "type", "tap"))
		return false;
	if (!list_get(netdev, "br", on, sizeof(on)))
		strcpy(on, "br0"); /* QEMU's default */
	return !strcmp(on, br);
}

/* The one option (-netdev or -nic) that wants @br; NULL when there are more. */
static const char *netdev_on(const char *const *argv, const char *br)
{
	const char *found = NULL;

	for (size_t i = 0; argv[i]; i++) {
		const char *v = option_at(argv, i, "netdev");

		if (!v)
			v = option_at(argv, i, "nic");
		if (!v || !wants_bridge(v, br))
			continue;
		if (found)
			return NULL;
		found = v;
	}
	return found;
}

void run_bridge_look(const char *const *argv, const char *br, int pid,
		     struct run_bridge *out)
{
	const char *netdev = netdev_on(argv, br);
	char id[64] = "", mac[MAC_TEXT] = "";
	unsigned int nics = 0;

	*out = (struct run_bridge){.has_mac = false};
	run_vm_name(argv, pid, out->vm);
	if (!netdev)
		return;
	(void)list_get(netdev, "id", id, sizeof(id));
	(void)list_get(netdev, "mac", mac, sizeof(mac)); /* of -nic */
	for (size_t i = 0; argv[i]; i++) {
		const char *dev = option_at(argv, i, "device");
		const char *net = option_at(argv, i, "net");
		char of[64];

		nics += net || option_at(argv, i, "nic");
		if (!dev || !list_get(dev, "netdev", of, sizeof(of)))
			continue;
		nics++;
		if (id[0] && !strcmp(of, id))
			(void)list_get(dev, "mac", mac, sizeof(mac));
	}
	if (!mac[0] && nics == 1)
		strcpy(mac, "52:54:00:12:34:56");
	out->has_mac = mac[0] && !mac_parse(mac, &out->mac);
}

/* ---- placeholders --------------------------------------------------------- */

static bool anywhere(const char *const *argv, const char *what)
{
	for (size_t i = 0; argv[i]; i++)
		if (strstr(argv[i], what))
			return true;
	return false;
}

int run_look(const char *const *argv, unsigned int nic, struct run_hints *out,
	     struct errtext *why)
{
	bool fd = anywhere(argv, "{fd}"), sock = anywhere(argv, "{socket}");
	bool tap_fd = anywhere(argv, "{tapfd}");
	bool tap = tap_fd || anywhere(argv, "{ifname}");
	char id[16];

	*out = (struct run_hints){.qemu = run_is_qemu(argv)};
	if (fd + sock + tap > 1)
		return errtext_set(why, -EINVAL, "{fd}, {socket} and a TAP "
				   "are three ways to connect one NIC: use one "
				   "of them");
	out->fills = fd || sock || tap;
	out->tap_fd = tap_fd;
	out->type = fd ? "fd" : sock ? "stream" : tap ? "tap" : NULL;
	snprintf(id, sizeof(id), "vnet%u", nic);
	if (!out->qemu)
		return 0;
	look_qemu(argv, id, out);
	return look_qemu_machine(argv, out, why);
}

struct fill {
	const char *name;
	const char *value; /* NULL: this NIC has none */
};

/* The placeholder that @s begins with, or NULL. */
static const struct fill *fill_at(const struct fill *f, const char *s)
{
	for (; f->name; f++)
		if (!strncmp(s, f->name, strlen(f->name)))
			return f;
	return NULL;
}

/* @word with its placeholders replaced; NULL with @why when one has no value. */
static char *fill_word(const char *word, const struct fill *fills,
		       const char *type, struct errtext *why)
{
	char *out = strv_fmt("%s", "");

	while (*word) {
		const struct fill *f = fill_at(fills, word);
		char *old = out;

		if (f && !f->value) {
			errtext_set(why, -EINVAL, "%s: a NIC of type %s has "
				    "none", f->name, type);
			free(out);
			return NULL;
		}
		out = f ? strv_fmt("%s%s", old, f->value)
			: strv_fmt("%s%c", old, *word);
		word += f ? strlen(f->name) : 1;
		free(old);
	}
	return out;
}

static int fill_all(const char *const *argv, const struct runner_nic *n,
		    const char *network, struct strv *out, struct errtext *why)
{
	char fd[16], nic[16];
	const struct fill fills[] = {
		{"{fd}", n->fd >= 0 ? fd : NULL}, {"{socket}", n->path},
		{"{tapfd}", n->fd >= 0 ? fd : NULL},
		{"{ifname}", n->ifname},	  {"{mac}", n->mac},
		{"{vm}", n->vm},		  {"{nic}", nic},
		{"{network}", network},		  {NULL},
	};

	snprintf(fd, sizeof(fd), "%d", n->fd);
	snprintf(nic, sizeof(nic), "%u", n->nic);
	for (size_t i = 0; argv[i]; i++) {
		char *word = fill_word(argv[i], fills, n->type, why);

		if (!word)
			return -EINVAL;
		strv_add(out, "%s", word);
		free(word);
	}
	return 0;
}

int run_command(const char *const *argv, const struct run_hints *hints,
		struct runner_nic *n, const char *network, struct strv *out,
		struct errtext *why)
{
	struct runner_out add = {0};
	int r = fill_all(argv, n, network, out, why);

	if (r || !hints->qemu || hints->fills)
		return r;
	n->device = hints->has_device ? NULL : hints->device;
	n->memory = hints->has_backend ? NULL : hints->memory;
	n->kvm = hints->kvm;
	r = runner_connect(runner_find("qemu"), n, &add, why);
	for (size_t i = 0; !r && i < add.args.n; i++)
		strv_add(out, "%s", add.args.v[i]);
	runner_out_free(&add);
	return r;
}
