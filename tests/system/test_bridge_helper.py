# SPDX-License-Identifier: GPL-2.0-or-later
"""TAPs as descriptors: vnet-bridge-helper, which QEMU and libvirt start as an ordinary
user, and nic.tap_fd."""

import array
import contextlib
import os
import shutil
import socket
import subprocess
import threading

import pytest

import basics
import guest
import lab as lab_module
from lab import eventually

GROUP = 4242    # gid of "vnet" for this daemon
HOST = "192.168.56.1"


@pytest.fixture(scope="module")
def d(lab):
    """A system instance on a machine that has a group vnet."""
    lab_module.need_vnetd()
    folder = basics.scratch("group")
    path = os.path.join(folder, "group")
    with open("/etc/group") as f, open(path, "w") as out:
        out.write(f.read().rstrip("\n") + "\nvnet:x:%d:\n" % GROUP)
    under = ["unshare", "-m", "sh", "-c",
             'mount --bind "$0" /etc/group && exec "$@"', path]
    with lab_module.Vnetd(ns=lab.host, under=under) as daemon:
        daemon.vnet("define", "ho", "--mode", "hostonly", "--datapath", "kernel")
        daemon.vnet("define", "plain", "--mode", "nat")
        daemon.helper = os.path.join(daemon.dir, "vnet-bridge-helper")
        shutil.copy(basics.binary("vnet-bridge-helper"), daemon.helper)
        os.chmod(daemon.helper, 0o755)
        yield daemon
    shutil.rmtree(folder)


def as_member(*argv, group=GROUP):
    """argv run by an ordinary user who is a member of group vnet."""
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--groups=%d" % group,
            "--inh-caps=-all", *argv]


def ask(lab, d, *args, group=GROUP):
    """Run the helper as libvirt does: (status, its words, the descriptor or None)."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        done = subprocess.run(
            lab.host.argv(*as_member(d.helper, *args, "--fd=%d" % theirs.fileno(),
                                     group=group)),
            env=dict(os.environ, VNET_SOCKET=d.socket), pass_fds=[theirs.fileno()],
            stderr=subprocess.PIPE, universal_newlines=True, timeout=60)
        theirs.close()
        data, control, _, _ = ours.recvmsg(16, socket.CMSG_SPACE(4))
    fds = array.array("i")
    for level, kind, value in control:
        assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
        fds.frombytes(value)
    assert (data, len(fds)) in ((b"\0", 1), (b"", 0))
    return done.returncode, done.stderr, fds[0] if fds else None


def nics(d):
    with contextlib.closing(d.api()) as api:
        return {(n["vm"], n["nic"]): n for n in api.call("nic.list")["nics"]}


@contextlib.contextmanager
def plugged(fd, name):
    """A namespace whose eth0's frames go through the TAP behind @fd, which is closed
    at the end."""
    import tap_pump
    with lab_module.Netns(name) as ns:
        with ns.entered():
            inside = tap_pump.open_tap("eth0")
        pipe = os.pipe()
        pump = threading.Thread(target=tap_pump.carry, args=((fd, inside), pipe[0]))
        pump.start()
        try:
            yield ns
        finally:
            os.close(pipe[1])
            pump.join()
            os.close(pipe[0])
            os.close(inside)
            os.close(fd)


def test_protocol_and_a_life(lab, d):
    """One byte and a TAP on the bridge; it carries frames; closed, the NIC is gone."""
    status, err, fd = ask(lab, d, "--br=ho", "--vm=lent",
                          "--mac=52:54:00:aa:00:01")
    assert (status, err) == (0, "")
    nic = nics(d)["lent", 0]
    assert nic["transient"] and nic["network"] == "ho" and nic["type"] == "tap"
    assert nic["ifname"] == "vn-lent-0"
    with plugged(fd, "lent") as ns:
        ns.ip("link", "set", "eth0", "address", "52:54:00:aa:00:01", "up")
        with lab_module.DhcpClient("udhcpc", ns, "eth0", hostname="x") as client:
            address = client.lease()["ip"]
            assert ns.ping(HOST)
            assert address in d.vnet("ip", "lent").out
            # whatever happens to vnetd, its TAP stays …
            d.kill()
            assert ns.ping(HOST)
            d.start()
            assert ("lent", 0) in nics(d)
            eventually("reached again", lambda: ns.ping(HOST, wait=1))
    # … and the NIC goes with it
    eventually("detached", lambda: ("lent", 0) not in nics(d))
    assert "vn-lent-0" not in lab.host.links()
    assert "as it should be" in d.vnet("plan", "ho").out


def test_closed_while_vnetd_is_away(lab, d):
    _, _, fd = ask(lab, d, "--br=ho", "--vm=away")
    assert ("away", 0) in nics(d)
    d.kill()
    os.close(fd)
    d.start()
    assert ("away", 0) not in nics(d)
    assert "vn-away-0" not in lab.host.links()


def test_by_bridge_and_many(lab, d):
    """A VM's second NIC gets the next number; --use-vnet is as QEMU asks."""
    fds = []
    for n in range(2):
        status, err, fd = ask(lab, d, "--use-vnet", "--br=vn-ho", "--vm=two")
        assert (status, err) == (0, "")
        fds.append(fd)
    assert [k for k in sorted(nics(d)) if k[0] == "two"] == [("two", 0), ("two", 1)]
    for fd in fds:
        os.close(fd)
    eventually("gone", lambda: not [k for k in nics(d) if k[0] == "two"])


@pytest.mark.parametrize("args, group, sentence", [
    (["--br=nix"], GROUP, 'there is no network and no bridge "nix"'),
    (["--br=plain"], GROUP, "network plain has datapath user"),
    (["--br=ho"], 4243, "group vnet"),
    ([], GROUP, "--br=NET is missing"),
    (["--br=ho", "--bridge"], GROUP, "--bridge: unknown option"),
    (["--br=ho", "--mac=x"], GROUP, "mac"),
])
def test_refused_with_a_sentence(lab, d, args, group, sentence):
    before = nics(d)
    status, err, fd = ask(lab, d, *args, group=group)
    assert status == 1 and fd is None
    assert err.startswith("vnet-bridge-helper: ") and err.count("\n") == 1
    assert sentence in err
    assert nics(d) == before


def test_no_descriptor_without_its_nic(lab, d):
    """Nobody takes it: nothing stays."""
    api = d.api()
    nic = api.call("nic.attach", vm="left", network="ho", type="tap", transient=True)
    assert ("left", 0) in nics(d) and nic["fd"] == 0
    api.close()
    eventually("gone", lambda: ("left", 0) not in nics(d))


def test_tap_fd_of_a_nic(lab, d):
    """A persistent TAP's descriptor: for its owner, once for each queue."""
    d.vnet("attach", "own", "--network", "ho", "--owner", "nobody")
    with lab_module.as_user("nobody"), contextlib.closing(d.api()) as stranger:
        with pytest.raises(lab_module.ApiError, match="group vnet"):
            stranger.call("nic.tap_fd", vm="own")
    api = d.api()
    assert api.call("nic.tap_fd", vm="own")["fd"] == 0
    fd = api.fds.pop()
    with pytest.raises(lab_module.ApiError, match="open already"):
        api.call("nic.tap_fd", vm="own")
    os.close(fd)
    assert api.call("nic.tap_fd", vm="own", vnet_hdr=False)["fd"] == 1
    api.close()
    assert ("own", 0) in nics(d)    # it is not transient
    d.vnet("detach", "own")


def test_qemu_as_an_ordinary_user(lab, d, guests):
    """-netdev bridge,helper=: named as QEMU is, known by its MAC."""
    lab_module.need_guest()
    g = guest.Guest("vmq", wrapper=lab.host.argv(*as_member()),
                    env=dict(os.environ, VNET_SOCKET=d.socket),
                    netargs=["-netdev", "bridge,id=n0,br=ho,helper=" + d.helper,
                             "-device", "virtio-net-pci,netdev=n0"])
    guests.append(g)
    g.start().wait_ready()
    assert g.ip() in d.vnet("ip", "vmq").out
    assert nics(d)["vmq", 0]["mac"] == "52:54:00:12:34:56"
    assert lab.host.ping(g.ip())
    g.kill()
    eventually("detached", lambda: ("vmq", 0) not in nics(d))


def test_run_hands_a_tap_in(lab, d):
    """{tapfd}: for a program that may not open /dev/net/tun."""
    tell = "import fcntl, sys; b = fcntl.ioctl(int(sys.argv[1]), 0x800454d2, bytes(40)); " \
        "print(b[:16].rstrip(b'\\0').decode())"      # TUNGETIFF
    done = d.vnet("run", "--network", "ho", "--name", "handed", "--", "python3", "-c",
                  tell, "{tapfd}")
    assert done.out == "vn-handed-0\n"
    assert ("handed", 0) not in nics(d)
