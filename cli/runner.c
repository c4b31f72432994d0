// SPDX-License-Identifier: GPL-2.0-or-later
/* Arguments for VM runners. See runner.h. */
#include "cli/runner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/inet.h"

struct runner {
	const char *name;
	const char *types[6]; /* that it can use; the first is the default */
	void (*connect)(const struct runner_nic *n, struct runner_out *out);
};

static bool is(const char *a, const char *b)
{
	return !strcmp(a, b);
}

/* ---- quoting ------------------------------------------------------------ */

/* @s with each @special doubled (QEMU) or replaced by an entity (XML) or
 * escaped (C, JSON): @map gives the replacement of a character or NULL. */
static char *quote(const char *s, const char *(*map)(char c))
{
	size_t cap = 6 * strlen(s) + 1, at = 0;
	char *out = strv_fmt("%*s", (int)cap, "");

	for (; *s; s++) {
		const char *r = map(*s);

		if (r) {
			memcpy(out + at, r, strlen(r));
			at += strlen(r);
		} else {
			out[at++] = *s;
		}
	}
	out[at] = '\0';
	return out;
}

/* In QEMU's option lists a comma is written twice. */
static const char *map_qemu(char c)
{
	return c == ',' ? ",," : NULL;
}

static const char *map_xml(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '\'':
		return "&apos;";
	case '"':
		return "&quot;";
	default:
		return NULL;
	}
}

/* Holds for C strings and for JSON. */
static const char *map_c(char c)
{
	switch (c) {
	case '"':
		return "\\\"";
	case '\\':
		return "\\\\";
	case '\n':
		return "\\n";
	default:
		return NULL;
	}
}

/* ---- QEMU --------------------------------------------------------------- */

/* QEMU comes back after a restart of vnetd: `reconnect` from 8.0, renamed in 9.2
 * (and the old name gone in 10.2). 7.2 has none for a netdev. */
static const char *netdev_reconnect(const struct runner_nic *n)
{
	if (n->qemu >= 902)
		return ",reconnect-ms=1000";
	return n->qemu >= 800 ? ",reconnect=1" : "";
}

/* Character devices had `reconnect` long before. */
static const char *chardev_reconnect(const struct runner_nic *n)
{
	return n->qemu >= 902 ? "reconnect-ms=1000" : "reconnect=1";
}

/* The guest's memory is to be shared with us; QEMU wants to know how much it is
 * before anything else of it. */
static void qemu_vhost(const struct runner_nic *n, const char *path,
		       struct strv *a)
{
	if (n->memory) {
		strv_add(a, "-object");
		strv_add(a, "memory-backend-memfd,id=vnetmem,size=%s,share=on",
			 n->memory);
		strv_add(a, "-machine");
		strv_add(a, "memory-backend=vnetmem");
	}
	strv_add(a, "-chardev");
	strv_add(a, "socket,id=vnetchr%u,path=%s,%s", n->nic, path,
		 n->vmm_listens ? "server=on,wait=off" : chardev_reconnect(n));
	strv_add(a, "-netdev");
	if (n->queues > 1)
		strv_add(a, "vhost-user,id=vnet%u,chardev=vnetchr%u,queues=%u",
			 n->nic, n->nic, n->queues);
	else
		strv_add(a, "vhost-user,id=vnet%u,chardev=vnetchr%u", n->nic,
			 n->nic);
}

static void qemu_netdev(const struct runner_nic *n, struct strv *a)
{
	char *path = quote(n->path ? n->path : "", map_qemu);
	char *peers = quote(n->peer_dir ? n->peer_dir : ".", map_qemu);

	if (is(n->type, "vhost-user"))
		qemu_vhost(n, path, a);
	else
		strv_add(a, "-netdev");
	if (is(n->type, "fd"))
		strv_add(a, "dgram,id=vnet%u,local.type=fd,local.str=%d",
			 n->nic, n->fd);
	else if (is(n->type, "stream"))
		strv_add(a, "stream,id=vnet%u,server=off,addr.type=unix,"
			 "addr.path=%s%s", n->nic, path, netdev_reconnect(n));
	else if (is(n->type, "dgram"))
		strv_add(a, "dgram,id=vnet%u,local.type=unix,"
			 "local.path=%s/qemu,remote.type=unix,remote.path=%s",
			 n->nic, peers, path);
	else if (is(n->type, "tap"))
		strv_add(a, "tap,id=vnet%u,ifname=%s,script=no,downscript=no",
			 n->nic, n->ifname);
	free(peers);
	free(path);
}

static void qemu_monitor(const struct runner_nic *n, struct strv *a)
{
	char *path;

	if (!n->qmp)
		return;
	path = quote(n->qmp, map_qemu);
	strv_add(a, "-chardev");
	strv_add(a, "socket,id=vnetmon%u,path=%s,%s", n->nic, path,
		 chardev_reconnect(n));
	strv_add(a, "-mon");
	strv_add(a, "chardev=vnetmon%u,mode=control", n->nic);
	free(path);
}

/* Interrupts: one for each ring, the control queue and changes. Without KVM, QEMU
 * 7.2 reaches for KVM's when the guest wants its own ones (MSI-X), and crashes. */
static const char *vhost_device(const struct runner_nic *n, char *out,
				size_t cap)
{
	bool vhost = is(n->type, "vhost-user");
	const char *mq = vhost && n->queues > 1 ? ",mq=on" : "";

	out[0] = '\0';
	if (vhost && !n->kvm)
		snprintf(out, cap, "%s,vectors=0", mq);
	else if (*mq)
		snprintf(out, cap, "%s,vectors=%u", mq, 2 * n->queues + 2);
	return out;
}

static void qemu_connect(const struct runner_nic *n, struct runner_out *out)
{
	char more[48];

	qemu_netdev(n, &out->args);
	if (n->device) {
		strv_add(&out->args, "-device");
		strv_add(&out->args, "%s,netdev=vnet%u,id=nic%u,mac=%s%s",
			 n->device, n->nic, n->nic, n->mac,
			 vhost_device(n, more, sizeof(more)));
	}
	if (is(n->type, "vhost-user"))
		out->note = n->memory ? "leave out QEMU's -m, or give it the "
					"same size as --memory; without KVM, "
					"QEMU 7.2 needs the device to have "
					"vectors=0"
				      : "without KVM, QEMU 7.2 needs the "
					"device to have vectors=0";
	qemu_monitor(n, &out->args);
}

unsigned int runner_qemu_version(const char *text)
{
	static const char before[] = "QEMU emulator version ";
	const char *p = strstr(text, before);
	unsigned int major, minor;

	if (!p || sscanf(p + strlen(before), "%3u.%2u", &major, &minor) != 2)
		return 0;
	return major * 100 + minor;
}

/* ---- the others --------------------------------------------------------- */

static void libkrun_connect(const struct runner_nic *n, struct runner_out *out)
{
	char *path = quote(n->path ? n->path : "", map_c);
	struct mac m = {{0}};
	char *mac;

	mac_parse(n->mac, &m);
	mac = strv_fmt("uint8_t mac%u[6] = {0x%02x, 0x%02x, 0x%02x, 0x%02x, "
		       "0x%02x, 0x%02x};\n", n->nic, m.b[0], m.b[1], m.b[2],
		       m.b[3], m.b[4], m.b[5]);
	if (is(n->type, "stream"))
		out->text = strv_fmt("%skrun_add_net_unixstream(ctx, \"%s\", "
				     "-1, mac%u, COMPAT_NET_FEATURES, 0);\n",
				     mac, path, n->nic);
	else if (is(n->type, "dgram"))
		out->text = strv_fmt("%skrun_add_net_unixgram(ctx, \"%s\", "
				     "-1, mac%u, COMPAT_NET_FEATURES, "
				     "NET_FLAG_VFKIT);\n", mac, path, n->nic);
	else
		out->text = strv_fmt("%skrun_add_net_tap(ctx, \"%s\", mac%u, "
				     "COMPAT_NET_FEATURES, 0);\n", mac,
				     n->ifname, n->nic);
	free(mac);
	free(path);
	out->note = "C calls for a program that uses libkrun, before "
		    "krun_start_enter()";
}

static void clh_connect(const struct runner_nic *n, struct runner_out *out)
{
	strv_add(&out->args, "--net");
	if (is(n->type, "tap")) {
		strv_add(&out->args, "tap=%s,mac=%s", n->ifname, n->mac);
		return;
	}
	strv_add(&out->args, "vhost_user=true,socket=%s,vhost_mode=%s,"
		 "mac=%s,num_queues=%u", n->path,
		 n->vmm_listens ? "server" : "client", n->mac,
		 2 * (n->queues ? n->queues : 1));
	out->note = "the VM's memory has to be shared: --memory "
		    "size=…,shared=on";
}

static void firecracker_connect(const struct runner_nic *n,
				struct runner_out *out)
{
	out->text = strv_fmt("{\"iface_id\": \"eth%u\", \"guest_mac\": "
			     "\"%s\", \"host_dev_name\": \"%s\"}\n", n->nic,
			     n->mac, n->ifname);
	out->note = "an entry of \"network-interfaces\" in --config-file, or "
		    "the body of PUT /network-interfaces/ethN";
}

static void crosvm_connect(const struct runner_nic *n, struct runner_out *out)
{
	if (is(n->type, "vhost-user")) {
		strv_add(&out->args, "--vhost-user");
		strv_add(&out->args, "type=net,socket=%s", n->path);
		return;
	}
	strv_add(&out->args, "--net");
	strv_add(&out->args, "tap-name=%s,mac=%s", n->ifname, n->mac);
}

static void vfkit_connect(const struct runner_nic *n, struct runner_out *out)
{
	strv_add(&out->args, "--device");
	strv_add(&out->args, "virtio-net,unixSocketPath=%s,mac=%s", n->path,
		 n->mac);
}

/* libvirt has no element for QEMU's stream netdev: its pass-through of QEMU
 * arguments is used. PCI slot 0x10 stays clear of those libvirt gives away. */
static char *libvirt_stream(const struct runner_nic *n)
{
	struct runner_nic q = *n;
	struct runner_out out = {0};
	char *xml, *old;

	q.device = "virtio-net-pci,addr=0x10";
	qemu_connect(&q, &out);
	xml = strv_fmt("<!-- in <domain xmlns:qemu='http://libvirt.org/"
		       "schemas/domain/qemu/1.0'> -->\n<qemu:commandline>\n");
	for (size_t i = 0; i < out.args.n; i++) {
		char *v = quote(out.args.v[i], map_xml);

		old = xml;
		xml = strv_fmt("%s  <qemu:arg value='%s'/>\n", old, v);
		free(old);
		free(v);
	}
	old = xml;
	xml = strv_fmt("%s</qemu:commandline>\n", old);
	free(old);
	strv_free(&out.args);
	return xml;
}

/* libvirt's "client" is a QEMU that connects to us. */
static char *libvirt_vhost(const struct runner_nic *n)
{
	static const char client[] =
		"mode='client'>\n"
		"    <reconnect enabled='yes' timeout='1'/>\n"
		"  </source>\n";
	char *path = quote(n->path, map_xml), *driver = strv_fmt("%s", "");
	char *xml;

	if (n->queues > 1) {
		free(driver);
		driver = strv_fmt("  <driver queues='%u'/>\n", n->queues);
	}
	xml = strv_fmt("<interface type='vhostuser'>\n"
		       "  <mac address='%s'/>\n"
		       "  <source type='unix' path='%s' %s"
		       "  <model type='virtio'/>\n"
		       "%s"
		       "</interface>\n", n->mac, path,
		       n->vmm_listens ? "mode='server'/>\n" : client, driver);
	free(driver);
	free(path);
	return xml;
}

static void libvirt_connect(const struct runner_nic *n, struct runner_out *out)
{
	if (is(n->type, "vhost-user")) {
		out->note = "for `virsh edit`; the domain needs "
			    "<memoryBacking><source type='memfd'/>"
			    "<access mode='shared'/></memoryBacking>";
		out->text = libvirt_vhost(n);
		return;
	}
	out->note = "for `virsh edit`";
	if (is(n->type, "stream")) {
		out->text = libvirt_stream(n);
		return;
	}
	out->text = strv_fmt("<interface type='ethernet'>\n"
			     "  <mac address='%s'/>\n"
			     "  <target dev='%s' managed='no'/>\n"
			     "  <model type='virtio'/>\n"
			     "</interface>\n", n->mac, n->ifname);
}

/* The kernel's "bess" transport: SOCK_SEQPACKET, a frame a message. */
static void uml_connect(const struct runner_nic *n, struct runner_out *out)
{
	if (is(n->type, "seqpacket"))
		strv_add(&out->args, "vec%u:transport=bess,dst=%s,depth=128,"
			 "gro=1,mac=%s", n->nic, n->path, n->mac);
	else
		strv_add(&out->args, "vec%u:transport=tap,ifname=%s,depth=128,"
			 "gro=1,mac=%s", n->nic, n->ifname, n->mac);
}

static const struct runner runners[] = {
	{"qemu", {"stream", "dgram", "tap", "fd", "vhost-user"}, qemu_connect},
	{"libkrun", {"stream", "dgram", "tap"}, libkrun_connect},
	{"cloud-hypervisor", {"tap", "vhost-user"}, clh_connect},
	{"firecracker", {"tap"}, firecracker_connect},
	{"crosvm", {"tap", "vhost-user"}, crosvm_connect},
	{"vfkit", {"dgram"}, vfkit_connect},
	{"libvirt", {"tap", "stream", "vhost-user"}, libvirt_connect},
	{"uml", {"seqpacket", "tap"}, uml_connect},
};

/* ---- lookup ------------------------------------------------------------- */

const struct runner *runner_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(runners); i++)
		if (is(runners[i].name, name))
			return &runners[i];
	return NULL;
}

const char *runner_name(unsigned int i)
{
	return i < ARRAY_LEN(runners) ? runners[i].name : NULL;
}

const char *runner_default_type(const struct runner *r)
{
	return r->types[0];
}

bool runner_takes(const struct runner *r, const char *type)
{
	for (size_t i = 0; r->types[i]; i++)
		if (is(r->types[i], type))
			return true;
	return false;
}

const char *runner_types(const struct runner *r, char *out, size_t cap)
{
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; r->types[i] && at < cap; i++)
		at += (size_t)snprintf(out + at, cap - at, "%s%s",
				       !i		? ""
				       : r->types[i + 1] ? ", "
							 : " or ",
				       r->types[i]);
	return out;
}

/* Did the daemon tell what this type of NIC is reached by? */
static bool complete(const struct runner_nic *n)
{
	if (is(n->type, "tap"))
		return n->ifname;
	return is(n->type, "fd") ? n->fd >= 0 : n->path != NULL;
}

int runner_connect(const struct runner *r, const struct runner_nic *n,
		   struct runner_out *out, struct errtext *why)
{
	char types[64];

	*out = (struct runner_out){0};
	if (!runner_takes(r, n->type))
		return errtext_set(why, -EINVAL, "%s cannot use a NIC of type "
				   "%s; it takes %s", r->name, n->type,
				   runner_types(r, types, sizeof(types)));
	if (!complete(n))
		return errtext_set(why, -EINVAL, "vnetd did not say how this "
				   "NIC of type %s is reached", n->type);
	if (n->queues > 1 && is(r->name, "crosvm"))
		return errtext_set(why, -EINVAL, "crosvm cannot use more than "
				   "one pair of queues: it would leave the "
				   "control queue to us");
	if (n->vmm_listens && is(r->name, "crosvm"))
		return errtext_set(why, -EINVAL, "crosvm does not listen, it "
				   "connects: attach the NIC without "
				   "--connect");
	r->connect(n, out);
	return 0;
}

void runner_out_free(struct runner_out *out)
{
	strv_free(&out->args);
	free(out->text);
	out->text = NULL;
}
