# SPDX-License-Identifier: GPL-2.0-or-later
"""`vnet` itself, against tests/fake/fake_vnetd.py: what it asks, prints, returns.

Needs no rights and no network. What the real daemon makes of it is in the other
files.
"""

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time

import pytest

from basics import (TOP, binary, environment, eventually, need_program, scratch,
                    skip)

FAKE = os.path.join(TOP, "tests", "fake", "fake_vnetd.py")


class Fake:
    """A running fake daemon and the command against it."""

    def __init__(self):
        if not os.path.exists(binary("vnet")):
            skip("%s is not built" % binary("vnet"))
        self.dir = scratch("c")
        self.socket = os.path.join(self.dir, "s")
        self.log = os.path.join(self.dir, "log")
        self.proc = None
        self.start()

    def start(self):
        self.proc = subprocess.Popen(
            [sys.executable, FAKE, self.socket, self.log,
             os.path.join(self.dir, "state")], stdout=subprocess.PIPE)
        assert self.proc.stdout.readline() == b"ready\n"

    def stop(self, sig=signal.SIGKILL):
        self.proc.send_signal(sig)
        self.proc.wait(10)
        self.proc.stdout.close()

    def close(self):
        if self.proc.poll() is None:
            self.stop()
        shutil.rmtree(self.dir)

    @staticmethod
    def env(**more):
        base = {k: v for k, v in environment().items()
                if not k.startswith("VNET_")}
        return dict(base, TZ="UTC", TERM="xterm", VNET_TEST=os.environ["VNET_TEST"],
                    **more)

    def argv(self, *args):
        return [binary("vnet"), "--socket", self.socket] + list(args)

    def run(self, *args, env=None, timeout=30, **more):
        return subprocess.run(self.argv(*args), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, universal_newlines=True,
                              stdin=subprocess.DEVNULL, timeout=timeout,
                              env=env or self.env(), **more)

    def ok(self, *args, **more):
        done = self.run(*args, **more)
        assert done.returncode == 0, done
        return done.stdout

    def refused(self, *args, status=1):
        """The sentence on standard error; nothing may stand on stdout."""
        done = self.run(*args)
        assert done.returncode == status, done
        return done.stderr

    def spawn(self, *args, **more):
        more.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(self.argv(*args), stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env=self.env(),
                                universal_newlines=True, **more)

    def asked(self, method=None):
        """What the daemon was asked: [params] of a method, or all requests."""
        with open(self.log) as f:
            calls = [json.loads(line) for line in f]
        return [c["params"] for c in calls if c["method"] == method] \
            if method else calls

    def nics(self):
        return json.loads(self.ok("list", "nics", "--json"))["nics"]


@pytest.fixture
def fake():
    f = Fake()
    yield f
    f.close()


@pytest.fixture
def lab(fake):
    """The fake with a network."""
    fake.ok("define", "lab", "--mode", "nat")
    return fake


COMMANDS = ["define", "set", "undefine", "start", "stop", "autostart", "list", "show",
            "attach", "detach", "move", "link", "ip", "run", "forward add",
            "forward set", "forward del", "forward list", "flow list", "flow kill", "lease list", "lease release",
            "option set", "option del", "option list",
            "reserve add", "reserve del", "reserve list", "events", "info"]


# ---- help, usage, reaching the daemon ---------------------------------------

def test_overview_names_every_command(fake):
    text = fake.ok("--help")
    assert fake.ok("help") == text == fake.ok("-h")
    for name in COMMANDS:
        assert "  %s " % name in text
    assert max(len(line) for line in text.splitlines()) <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_help_teaches_by_example(fake, name):
    words = name.split()
    text = fake.ok("help", *words)
    assert fake.ok(*words, "--help") == text
    assert text.startswith("vnet %s - " % name)
    assert "usage: vnet %s" % name in text
    assert "Examples:\n  " in text and "vnet %s" % name in text.split("Examples:")[1]
    assert max(len(line) for line in text.splitlines()) <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_manual_knows_every_option(fake, name):
    with open(os.path.join(TOP, "docs", "vnet.1")) as f:
        manual = f.read().replace("Fl -", "Fl --")
    assert "Cm " + name.split()[0] in manual
    text = fake.ok("help", *name.split())
    for option in set(re.findall(r"^  (--[a-z0-9-]+)", text, re.M)):
        assert re.search(r"Fl %s\b" % option, manual) or \
            re.search(r"\| -%s\b" % option[1:], manual) or \
            ", %s\n" % option[1:] in manual, option


def test_help_of_a_group_lists_it(fake):
    for args in (["help", "forward"], ["forward", "--help"]):
        text = fake.ok(*args)
        assert "forward add" in text and "lease" not in text


def test_no_command_is_wrong_usage(fake):
    assert "First steps" in fake.refused(status=2)
    assert "vnet forward add" in fake.refused("forward", status=2)


@pytest.mark.parametrize("typed, meant", [
    ("defien", "define"), ("lst", "list"), ("create", "define"),
    ("domifaddr", "ip"), ("rm", "undefine"),
    ("leases", "lease list"), ("creat", "define")])
def test_unknown_command_suggests_the_nearest(fake, typed, meant):
    text = fake.refused(typed, "x", status=2)
    assert "did you mean vnet %s" % meant in text


def test_unknown_command_of_two_words_suggests_such(fake):
    text = fake.refused("forwrad", "add", "lab", status=2)
    assert "did you mean vnet forward add?" in text


@pytest.mark.parametrize("args, says", [
    (["define"], "NAME is missing"),
    (["define", "x"], "--mode is missing"),
    (["define", "x", "--mode", "natt"], "did you mean nat?"),
    (["define", "x", "--mode", "nat", "--subnet", "10.0.0.1/24"],
     "like 10.0.5.0/24"),
    (["define", "x", "--mode", "nat", "--mtu", "1"], "from 576 to 65521"),
    (["define", "x", "y", "--mode", "nat"], "unexpected word \"y\""),
    (["autostart", "x", "yes"], "on or off"),
    (["set", "x"], "nothing to change"),
    (["flow", "kill"], "which flows"),
    (["flow", "kill", "--id", "3"], "name it, too"),
    (["attach", "x"], "--network is missing"),
    (["attach", "x", "--network", "lab", "--mac", "1:2"], "52:54:00:12:34:56"),
    (["attach", "x", "--network", "lab", "--type", "netns"], "--netns"),
    (["attach", "x", "--network", "lab", "--type", "fd"], "--fd N"),
    (["attach", "x", "--network", "lab", "--fd", "99"], "no such descriptor"),
    (["attach", "x", "--network", "lab", "--for", "vmware"], "must be qemu, "),
    (["attach", "x", "--network", "lab", "--for", "crosvm", "--type", "dgram"],
     "it takes tap"),
    (["attach", "x", "--network", "lab", "--type", "tap", "--owner", "no one"],
     "no such user"),
    (["link", "x", "sideways"], "up or down"),
    (["ip", "x", "--wait", "soon"], "from 0 to 3600"),
    (["forward", "add", "lab", "tcp:22"], "tcp:2222:MyVM:22"),
    (["forward", "del", "lab"], "which forward?"),
    (["lease", "release", "lab", "x"], "like 10.0.2.50"),
    (["reserve", "add", "lab", "MyVM", "x"], "like 10.0.2.50"),
    (["run", "--network", "lab"], "COMMAND"),
    (["run", "--network", "lab", "--", "x", "{fd}", "{ifname}"], "one of them"),
    (["run", "--network", "lab", "--", "qemu-x", "-netdev", "user,id=vnet0"],
     "leave -netdev out"),
    (["run", "--network", "lab", "--", "qemu-x", "-daemonize"], "vnet attach"),
    (["show", "x", "--vm", "--network"], "exclude each other"),
    (["--nosuch", "list"], "--nosuch"),
])
def test_wrong_usage_says_what_is_right(fake, args, says):
    done = fake.run(*args)
    assert done.returncode == 2 and done.stdout == ""
    assert says in done.stderr
    if args[0][0] != "-":
        assert "usage: vnet " in done.stderr
    assert not os.path.exists(fake.log), "the daemon was asked"


def test_version(fake):
    text = fake.ok("--version")
    assert text.startswith("vnet ") and text.strip()[-1].isdigit()
    assert json.loads(fake.ok("--version", "--json"))["version"] in text


def test_no_daemon_is_status_3(fake):
    fake.stop()
    text = fake.refused("list", status=3)
    assert "cannot reach vnetd at " + fake.socket in text
    os.unlink(fake.socket)
    text = fake.refused("run", "--network", "lab", "--", "true", status=3)
    assert "Is vnetd running?" in text


def test_socket_is_found(fake, tmp_path):
    def vnet(**env):
        return subprocess.run([binary("vnet"), "info", "--json"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=fake.env(**env), universal_newlines=True)
    assert vnet(VNET_SOCKET=fake.socket).returncode == 0
    other = vnet(VNET_SOCKET=str(tmp_path / "none"))
    assert other.returncode == 3 and str(tmp_path / "none") in other.stderr
    long = vnet(VNET_SOCKET="/" + "x" * 120)
    assert long.returncode == 3 and "107" in long.stderr
    if os.geteuid() != 0:
        (tmp_path / "vnet").mkdir()
        os.symlink(fake.socket, str(tmp_path / "vnet" / "vnetd.sock"))
        assert vnet(XDG_RUNTIME_DIR=str(tmp_path)).returncode == 0


def test_full_disk_is_no_success(fake):
    with open("/dev/full", "w") as full:
        done = subprocess.run(fake.argv("info"), stdout=full,
                              stderr=subprocess.PIPE, env=fake.env())
    assert done.returncode == 1 and b"No space left" in done.stderr


# ---- networks ---------------------------------------------------------------

def test_define_asks_and_says_what_came_out(fake):
    text = fake.ok("define", "lab", "--mode", "nat", "--subnet", "10.9.0.0/24",
                   "--dhcp", "10.9.0.20-10.9.0.99", "--mtu", "1400",
                   "--host-access", "loopback", "--lease-seconds", "600",
                   "--no-start", "--no-autostart", "--domain", "x.test")
    assert text.startswith("network lab: nat, 10.9.0.0/24, gateway 10.9.0.2")
    assert fake.asked("network.define") == [{
        "name": "lab", "mode": "nat", "subnet": "10.9.0.0/24",
        "dhcp": "10.9.0.20-10.9.0.99", "mtu": 1400, "host_access": "loopback",
        "lease_s": 600, "start": False, "autostart": False, "domain": "x.test"}]


def test_set_asks_only_what_was_said(lab):
    assert lab.ok("set", "lab", "--host-allow", "tcp:22", "--udp-filter",
                  "address-dependent", "--lease-seconds", "600") == \
        "network lab: changed\n"
    assert lab.asked("network.set") == [{
        "name": "lab", "host_allow": "tcp:22", "lease_s": 600,
        "udp_filter": "address-dependent"}]
    assert "tcp:22" in lab.ok("show", "lab")


def test_dhcp_settings_go_with_the_same_call(fake):
    fake.ok("define", "lab", "--mode", "nat", "--identity", "rfc2131",
            "--boot-file", "bios=a.0,ipxe=b.ipxe",
            "--relay-pool", "10.7.0.0/24,10.8.0.0/24=10.8.0.9-10.8.0.9@10.8.0.1")
    assert fake.asked("network.define")[0]["options"] == [
        "identity=rfc2131", "boot:bios=a.0", "boot:ipxe=b.ipxe",
        "pool:10.7.0.0/24=auto", "pool:10.8.0.0/24=10.8.0.9-10.8.0.9@10.8.0.1"]
    fake.ok("set", "lab", "--leases-per-nic", "7", "--lease-seconds", "600")
    assert fake.asked("network.set") == [
        {"name": "lab", "lease_s": 600, "options": ["leases-per-nic=7"]}]
    assert fake.asked("option.set") == []


def test_flows_are_listed_and_killed(lab):
    lines = lab.ok("flow", "list", "lab", "--proto", "tcp").splitlines()
    assert lines[1].split() == ["lab", "3", "MyVM", "tcp", "10.0.5.15:4711",
                                "192.0.2.7:443", "established", "12", "3456",
                                "3", "4", "2"]
    assert lab.asked("flow.list") == [{"of": "lab", "proto": "tcp"}]
    assert lab.ok("flow", "kill", "MyVM", "--remote", "192.0.2.7", "--port",
                  "443") == "2 flows ended\n"
    assert lab.asked("flow.kill") == [{"of": "MyVM", "remote": "192.0.2.7",
                                       "port": 443}]


def test_define_asks_only_what_was_said(fake):
    fake.ok("define", "lan", "--mode=bridged", "--uplink=eth0")
    assert fake.asked("network.define") == [
        {"name": "lan", "mode": "bridged", "uplink": "eth0"}]


def test_refusal_is_the_daemons_sentence(lab):
    text = lab.refused("define", "b", "--mode", "nat", "--subnet", "10.0.2.0/24")
    assert text == ("vnet: network b: subnet overlaps network red (10.0.2.0/24); "
                    "try 10.0.3.0/24\n")


def test_list_is_a_sorted_table(lab):
    for name in ("vm10", "vm2"):
        lab.ok("define", name, "--mode", "internal")
    lines = lab.ok("list").splitlines()
    assert lines[0].split() == ["NAME", "MODE", "STATE", "AUTOSTART", "SUBNET",
                                "GATEWAY", "NICS", "FORWARDS"]
    assert [line.split()[0] for line in lines[1:]] == ["lab", "vm2", "vm10"]
    assert lines[1].split() == ["lab", "nat", "running", "yes", "10.0.5.0/24",
                                "10.0.5.2", "0", "0"]
    assert all(line == line.rstrip() for line in lines)
    assert "\x1b" not in "".join(lines)


def test_json_is_the_apis_object(lab):
    data = json.loads(lab.ok("list", "--json"))
    assert data["networks"][0]["name"] == "lab"
    assert json.loads(lab.ok("--json", "show", "lab"))["dhcp"]["lease_s"] == 86400


def test_start_stop_autostart_undefine(lab):
    assert lab.ok("stop", "lab") == "network lab: stopped\n"
    assert " stopped " in lab.ok("list")
    assert lab.ok("start", "lab") == "network lab: started\n"
    lab.ok("autostart", "lab", "off")
    assert lab.asked("network.autostart") == [{"name": "lab", "on": False}]
    lab.ok("attach", "MyVM", "--network", "lab")
    assert "--force" in lab.refused("undefine", "lab")
    lab.ok("undefine", "lab", "--force")
    assert "no such network" in lab.refused("start", "lab")


def test_show_a_network(lab):
    lab.ok("attach", "MyVM", "--network", "lab")
    lab.ok("forward", "add", "lab", "tcp:2222:MyVM:22")
    text = lab.ok("show", "lab")
    for part in ("Network:       lab", "Mode:          nat",
                 "10.0.5.15-10.0.5.254, leases of 86400 s", "Worker:",
                 "full 3, link 1", "MyVM:22", "nat.flows"):
        assert part in text
    assert "short" not in text and "expired" not in text


def test_show_a_vm(lab):
    lab.ok("attach", "MyVM", "--network", "lab")
    lab.ok("attach", "MyVM", "--network", "lab", "--nic", "1")
    lab.ok("forward", "add", "lab", "tcp:2222:MyVM:22")
    text = lab.ok("show", "MyVM")
    for part in ("VM:            MyVM", "MyVM-1.stream", "full 3, link 1",
                 "0.0.0.0:2222"):
        assert part in text
    flows = [line.split() for line in text.splitlines()]
    assert ["MyVM", "1", "21", "1", "22", "0", "1", "0", "5", "6"] in flows
    data = json.loads(lab.ok("show", "MyVM", "--json"))
    assert [n["nic"] for n in data["nics"]] == [0, 1]
    assert data["nics"][0]["stats"]["drops"]["full"] == 3
    assert data["forwards"][0]["to_vm"] == "MyVM" and data["leases"] == []


def test_show_network_before_vm(lab):
    lab.ok("attach", "lab", "--network", "lab")
    assert lab.ok("show", "lab").startswith("Network:")
    assert lab.ok("show", "lab", "--network").startswith("Network:")
    assert lab.ok("show", "lab", "--vm").startswith("VM:")
    assert "no network and no VM \"x\"" in lab.refused("show", "x")
    assert "no network \"x\"" in lab.refused("show", "x", "--network")


# ---- NICs -------------------------------------------------------------------

def test_attach_for_qemu_stands_alone(lab):
    done = lab.run("attach", "MyVM", "--network", "lab", "--for", "qemu")
    assert done.returncode == 0 and done.stdout.count("\n") == 1
    words = done.stdout.split()
    assert words[0] == "-netdev" and words[1].startswith(
        "stream,id=vnet0,server=off,addr.type=unix,addr.path=%s/nic/MyVM-0.stream"
        % lab.dir)
    assert words[2:4] == ["-device", "virtio-net-pci,netdev=vnet0,id=nic0,"
                          "mac=52:54:00:00:00:01"]
    assert words[-2:] == ["-mon", "chardev=vnetmon0,mode=control"]
    assert "attached to network lab" in done.stderr


def test_attach_again_says_the_same(lab):
    args = ("attach", "MyVM", "--network", "lab", "--for", "qemu")
    assert lab.ok(*args) == lab.ok(*args)
    assert len(lab.nics()) == 1


def test_attach_takes_the_type_that_the_runner_needs(lab):
    for n, (runner, kind) in enumerate((
            ("qemu", "stream"), ("libkrun", "stream"),
            ("cloud-hypervisor", "tap"), ("firecracker", "tap"),
            ("crosvm", "tap"), ("vfkit", "dgram"), ("libvirt", "tap"),
            ("uml", "seqpacket"))):
        text = lab.ok("attach", "v", "--nic", str(n), "--network", "lab",
                      "--for", runner)
        assert lab.asked("nic.attach")[-1]["type"] == kind
        assert ("vn-v-%d" % n if kind == "tap" else "v-%d.%s" % (n, kind)) in text


def test_attach_keeps_the_type_of_a_nic_that_is_there(lab):
    lab.ok("attach", "v", "--network", "lab", "--type", "stream")
    assert "qemu:commandline" in lab.ok("attach", "v", "--network", "lab",
                                        "--for", "libvirt")
    lab.ok("attach", "w", "--network", "lab", "--type", "tap")
    assert "vn-w-0" in lab.ok("attach", "w", "--network", "lab")


def test_attach_netns_by_name_pid_and_path(lab):
    for n, (given, path) in enumerate((
            ("web", "/run/netns/web"),
            ("4711", "/proc/4711/ns/net"),
            ("/proc/self/../self/ns/net", None))):
        lab.ok("attach", "v", "--network", "lab", "--nic", str(n), "--netns",
               given, "--ifname", "eth0")
        asked = lab.asked("nic.attach")[-1]
        assert asked["type"] == "netns" and asked["ifname"] == "eth0"
        assert path is None or asked["netns"] == path
        assert asked["netns"].startswith("/")


def test_attach_owner_is_a_user(lab):
    lab.ok("attach", "v", "--network", "lab", "--type", "tap", "--owner", "root")
    assert lab.asked("nic.attach")[-1]["owner"] == 0


def test_attach_hands_a_descriptor_in(lab):
    import socket
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        lab.ok("attach", "v", "--network", "lab", "--fd", str(theirs.fileno()),
               pass_fds=[theirs.fileno()])
        theirs.close()
        ours.settimeout(5)
        ours.send(b"frame")
        assert ours.recv(100) == b"frame"
    finally:
        ours.close()
        theirs.close()


def test_attach_json_has_the_arguments(lab):
    data = json.loads(lab.ok("attach", "v", "--network", "lab", "--for", "qemu",
                             "--json"))
    assert data["connect"]["type"] == "stream" and data["args"][0] == "-netdev"


def test_move_link_detach(lab):
    lab.ok("define", "two", "--mode", "internal")
    lab.ok("attach", "v", "--network", "lab")
    lab.ok("attach", "v", "--network", "lab", "--nic", "1")
    assert "moved to network two" in lab.ok("move", "v", "--network", "two",
                                            "--nic", "1")
    assert "link down" in lab.ok("link", "v", "down")
    assert lab.asked("nic.link") == [{"vm": "v", "up": False}]
    lines = lab.ok("list", "nics").splitlines()
    assert lines[1].split()[:6] == ["v", "0", "lab", "52:54:00:00:00:01",
                                    "stream", "down"]
    assert lab.ok("detach", "v", "--nic", "1") == "v: 1 NIC detached\n"
    lab.ok("attach", "v", "--network", "lab", "--nic", "1")
    assert lab.ok("detach", "v") == "v: 2 NICs detached\n"
    assert "has no NIC" in lab.refused("detach", "v")


def test_ip_is_a_table_like_domifaddr(lab):
    lab.ok("attach", "v", "--network", "lab")
    lab.ok("attach", "v", "--network", "lab", "--nic", "1")
    lines = [line.split() for line in lab.ok("ip", "v").splitlines()]
    assert lines == [
        ["NAME", "MAC", "PROTOCOL", "ADDRESS", "SOURCE", "NETWORK"],
        ["v-0", "52:54:00:00:00:01", "ipv4", "10.0.5.15/24", "lease", "lab"],
        ["v-1", "52:54:00:00:00:02", "ipv4", "10.0.5.16/24", "lease", "lab"]]
    assert "10.0.5.15\n" in lab.ok("ip", "v", "--plain")
    assert len(json.loads(lab.ok("ip", "v", "--json"))["addresses"]) == 2


def test_ip_wait(lab):
    lab.ok("attach", "v", "--network", "lab")
    assert "10.0.5.15/24" in lab.ok("ip", "v", "--wait", "20")
    assert lab.asked("nic.addresses") == [{"vm": "v", "wait_s": 20}]


def test_ip_none_is_an_empty_table_with_a_hint(lab):
    lab.ok("attach", "silent", "--network", "lab")
    done = lab.run("ip", "silent")
    assert done.returncode == 0 and done.stdout.count("\n") == 1
    assert "no address yet" in done.stderr and "DHCP client" in done.stderr
    for args in (["ip", "silent", "--plain"], ["ip", "silent", "--wait", "1"]):
        done = lab.run(*args)
        assert done.returncode == 1 and "DHCP client" in done.stderr
    assert "has no NIC" in lab.refused("ip", "nobody")


# ---- forwards, leases, reservations -----------------------------------------

def test_forward_add_list_del(lab):
    lab.ok("forward", "add", "lab", "tcp:127.0.0.1:2222:MyVM:22")
    lab.ok("forward", "add", "lab", "udp:8000-8010:MyVM/1:9000-9010")
    lab.ok("forward", "add", "lab", "tcp:8080:10.0.5.99:80")
    assert lab.asked("forward.add") == [
        {"network": "lab", "proto": "tcp", "address": "127.0.0.1", "port": 2222,
         "to_vm": "MyVM", "to_port": 22},
        {"network": "lab", "proto": "udp", "port": 8000, "port_end": 8010,
         "to_vm": "MyVM", "to_nic": 1, "to_port": 9000},
        {"network": "lab", "proto": "tcp", "port": 8080,
         "to_address": "10.0.5.99", "to_port": 80}]
    rows = [line.split() for line in lab.ok("forward", "list").splitlines()]
    assert rows[0] == ["ID", "NETWORK", "PROTOCOL", "HOST", "TARGET", "STATE",
                       "CLIENTS", "IN", "BYTES", "OUT", "BYTES"]
    assert [r[3:5] for r in rows[1:]] == [
        ["127.0.0.1:2222", "MyVM:22"], ["0.0.0.0:8000-8010", "MyVM/1:9000-9010"],
        ["0.0.0.0:8080", "10.0.5.99:80"]]
    assert rows[1][6:9] == ["2", "1234", "99"]
    lab.ok("forward", "del", "lab", "tcp:2222")
    lab.ok("forward", "del", rows[2][0])
    lab.ok("forward", "del", "lab", rows[3][0])
    assert lab.ok("forward", "list", "lab").count("\n") == 1
    assert "no such forward" in lab.refused("forward", "del", "lab", "tcp:1")


def test_forward_add_in_options(lab):
    lab.ok("forward", "add", "lab", "--proto", "udp", "--host-port", "5000-5001",
           "--to", "MyVM/1:6000-6001", "--bind", "127.0.0.1")
    lab.ok("forward", "add", "lab", "--host-port", "2222", "--to", "10.0.5.99")
    assert lab.asked("forward.add") == [
        {"network": "lab", "proto": "udp", "address": "127.0.0.1", "port": 5000,
         "port_end": 5001, "to_vm": "MyVM", "to_nic": 1, "to_port": 6000},
        {"network": "lab", "proto": "tcp", "port": 2222,
         "to_address": "10.0.5.99", "to_port": 2222}]
    for args, says in ((("tcp:1:v:1", "--to", "x"), "not both"),
                       (("--host-port", "1"), "what leads where?"),
                       (("--host-port", "1-2", "--to", "v:9"), "did you mean 9-10?"),
                       (("--host-port", "1", "--to", "v", "--bind", "x"),
                        "must be an address of the host")):
        assert says in lab.refused("forward", "add", "lab", *args, status=2)


def test_forward_set(lab):
    lab.ok("forward", "add", "lab", "tcp:2222:MyVM:22")
    ident = lab.ok("forward", "list").splitlines()[1].split()[0]
    lab.ok("forward", "set", ident, "--to", "Other:2200")
    lab.ok("forward", "set", "lab", "tcp:2222", "--host-port", "2223", "--bind",
           "any", "--to", "Third/1")
    assert lab.asked("forward.set") == [
        {"id": int(ident), "to_vm": "Other", "to_port": 2200, "to_port_end": 2200},
        {"id": int(ident), "address": "0.0.0.0", "port": 2223, "port_end": 2223,
         "to_vm": "Third", "to_nic": 1}]
    assert "Third/1:2200" in lab.ok("forward", "list")
    assert "what shall change?" in lab.refused("forward", "set", ident, status=2)
    assert "no forward of tcp port 9" in lab.refused(
        "forward", "set", "lab", "tcp:9", "--to", "x")


def test_forward_busy_port_names_the_holder(lab):
    assert lab.refused("forward", "add", "lab", "tcp:80:v:80") == \
        "vnet: tcp port 80 is in use by nginx (pid 812)\n"


def test_lease_list_escapes_what_guests_say(lab):
    text = lab.ok("lease", "list")
    rows = [line.split() for line in text.splitlines()]
    assert rows[0] == ["NETWORK", "ADDRESS", "MAC", "VM", "HOSTNAME", "STATE",
                       "EXPIRES"]
    assert [r[1] for r in rows[1:]] == ["10.0.5.16", "10.0.5.100"]
    assert "web/1" in text and "2030-03-17 17:46:40" in text
    assert "evil\\x1b[31m" in text and "\x1b" not in text
    lab.ok("lease", "release", "lab", "10.0.5.16")
    assert lab.asked("lease.release") == [
        {"network": "lab", "address": "10.0.5.16"}]


def test_reserve(lab):
    lab.ok("reserve", "add", "lab", "MyVM", "10.0.5.50", "--nic", "1")
    lab.ok("reserve", "add", "lab", "52:54:00:aa:bb:cc", "10.0.5.51",
           "--hostname", "db")
    assert lab.asked("reserve.add") == [
        {"network": "lab", "vm": "MyVM", "nic": 1, "address": "10.0.5.50"},
        {"network": "lab", "mac": "52:54:00:aa:bb:cc", "address": "10.0.5.51",
         "hostname": "db"}]
    assert "10.0.5.51" in lab.ok("reserve", "list")
    lab.ok("reserve", "del", "lab", "10.0.5.50")
    lab.ok("reserve", "del", "lab", "52:54:00:aa:bb:cc")
    assert lab.ok("reserve", "list", "lab").count("\n") == 1


# ---- events -----------------------------------------------------------------

def subscribed(fake):
    eventually("subscribed", lambda: os.path.exists(fake.log) and
               fake.asked("events.subscribe"))


def test_events_are_lines_and_end_cleanly(lab):
    p = lab.spawn("events")
    subscribed(lab)
    lab.ok("stop", "lab")
    line = p.stdout.readline()      # line by line, although it is a pipe
    assert line == "2023-11-14 22:13:20  network.state network=lab state=stopped\n"
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=10)
    assert (p.returncode, out, err) == (0, "", "")


def test_events_json_and_types(lab):
    p = lab.spawn("events", "--json", "--types", "nic.attached,lease")
    subscribed(lab)
    assert lab.asked("events.subscribe") == [{"types": ["nic.attached", "lease"]}]
    lab.ok("stop", "lab")
    lab.ok("attach", "v", "--network", "lab")
    event = json.loads(p.stdout.readline())
    assert (event["type"], event["vm"]) == ("nic.attached", "v")
    p.terminate()
    assert p.wait(10) == 0
    p.communicate()


def test_events_tell_when_the_daemon_goes(lab):
    p = lab.spawn("events")
    subscribed(lab)
    lab.stop()
    _, err = p.communicate(timeout=10)
    assert p.returncode == 3 and "went away" in err


# ---- run --------------------------------------------------------------------

# A VM as small as can be: sends what it reads on stdin as frames through its NIC
# and prints what comes back.
GUEST = """
import os, socket, sys
s = socket.socket(fileno=int(os.environ["VNET_FD"]))
s.settimeout(20)
print("up", os.environ["VNET_VM"], os.environ["VNET_MAC"], flush=True)
for line in sys.stdin:
    s.send(line.strip().encode())
    print(s.recv(100).decode(), flush=True)
"""


def test_run_gives_a_nic_for_the_time(lab):
    p = lab.spawn("run", "--network", "lab", "--name", "v", "--mac",
                  "52:54:00:00:00:77", "--", sys.executable, "-c", GUEST,
                  stdin=subprocess.PIPE)
    assert p.stdout.readline() == "up v 52:54:00:00:00:77\n"
    assert [(n["vm"], n["type"]) for n in lab.nics()] == [("v", "fd")]
    p.stdin.write("hello\n")
    p.stdin.flush()
    assert p.stdout.readline() == "hello\n"
    p.communicate(timeout=10)
    assert p.returncode == 0
    assert lab.nics() == []


def test_run_keeps_the_nic_over_a_restart_of_the_daemon(lab):
    p = lab.spawn("run", "--network", "lab", "--name", "v", "--",
                  sys.executable, "-c", GUEST, stdin=subprocess.PIPE)
    p.stdout.readline()
    for n in range(2):
        lab.stop()
        p.stdin.write("sent while nobody is there %d\n" % n)
        p.stdin.flush()
        lab.start()
        assert p.stdout.readline() == "sent while nobody is there %d\n" % n
    p.communicate(timeout=10)
    assert p.returncode == 0 and lab.nics() == []


def test_run_leaves_a_nic_that_was_there(lab):
    lab.ok("attach", "v", "--network", "lab")
    out = lab.ok("run", "--network", "lab", "--name", "v", "--", "sh", "-c",
                 "echo $VNET_NIC_SOCKET {socket} ${VNET_FD:-none}")
    path = "%s/nic/v-0.stream" % lab.dir
    assert out == "%s %s none\n" % (path, path)
    assert len(lab.nics()) == 1


def test_run_refuses_a_nic_that_runs(lab):
    p = lab.spawn("run", "--network", "lab", "--name", "v", "--", "cat",
                  stdin=subprocess.PIPE)
    eventually("runs", lab.nics)
    text = lab.refused("run", "--network", "lab", "--name", "v", "--", "true")
    assert "in use by another vnet run" in text
    lab.ok("run", "--network", "lab", "--name", "v", "--nic", "1", "--", "true")
    p.communicate(timeout=10)
    assert p.returncode == 0 and lab.nics() == []


def test_run_ends_though_the_daemon_is_gone(lab):
    p = lab.spawn("run", "--network", "lab", "--name", "v", "--", "cat",
                  stdin=subprocess.PIPE)
    eventually("runs", lab.nics)
    lab.stop()
    _, err = p.communicate(timeout=20)
    assert p.returncode == 0
    assert "vnet detach v --nic 0" in err


@pytest.mark.parametrize("script, status", [
    ("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143)])
def test_run_returns_the_commands_status(lab, script, status):
    done = lab.run("run", "--network", "lab", "--", "sh", "-c", script)
    assert done.returncode == status
    assert lab.nics() == []


def test_run_command_not_found(lab):
    done = lab.run("run", "--network", "lab", "--", "no-such-vmm")
    assert done.returncode == 127 and "cannot run no-such-vmm" in done.stderr
    done = lab.run("run", "--network", "lab", "--", "/etc/passwd")
    assert done.returncode == 126
    assert lab.nics() == []


def test_run_refused_runs_nothing(fake):
    done = fake.run("run", "--network", "nowhere", "--", "echo", "ran")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no such network" in done.stderr


TRAP = ("trap 'echo term; exit 5' TERM; trap 'echo int; exit 6' INT; "
        "trap 'echo hup; exit 8' HUP; echo ready; while :; do sleep 0.05; done")


@pytest.mark.parametrize("sig, word, status", [
    (signal.SIGTERM, "term", 5), (signal.SIGHUP, "hup", 8)])
def test_run_passes_signals_on(lab, sig, word, status):
    p = lab.spawn("run", "--network", "lab", "--name", "v", "--", "sh", "-c",
                  TRAP)
    assert p.stdout.readline() == "ready\n"
    p.send_signal(sig)
    out, _ = p.communicate(timeout=10)
    assert (out, p.returncode) == (word + "\n", status)
    assert lab.nics() == []


def test_run_killed_takes_the_command_along(lab):
    p = lab.spawn("run", "--network", "lab", "--name", "v", "--", "sh", "-c",
                  TRAP)
    assert p.stdout.readline() == "ready\n"
    p.kill()
    out, _ = p.communicate(timeout=10)      # the pipe closes with the command
    assert out == "term\n"
    # As after power loss: the NIC is there, for the next run.
    assert len(lab.nics()) == 1
    lab.ok("run", "--network", "lab", "--name", "v", "--", "true")


class Terminal:
    """A command on a terminal of its own, as a session leader's shell job."""

    def __init__(self, argv, env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            # As login does: who runs the tests in the background ignores them.
            for sig in (signal.SIGINT, signal.SIGQUIT):
                signal.signal(sig, signal.SIG_DFL)
            os.execve(argv[0], argv, env)
        self.text = ""

    def expect(self, word, timeout=20):
        end = time.monotonic() + timeout
        while word not in self.text:
            left = end - time.monotonic()
            assert left > 0, self.text
            if select.select([self.fd], [], [], left)[0]:
                self.text += os.read(self.fd, 4096).decode()
        self.text = self.text.split(word, 1)[1]

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait(self):
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return status


def test_run_on_a_terminal_ctrl_c_goes_to_the_command(lab):
    t = Terminal(lab.argv("run", "--network", "lab", "--name", "v", "--", "sh",
                          "-c", TRAP), lab.env())
    t.expect("ready")
    t.type("\x03")
    t.expect("int")
    assert os.WEXITSTATUS(t.wait()) == 6
    assert lab.nics() == []


def test_run_on_a_terminal_stops_and_continues(lab):
    script = ("stty -echo; echo ready; read a; echo got $a; read b; echo $b $b")
    argv = lab.argv("run", "--network", "lab", "--name", "v", "--", "sh", "-c",
                    script)
    t = Terminal(["/bin/bash", "--norc", "-i"], lab.env(PS1="", HISTFILE=""))
    t.type("stty -echo\n")
    t.type(" ".join("'%s'" % w for w in argv) + "; echo status=$?\n")
    t.expect("ready")
    t.type("one\n")
    t.expect("got one")
    t.type("\x1a")
    t.expect("Stopped")
    assert len(lab.nics()) == 1
    t.type("echo shell; fg\n")
    t.expect("shell")
    t.type("two\n")
    t.expect("two two")
    t.type("exit\n")
    t.type("exit\n")
    t.wait()
    eventually("detached", lambda: lab.nics() == [])


def test_run_real_qemu_takes_the_descriptor(lab):
    """QEMU's own firmware asks for an address by PXE: its frames must come out."""
    qemu = need_program("qemu-system-x86_64")
    p = lab.spawn("run", "--network", "lab", "--", qemu, "-name", "Tiny,process=tiny",
                  "-accel", "tcg", "-nodefaults", "-display", "none", "-m", "64",
                  "-boot", "n")
    try:
        eventually("attached", lab.nics)
        assert lab.nics()[0]["vm"] == "Tiny"
        asked = lab.asked("nic.attach")[0]
        assert asked["type"] == "fd"

        def words():
            return [c for c in children_of(p.pid) if "-netdev" in c]
        found = eventually("QEMU runs", words)[0]
        netdev = found[found.index("-netdev") + 1]
        assert netdev.startswith("dgram,id=vnet0,local.type=fd,local.str=")
        assert any(w.startswith("virtio-net-pci,netdev=vnet0") for w in found)
        eventually("frames", lambda: lab.nics()[0]["echoed"], 60)
    finally:
        p.terminate()
        _, err = p.communicate(timeout=20)
    assert p.returncode == 0, err
    assert lab.nics() == []


def children_of(pid):
    """Command lines of its children, as lists."""
    found = []
    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        for child in f.read().split():
            try:
                with open("/proc/%s/cmdline" % child, "rb") as c:
                    found.append(c.read().decode().split("\0"))
            except OSError:
                pass
    return found
