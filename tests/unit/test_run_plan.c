// SPDX-License-Identifier: GPL-2.0-or-later
/* links: cli */
#include "cli/bridge_helper.h"
#include "cli/run_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct runner_nic nic(const char *type)
{
	bool fd = !strcmp(type, "fd");

	return (struct runner_nic){
		.vm = "MyVM",
		.mac = "52:54:00:12:34:56",
		.type = type,
		.path = fd ? NULL : "/run/s",
		.fd = fd ? 7 : -1,
	};
}

static void check(const char *const *argv, const char *type,
		  const char *expected)
{
	struct runner_nic n = nic(type);
	struct strv out = {0};
	struct run_hints h;
	struct errtext why = {{0}};
	char *line;

	assert_int_equal(run_look(argv, 0, &h, &why), 0);
	if (run_command(argv, &h, &n, "lab", &out, &why))
		fail_msg("%s", why.s);
	line = strv_shell(&out);
	assert_string_equal(line, expected);
	free(line);
	strv_free(&out);
}

static void run_is_qemu__names__decide(void **state)
{
	(void)state;
	assert_true(run_is_qemu(ARGV("/usr/bin/qemu-system-x86_64")));
	assert_true(run_is_qemu(ARGV("kvm")));
	assert_true(run_is_qemu(ARGV("qemu-kvm")));
	assert_false(run_is_qemu(ARGV("my-qemu")));
	assert_false(run_is_qemu(ARGV("/opt/qemu/bin/crosvm")));
}

static void name_is(const char *const *argv, const char *expected)
{
	char out[RUN_VM_TEXT];

	assert_string_equal(run_vm_name(argv, 77, out), expected);
}

static void run_vm_name__qemu_name__is_taken(void **state)
{
	(void)state;
	name_is(ARGV("qemu-x", "-name", "MyVM"), "MyVM");
	name_is(ARGV("qemu-x", "--name", "MyVM,process=x"), "MyVM");
	name_is(ARGV("qemu-x", "-name", "guest=My VM,debug-threads=on"),
		"My-VM");
	name_is(ARGV("qemu-x", "-name", "debug-threads=on,guest=a"), "a");
	name_is(ARGV("qemu-x", "-name", ".hidden"), "xhidden");
	name_is(ARGV("qemu-x", "-name",
		     "0123456789012345678901234567890123456789012345678901234"),
		"012345678901234567890123456789012345678901234567");
}

static void run_vm_name__nothing_said__is_the_process(void **state)
{
	(void)state;
	name_is(ARGV("qemu-x", "-m", "1G"), "vm-77");
	name_is(ARGV("qemu-x", "-name"), "vm-77");
	name_is(ARGV("qemu-x", "-name", ""), "vm-77");
	name_is(ARGV("crosvm", "-name", "x"), "vm-77");
}

/* @mac: "" when it is not known. */
static void bridge_is(const char *const *argv, const char *vm, const char *mac)
{
	struct run_bridge b;
	char text[MAC_TEXT] = "";

	run_bridge_look(argv, "lab", 77, &b);
	assert_string_equal(b.vm, vm);
	if (b.has_mac)
		mac_format(&b.mac, text);
	assert_string_equal(text, mac);
}

static void run_bridge_look__one_nic__is_known(void **state)
{
	(void)state;
	bridge_is(ARGV("qemu-x", "-name", "A", "-netdev",
		       "bridge,id=n0,br=lab,helper=/h", "-device",
		       "e1000,netdev=n0,mac=52:54:00:01:02:03"),
		  "A", "52:54:00:01:02:03");
	bridge_is(ARGV("qemu-x", "-netdev", "tap,id=n0,br=lab,helper=/h", "-device",
		       "e1000,netdev=n0"),
		  "vm-77", "52:54:00:12:34:56");
	bridge_is(ARGV("qemu-x", "-nic", "bridge,br=lab,mac=52:54:00:01:02:03"),
		  "vm-77", "52:54:00:01:02:03");
	bridge_is(ARGV("qemu-x", "-netdev",
		       "{\"type\":\"bridge\",\"id\":\"n0\",\"br\":\"lab\"}", "-device",
		       "{\"driver\":\"e1000\",\"netdev\":\"n0\","
		       "\"mac\":\"52:54:00:01:02:03\"}"),
		  "vm-77", "52:54:00:01:02:03");
}

static void run_bridge_look__which_nic_is_not_clear__no_mac(void **state)
{
	(void)state;
	bridge_is(ARGV("qemu-x", "-netdev", "bridge,id=n0,br=lab", "-netdev",
		       "bridge,id=n1,br=lab", "-device",
		       "e1000,netdev=n0,mac=52:54:00:01:02:03"), "vm-77", "");
	bridge_is(ARGV("qemu-x", "-netdev", "bridge,id=n0,br=lab", "-device",
		       "e1000,netdev=n0", "-nic", "user"), "vm-77", "");
	bridge_is(ARGV("qemu-x", "-netdev", "bridge,id=n0,br=other", "-device",
		       "e1000,netdev=n0,mac=52:54:00:01:02:03"), "vm-77", "");
	bridge_is(ARGV("qemu-x", "-netdev", "bridge,id=n0,br=lab", "-device",
		       "e1000,netdev=n0,mac=x"), "vm-77", "");
	bridge_is(ARGV("qemu-x", "-netdev"), "vm-77", "");
}

static void bridge_args_parse__any_order__read(void **state)
{
	char *words[] = {"h", "--fd=31", "--br=virbr0", "--use-vnet", "--vm=A", NULL};
	struct bridge_args a;

	(void)state;
	assert_int_equal(bridge_args_parse(5, words, &a, NULL), 0);
	assert_int_equal(a.fd, 31);
	assert_string_equal(a.br, "virbr0");
	assert_string_equal(a.vm, "A");
	assert_true(a.vnet_hdr);
	assert_int_equal(bridge_args_parse(2, words, &a, NULL), -EINVAL);
	words[1] = "--fd=x";
	assert_int_equal(bridge_args_parse(5, words, &a, NULL), -EINVAL);
	words[1] = "--fd";
	assert_int_equal(bridge_args_parse(5, words, &a, NULL), -EINVAL);
	words[1] = "--help";
	assert_int_equal(bridge_args_parse(2, words, &a, NULL), 0);
	assert_true(a.help);
}

static void run_command__qemu__gets_the_nic(void **state)
{
	(void)state;
	check(ARGV("qemu-system-x86_64", "-m", "1G"), "fd",
	      "qemu-system-x86_64 -m 1G -netdev dgram,id=vnet0,local.type=fd,"
	      "local.str=7 -device virtio-net-pci,netdev=vnet0,id=nic0,"
	      "mac=52:54:00:12:34:56");
}

static void run_command__own_device__is_not_doubled(void **state)
{
	(void)state;
	check(ARGV("qemu-system-x86_64", "-device", "e1000,netdev=vnet0"),
	      "fd", "qemu-system-x86_64 -device e1000,netdev=vnet0 "
		    "-netdev dgram,id=vnet0,local.type=fd,local.str=7");
}

static void run_command__machines__get_a_fitting_device(void **state)
{
	(void)state;
	check(ARGV("qemu-system-x86_64", "-M", "microvm,pic=off"), "fd",
	      "qemu-system-x86_64 -M microvm,pic=off -netdev dgram,id=vnet0,"
	      "local.type=fd,local.str=7 -device virtio-net-device,"
	      "netdev=vnet0,id=nic0,mac=52:54:00:12:34:56");
	check(ARGV("qemu-system-s390x"), "fd",
	      "qemu-system-s390x -netdev dgram,id=vnet0,local.type=fd,"
	      "local.str=7 -device virtio-net-ccw,netdev=vnet0,id=nic0,"
	      "mac=52:54:00:12:34:56");
}

static void run_look__machine_as_type__is_seen(void **state)
{
	struct run_hints h;

	(void)state;
	run_look(ARGV("qemu-x", "-machine", "accel=kvm,type=microvm"), 0, &h,
		 NULL);
	assert_string_equal(h.device, "virtio-net-device");
	run_look(ARGV("qemu-x", "-machine", "microvmish"), 0, &h, NULL);
	assert_string_equal(h.device, "virtio-net-pci");
}

static void run_look__own_device__tells_its_mac(void **state)
{
	struct run_hints h;

	(void)state;
	run_look(ARGV("qemu-x", "-device",
		      "virtio-net-pci,netdev=vnet1,mac=52:54:00:00:00:09"),
		 1, &h, NULL);
	assert_true(h.has_device);
	assert_true(h.has_mac);
	assert_int_equal(h.mac.b[5], 9);
	run_look(ARGV("qemu-x", "-device", "virtio-net-pci,netdev=vnet10"), 1,
		 &h, NULL);
	assert_false(h.has_device);
	run_look(ARGV("qemu-x", "-device",
		      "{\"driver\":\"e1000\",\"netdev\":\"vnet1\"}"),
		 1, &h, NULL);
	assert_true(h.has_device);
	assert_false(h.has_mac);
}

static void run_look__own_netdev__is_a_clash(void **state)
{
	struct run_hints h;

	(void)state;
	run_look(ARGV("qemu-x", "-netdev", "user,id=vnet0"), 0, &h, NULL);
	assert_true(h.has_netdev);
	run_look(ARGV("qemu-x", "-netdev", "user,id=net0"), 0, &h, NULL);
	assert_false(h.has_netdev);
}

static void run_look__daemonize__is_seen(void **state)
{
	struct run_hints h;

	(void)state;
	run_look(ARGV("qemu-x", "-daemonize"), 0, &h, NULL);
	assert_true(h.daemonizes);
	run_look(ARGV("other", "-daemonize"), 0, &h, NULL);
	assert_false(h.daemonizes);
}

static void run_command__vhost_user__memory_as_large_as_m_says(void **state)
{
	static const struct {
		const char *m, *size;
	} c[] = {
		{"512", "size=512M,"}, {"2G", "size=2G,"},
		{"size=1.5G,slots=2,maxmem=8G", "size=1.5G,"},
		{"1024,slots=2", "size=1024M,"},
	};
	struct run_hints h;
	struct errtext why;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		const char *argv[] = {"qemu-system-x86_64", "-m", c[i].m, NULL};
		struct runner_nic n = nic("vhost-user");
		struct strv out = {0};

		assert_int_equal(run_look(argv, 0, &h, &why), 0);
		assert_int_equal(run_command(argv, &h, &n, "lab", &out, &why),
				 0);
		assert_string_equal(out.v[3], "-object");
		assert_non_null(strstr(out.v[4], c[i].size));
		assert_non_null(strstr(out.v[4], "share=on"));
		assert_non_null(strstr(out.v[out.n - 1], "vectors=0"));
		strv_free(&out);
	}
	run_look(ARGV("qemu-x"), 0, &h, &why);
	assert_string_equal(h.memory, "128M");
	assert_int_equal(run_look(ARGV("qemu-x", "-m", "1X"), 0, &h, &why),
			 -EINVAL);
	assert_int_equal(run_look(ARGV("qemu-x", "-m", "big"), 0, &h, &why),
			 -EINVAL);
}

static void run_command__vhost_user__own_memory_is_left_alone(void **state)
{
	const char *argv[] = {
		"qemu-system-x86_64", "-enable-kvm", "-object",
		"memory-backend-file,id=m,size=1G,mem-path=/x,share=on",
		"-machine", "q35,memory-backend=m", NULL};
	struct runner_nic n = nic("vhost-user");
	struct strv out = {0};
	struct run_hints h;
	struct errtext why;

	(void)state;
	assert_int_equal(run_look(argv, 0, &h, &why), 0);
	assert_true(h.has_backend && h.kvm);
	assert_int_equal(run_command(argv, &h, &n, "lab", &out, &why), 0);
	assert_string_equal(out.v[6], "-chardev");
	for (size_t i = 6; i < out.n; i++)
		assert_null(strstr(out.v[i], "memory-backend"));
	assert_null(strstr(out.v[out.n - 1], "vectors"));
	strv_free(&out);
}

static void run_command__placeholders__are_replaced(void **state)
{
	(void)state;
	check(ARGV("my-vmm", "--net", "fd={fd},mac={mac}", "{vm}/{nic}/{network}"),
	      "fd", "my-vmm --net fd=7,mac=52:54:00:12:34:56 MyVM/0/lab");
	check(ARGV("my-vmm", "{socket}", "{unknown}", "{"), "stream",
	      "my-vmm /run/s '{unknown}' '{'");
}

static void run_command__qemu_with_placeholder__gets_nothing_more(void **state)
{
	(void)state;
	check(ARGV("qemu-x", "-netdev", "socket,id=n,fd={fd}"), "fd",
	      "qemu-x -netdev socket,id=n,fd=7");
}

static void run_command__other_program__is_left_alone(void **state)
{
	(void)state;
	check(ARGV("sleep", "1"), "fd", "sleep 1");
}

static void run_command__placeholder_without_value__is_refused(void **state)
{
	struct runner_nic n = nic("fd");
	struct strv out = {0};
	struct run_hints h;
	struct errtext why;

	(void)state;
	run_look(ARGV("my-vmm", "{socket}"), 0, &h, NULL);
	assert_string_equal(h.type, "stream");
	assert_true(run_command(ARGV("my-vmm", "{socket}"), &h, &n, "lab",
				&out, &why) < 0);
	assert_string_equal(why.s, "{socket}: a NIC of type fd has none");
	strv_free(&out);
}

static void run_look__placeholders__choose_the_type(void **state)
{
	struct run_hints h;
	struct errtext why;

	(void)state;
	run_look(ARGV("x", "{ifname}"), 0, &h, NULL);
	assert_string_equal(h.type, "tap");
	assert_false(h.tap_fd);
	run_look(ARGV("x", "fd={tapfd}"), 0, &h, NULL);
	assert_string_equal(h.type, "tap");
	assert_true(h.tap_fd && h.fills);
	assert_true(run_look(ARGV("x", "{fd}", "{tapfd}"), 0, &h, &why) < 0);
	run_look(ARGV("x", "{fd}"), 0, &h, NULL);
	assert_string_equal(h.type, "fd");
	run_look(ARGV("x", "{mac}"), 0, &h, NULL);
	assert_null(h.type);
	assert_true(run_look(ARGV("x", "{fd}", "{ifname}"), 0, &h, &why) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run_is_qemu__names__decide),
		cmocka_unit_test(run_vm_name__qemu_name__is_taken),
		cmocka_unit_test(run_vm_name__nothing_said__is_the_process),
		cmocka_unit_test(run_bridge_look__one_nic__is_known),
		cmocka_unit_test(run_bridge_look__which_nic_is_not_clear__no_mac),
		cmocka_unit_test(bridge_args_parse__any_order__read),
		cmocka_unit_test(run_command__qemu__gets_the_nic),
		cmocka_unit_test(run_command__own_device__is_not_doubled),
		cmocka_unit_test(run_command__machines__get_a_fitting_device),
		cmocka_unit_test(run_look__machine_as_type__is_seen),
		cmocka_unit_test(run_look__own_device__tells_its_mac),
		cmocka_unit_test(run_look__own_netdev__is_a_clash),
		cmocka_unit_test(run_look__daemonize__is_seen),
		cmocka_unit_test(
			run_command__vhost_user__memory_as_large_as_m_says),
		cmocka_unit_test(
			run_command__vhost_user__own_memory_is_left_alone),
		cmocka_unit_test(run_command__placeholders__are_replaced),
		cmocka_unit_test(
			run_command__qemu_with_placeholder__gets_nothing_more),
		cmocka_unit_test(run_command__other_program__is_left_alone),
		cmocka_unit_test(
			run_command__placeholder_without_value__is_refused),
		cmocka_unit_test(run_look__placeholders__choose_the_type),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
