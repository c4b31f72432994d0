// SPDX-License-Identifier: GPL-2.0-or-later
/* links: cli */
#include "cli/runner.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct runner_nic nic(const char *type)
{
	return (struct runner_nic){
		.vm = "MyVM",
		.nic = 0,
		.mac = "52:54:00:12:34:56",
		.type = type,
		.path = "/run/vnet/nic/MyVM-0.sock",
		.ifname = "vn-MyVM-0",
		.qmp = NULL,
		.fd = 7,
		.device = "virtio-net-pci",
	};
}

/* What the runner is told, on one line or as text; the caller frees it. */
static char *told(const char *runner, const struct runner_nic *n)
{
	struct runner_out out;
	struct errtext why = {{0}};
	char *text;

	if (runner_connect(runner_find(runner), n, &out, &why))
		fail_msg("%s: %s", runner, why.s);
	text = out.text ? strdup(out.text) : strv_shell(&out.args);
	runner_out_free(&out);
	return text;
}

static void check(const char *runner, const struct runner_nic *n,
		  const char *expected)
{
	char *text = told(runner, n);

	assert_string_equal(text, expected);
	free(text);
}

static void contains(const char *runner, const struct runner_nic *n,
		     const char *part, bool yes)
{
	char *text = told(runner, n);

	if (!strstr(text, part) == yes)
		fail_msg("%s: %s", part, text);
	free(text);
}

static void runner_connect__qemu_stream__netdev_and_device(void **state)
{
	struct runner_nic n = nic("stream");

	(void)state;
	check("qemu", &n,
	      "-netdev stream,id=vnet0,server=off,addr.type=unix,"
	      "addr.path=/run/vnet/nic/MyVM-0.sock -device virtio-net-pci,"
	      "netdev=vnet0,id=nic0,mac=52:54:00:12:34:56");
}

static void runner_connect__qemu_vhost__memory_and_rings(void **state)
{
	struct runner_nic n = nic("vhost-user");

	(void)state;
	n.memory = "2G";
	n.kvm = true;
	n.queues = 1;
	check("qemu", &n,
	      "-object memory-backend-memfd,id=vnetmem,size=2G,share=on "
	      "-machine memory-backend=vnetmem -chardev socket,id=vnetchr0,"
	      "path=/run/vnet/nic/MyVM-0.sock,reconnect=1 "
	      "-netdev vhost-user,id=vnet0,chardev=vnetchr0 "
	      "-device virtio-net-pci,netdev=vnet0,id=nic0,"
	      "mac=52:54:00:12:34:56");
	n.memory = NULL;
	n.queues = 4;
	n.nic = 1;
	check("qemu", &n,
	      "-chardev socket,id=vnetchr1,"
	      "path=/run/vnet/nic/MyVM-0.sock,reconnect=1 "
	      "-netdev vhost-user,id=vnet1,chardev=vnetchr1,queues=4 "
	      "-device virtio-net-pci,netdev=vnet1,id=nic1,"
	      "mac=52:54:00:12:34:56,mq=on,vectors=10");
	n.kvm = false;
	contains("qemu", &n, ",mq=on,vectors=0", true);
	n.qemu = 902;
	contains("qemu", &n, "sock,reconnect-ms=1000", true);
}

static void runner_connect__others_vhost__their_words(void **state)
{
	struct runner_nic n = nic("vhost-user");
	struct runner_out out;

	(void)state;
	n.queues = 2;
	check("cloud-hypervisor", &n,
	      "--net vhost_user=true,socket=/run/vnet/nic/MyVM-0.sock,"
	      "vhost_mode=client,mac=52:54:00:12:34:56,num_queues=4");
	contains("libvirt", &n, "mode='client'", true);
	contains("libvirt", &n, "<driver queues='2'/>", true);
	assert_int_equal(runner_connect(runner_find("crosvm"), &n, &out, NULL),
			 -EINVAL);
	runner_out_free(&out);
	n.queues = 1;
	check("crosvm", &n,
	      "--vhost-user type=net,socket=/run/vnet/nic/MyVM-0.sock");
	contains("libvirt", &n, "<driver", false);
}

static void runner_connect__vmm_listens__told_so_or_refused(void **state)
{
	struct runner_nic n = nic("vhost-user");
	struct runner_out out;

	(void)state;
	n.vmm_listens = true;
	n.queues = 1;
	contains("qemu", &n,
		 "path=/run/vnet/nic/MyVM-0.sock,server=on,wait=off", true);
	contains("qemu", &n, "reconnect", false);
	contains("cloud-hypervisor", &n, "vhost_mode=server", true);
	contains("libvirt", &n, "mode='server'/>", true);
	contains("libvirt", &n, "</source>", false);
	assert_int_equal(runner_connect(runner_find("crosvm"), &n, &out, NULL),
			 -EINVAL);
	runner_out_free(&out);
}

static void runner_connect__qemu_with_monitor__adds_it(void **state)
{
	struct runner_nic n = nic("fd");

	(void)state;
	n.nic = 2;
	n.qmp = "/run/vnet/nic/MyVM-2.qmp";
	check("qemu", &n,
	      "-netdev dgram,id=vnet2,local.type=fd,local.str=7 "
	      "-device virtio-net-pci,netdev=vnet2,id=nic2,"
	      "mac=52:54:00:12:34:56 -chardev socket,id=vnetmon2,"
	      "path=/run/vnet/nic/MyVM-2.qmp,reconnect=1 "
	      "-mon chardev=vnetmon2,mode=control");
}

static void runner_connect__qemu_without_device__leaves_it_out(void **state)
{
	struct runner_nic n = nic("fd");

	(void)state;
	n.device = NULL;
	check("qemu", &n, "-netdev dgram,id=vnet0,local.type=fd,local.str=7");
}

static void runner_connect__qemu_versions__spell_reconnect(void **state)
{
	struct runner_nic n = nic("stream");

	(void)state;
	n.qmp = "/q";
	n.qemu = 702;
	contains("qemu", &n, "sock,reconnect", false);
	contains("qemu", &n, "/q,reconnect=1", true);
	n.qemu = 802;
	contains("qemu", &n, "sock,reconnect=1 ", true);
	n.qemu = 902;
	contains("qemu", &n, "sock,reconnect-ms=1000 ", true);
	contains("qemu", &n, "/q,reconnect-ms=1000", true);
	n.qemu = 1001;
	contains("qemu", &n, "reconnect=1 ", false);
}

static void runner_connect__comma_in_path__is_doubled_for_qemu(void **state)
{
	struct runner_nic n = nic("stream");

	(void)state;
	n.path = "/tmp/a,b c";
	contains("qemu", &n, "'stream,id=vnet0,server=off,addr.type=unix,"
			     "addr.path=/tmp/a,,b c'", true);
}

static void runner_connect__qemu_other_types(void **state)
{
	struct runner_nic n = nic("tap");

	(void)state;
	contains("qemu", &n, "tap,id=vnet0,ifname=vn-MyVM-0,script=no,"
			     "downscript=no", true);
	n.type = "dgram";
	n.peer_dir = "/run/vnet/nic/MyVM-0.peer";
	contains("qemu", &n, "local.path=/run/vnet/nic/MyVM-0.peer/qemu,"
			     "remote.type=unix,"
			     "remote.path=/run/vnet/nic/MyVM-0.sock", true);
}

static void runner_connect__tap_runners__name_the_tap(void **state)
{
	struct runner_nic n = nic("tap");

	(void)state;
	check("cloud-hypervisor", &n,
	      "--net tap=vn-MyVM-0,mac=52:54:00:12:34:56");
	check("crosvm", &n, "--net tap-name=vn-MyVM-0,mac=52:54:00:12:34:56");
	check("firecracker", &n,
	      "{\"iface_id\": \"eth0\", \"guest_mac\": \"52:54:00:12:34:56\", "
	      "\"host_dev_name\": \"vn-MyVM-0\"}\n");
}

static void runner_connect__libkrun__c_calls(void **state)
{
	struct runner_nic n = nic("stream");

	(void)state;
	n.path = "/run/\"x\"";
	check("libkrun", &n,
	      "uint8_t mac0[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};\n"
	      "krun_add_net_unixstream(ctx, \"/run/\\\"x\\\"\", -1, mac0, "
	      "COMPAT_NET_FEATURES, 0);\n");
	n.type = "dgram";
	contains("libkrun", &n, "krun_add_net_unixgram(ctx, ", true);
	contains("libkrun", &n, "NET_FLAG_VFKIT", true);
	n.type = "tap";
	contains("libkrun", &n, "krun_add_net_tap(ctx, \"vn-MyVM-0\", mac0",
		 true);
}

static void runner_connect__vfkit_and_uml__name_the_socket(void **state)
{
	struct runner_nic n = nic("dgram");

	(void)state;
	check("vfkit", &n,
	      "--device virtio-net,unixSocketPath=/run/vnet/nic/MyVM-0.sock,"
	      "mac=52:54:00:12:34:56");
	n.type = "seqpacket";
	check("uml", &n, "vec0:transport=bess,dst=/run/vnet/nic/MyVM-0.sock,"
			 "depth=128,gro=1,mac=52:54:00:12:34:56");
	n.type = "tap";
	contains("uml", &n, "transport=tap,ifname=vn-MyVM-0", true);
}

static void runner_connect__libvirt__xml(void **state)
{
	struct runner_nic n = nic("tap");

	(void)state;
	contains("libvirt", &n, "<target dev='vn-MyVM-0' managed='no'/>", true);
	n.type = "stream";
	n.path = "/tmp/a&b";
	contains("libvirt", &n, "addr.path=/tmp/a&amp;b'/>", true);
	contains("libvirt", &n, "<qemu:arg value='-netdev'/>", true);
}

static void runner_connect__type_it_cannot_use__says_which_it_can(void **state)
{
	struct runner_nic n = nic("stream");
	struct runner_out out;
	struct errtext why;

	(void)state;
	assert_true(runner_connect(runner_find("firecracker"), &n, &out,
				   &why) < 0);
	assert_string_equal(why.s, "firecracker cannot use a NIC of type "
				   "stream; it takes tap");
	runner_out_free(&out);
	n.type = "seqpacket";
	assert_true(runner_connect(runner_find("qemu"), &n, &out, &why) < 0);
	assert_non_null(strstr(why.s, "takes stream, dgram, tap, fd or vhost-user"));
	runner_out_free(&out);
}

static void runner_connect__fact_missing__is_refused(void **state)
{
	struct runner_nic n = nic("stream");
	struct runner_out out;
	struct errtext why;

	(void)state;
	n.path = NULL;
	assert_true(runner_connect(runner_find("qemu"), &n, &out, &why) < 0);
	n = nic("tap");
	n.ifname = NULL;
	assert_true(runner_connect(runner_find("crosvm"), &n, &out, &why) < 0);
}

static void runner_find__table__is_complete(void **state)
{
	unsigned int i = 0;

	(void)state;
	for (; runner_name(i); i++) {
		const struct runner *r = runner_find(runner_name(i));

		assert_non_null(r);
		assert_true(runner_takes(r, runner_default_type(r)));
	}
	assert_int_equal(i, 8);
	assert_null(runner_find("vmware"));
}

static void runner_qemu_version__texts__are_read(void **state)
{
	(void)state;
	assert_int_equal(runner_qemu_version("QEMU emulator version 7.2.22 "
					     "(Debian 1:7.2)"), 702);
	assert_int_equal(runner_qemu_version("QEMU emulator version 10.1.0"),
			 1001);
	assert_int_equal(runner_qemu_version("bash 5"), 0);
	assert_int_equal(runner_qemu_version(""), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			runner_connect__qemu_stream__netdev_and_device),
		cmocka_unit_test(runner_connect__qemu_with_monitor__adds_it),
		cmocka_unit_test(runner_connect__qemu_vhost__memory_and_rings),
		cmocka_unit_test(runner_connect__others_vhost__their_words),
		cmocka_unit_test(
			runner_connect__vmm_listens__told_so_or_refused),
		cmocka_unit_test(
			runner_connect__qemu_without_device__leaves_it_out),
		cmocka_unit_test(
			runner_connect__qemu_versions__spell_reconnect),
		cmocka_unit_test(
			runner_connect__comma_in_path__is_doubled_for_qemu),
		cmocka_unit_test(runner_connect__qemu_other_types),
		cmocka_unit_test(runner_connect__tap_runners__name_the_tap),
		cmocka_unit_test(runner_connect__libkrun__c_calls),
		cmocka_unit_test(
			runner_connect__vfkit_and_uml__name_the_socket),
		cmocka_unit_test(runner_connect__libvirt__xml),
		cmocka_unit_test(
			runner_connect__type_it_cannot_use__says_which_it_can),
		cmocka_unit_test(runner_connect__fact_missing__is_refused),
		cmocka_unit_test(runner_find__table__is_complete),
		cmocka_unit_test(runner_qemu_version__texts__are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
