# SPDX-License-Identifier: GPL-2.0-or-later
"""nat in the kernel (datapath kernel): out as the host, in through forwards alone, from
everywhere, with IPv6; names; nobody from one network in another."""

import contextlib
import socket

import pytest

import guest
import lab as lab_module
from boxes import Box, TapBox
from lab import eventually


@pytest.fixture(scope="module")
def d(lab):
    lab_module.need_vnetd()
    # so that what does not come in fails at the host and nowhere else
    lab.route_to_guests("10.0.2.0/24")
    with lab_module.Vnetd(ns=lab.host) as daemon:
        daemon.vnet("define", "lab", "--mode", "nat", "--datapath", "kernel")
        yield daemon


@pytest.fixture(scope="module")
def vm(lab, d):
    with TapBox(lab, d, "vm1", "lab") as box:
        box.server = box.ns.who(80)
        yield box


@pytest.fixture(scope="module")
def peer(lab, d):
    with TapBox(lab, d, "vm2", "lab") as box:
        yield box


def fetch(ns, host, port=80):
    return ns.fetch("http://%s:%d/" % (host, port), 5)


def nobody(ns, host, port=80):
    return ns.fetch("http://%s:%d/" % (host, port), 1) is None


def goes(ns, host, port):
    try:
        return ns.connect(host, port)
    except OSError:
        return None


def forward(d, spec, *more):
    return d.vnet("forward", "add", "lab", spec, *more, json=True).data["id"]


def address6(box, d):
    prefix = d.vnet("show", "lab", json=True).data["gateway6"][:-len("::2")]

    def has():
        return [a.split("/")[0] for a in box.ns.addresses("eth0", 6)
                if a.startswith(prefix)]

    return eventually("an address of IPv6", has)[0]


def test_lease(vm):
    assert vm.ip == "10.0.2.15"
    assert "default via 10.0.2.2" in vm.ns.ip("route")


def test_out_as_the_host(lab, vm):
    server = lab.outside.who(8080)
    echo = lab.outside.udp_echo(5000)
    assert vm.ns.ping(lab.outside.address)
    assert lab.host.address in fetch(vm.ns, lab.outside.address, 8080)
    assert set(server.seen) == {lab.host.address}
    with vm.ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        s.sendto(b"hello", (lab.outside.address, 5000))
        assert s.recv(100)
    assert {a for a, _ in echo.seen} == {lab.host.address}


def test_out_by_ip6(lab, d, vm):
    address6(vm, d)
    eventually("a way out", lambda: vm.ns.ping(lab.outside.address6))
    with lab.outside.socket(socket.AF_INET6, socket.SOCK_STREAM) as listener:
        listener.bind(("::", 8086))
        listener.listen(1)
        with vm.ns.connect(lab.outside.address6, 8086):
            s, who = listener.accept()
            s.close()
    assert who[0] == lab.host.address6


def as_nobody(folder):
    """argv in front of one that nobody runs, on a host where everybody may open
    /dev/net/tun: most are, some containers are not."""
    return ["unshare", "-m", "sh", "-c",
            'mount -t tmpfs tun "$0" && mknod -m 666 "$0/tun" c 10 200 &&'
            ' mount --bind "$0/tun" /dev/net/tun && exec "$@"', folder,
            "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
            "--inh-caps=-all", "--bounding-set=-all"]


def test_qemu_of_an_ordinary_user(lab, d, guests, tmp_path):
    """-netdev tap,ifname=, as vnet prints it for who owns the NIC, and no privilege."""
    lab_module.need_guest()
    server = lab.outside.who(8081)
    args = d.vnet("attach", "vmq", "--network", "lab", "--type", "tap",
                  "--owner", "nobody", "--for", "qemu").out.split()
    assert "ifname=vn-vmq-0,script=no,downscript=no" in args[1]
    try:
        g = guest.Guest("vmq", args, wrapper=lab.host.argv(*as_nobody(str(tmp_path))))
        guests.append(g)
        g.start().wait_ready()
        assert g.ip() in d.vnet("ip", "vmq").out
        for address in "10.0.2.2", lab.outside.address:
            g.check("ping -c 1 -W 5 " + address)
        g.check("wget -qO- http://%s:8081/" % lab.outside.address)
        assert server.seen == [lab.host.address]
        with open("/proc/%d/status" % g.pid) as f:
            status = f.read()
        assert "CapEff:\t0000000000000000" in status and "Uid:\t0\t" not in status
        g.kill()
    finally:
        d.vnet("detach", "vmq")


def is_known(d, vm, ip):
    return ip in [a["address"] for a in d.vnet("ip", vm, json=True).data["addresses"]]


def test_forward_by_ip6(lab, d, vm):
    ip = address6(vm, d)
    number = forward(d, "tcp:8027:vm1:8027")
    try:
        with vm.ns.socket(socket.AF_INET6, socket.SOCK_STREAM) as listener:
            listener.bind((ip, 8027))
            listener.listen(1)
            vm.ns.ping(lab.outside.address6)
            eventually("the host's neighbour is known", lambda: is_known(d, "vm1", ip))
            c = eventually("led to it", lambda: goes(lab.outside, lab.host.address6, 8027))
            with contextlib.closing(c):
                s, who = listener.accept()
                s.close()
        assert who[0] == lab.outside.address6
    finally:
        d.vnet("forward", "del", str(number))


def test_names(lab, vm, peer):
    def dig(name):
        return vm.ns.run("dig", "+short", "+time=3", "@10.0.2.3", name).split()

    assert dig("outside.test") == [lab.outside.address]
    assert dig("vm2.lab.vnet") == [peer.ip]
    assert dig("host.lab.vnet") == ["10.0.2.2"]


def test_nothing_comes_in_uncalled(lab, vm):
    assert fetch(vm.ns, vm.ip)
    assert not lab.lan.ping(vm.ip, wait=1)
    assert nobody(lab.outside, vm.ip)
    assert lab.host.ping(vm.ip)


def bridge_netfilter(host, on):
    """Do bridged frames pass the filters of IP (as Docker wants it)? False: this kernel
    knows no such thing."""
    try:
        host.sysctl("net.bridge.bridge-nf-call-iptables", int(on))
    except OSError:
        return False
    return True


def test_a_denied_forward_of_the_own_network(lab, d, vm, peer):
    """A promiscuous bridge, whose frames pass the filters of IP, shows the host each
    frame once more."""
    if not bridge_netfilter(lab.host, True):
        pytest.skip("no br_netfilter in this kernel")
    number = forward(d, "tcp:8046:vm2:8047")
    d.vnet("set", "lab", "--host-access", "off")
    lab.host.ip("link", "set", "vn-lab", "promisc", "on")
    try:
        with peer.ns.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as heard:
            heard.bind(("eth0", 3))
            heard.setblocking(False)
            assert goes(vm.ns, lab.host.address, 8046) is None
            assert vm.ns.ping(peer.ip)      # comes behind it
            with contextlib.suppress(BlockingIOError):
                while True:     # SYN alone, to that port
                    frame = heard.recv(2000)
                    assert frame[36:38] + frame[47:48] != (8047).to_bytes(2, "big") + b"\2"
    finally:
        lab.host.ip("link", "set", "vn-lab", "promisc", "off")
        bridge_netfilter(lab.host, False)
        d.vnet("set", "lab", "--host-access", "address")
        d.vnet("forward", "del", str(number))


@pytest.mark.parametrize("bridged", [False, True])
def test_forward_from_everywhere(lab, d, vm, peer, bridged):
    if not bridge_netfilter(lab.host, bridged) and bridged:
        pytest.skip("no br_netfilter in this kernel")
    number = forward(d, "tcp:8022:vm1:80")
    try:
        assert lab.lan.router in fetch(lab.lan, lab.host.address, 8022)
        assert lab.outside.address in fetch(lab.outside, lab.host.address, 8022)
        for address in lab.host.address, "127.0.0.1", "10.0.2.2":
            assert fetch(lab.host, address, 8022), address
        # hairpin; to itself only where the bridge leaves IP alone
        for guest in (peer,) if bridged else (peer, vm):
            assert "10.0.2.2" in fetch(guest.ns, lab.host.address, 8022)
    finally:
        d.vnet("forward", "del", str(number))
    assert nobody(lab.lan, lab.host.address, 8022)


def test_forward_udp_and_one_address(lab, d, vm):
    echo = vm.ns.udp_echo(7000)
    number = forward(d, "udp:%s:7001:vm1:7000" % lab.host.address)
    try:
        with lab.lan.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(5)
            s.sendto(b"hello", (lab.host.address, 7001))
            assert s.recvfrom(100)[1] == (lab.host.address, 7001)
        assert {a for a, _ in echo.seen} == {lab.lan.router}
    finally:
        d.vnet("forward", "del", str(number))


def test_forward_at_a_link_local_address(lab, d, vm):
    """And one that cannot be does not stand in the way of the others."""
    lab.host.ip("addr", "add", "169.254.77.1/16", "dev", "eth0")
    lab.lan.ip("addr", "add", "169.254.77.2/16", "dev", "br0")
    numbers = [forward(d, "tcp:169.254.77.1:8026:vm1:80")]
    try:
        eventually("led there", lambda: fetch(lab.lan, "169.254.77.1", 8026))
        done = d.vnet("forward", "add", "lab", "udp:224.0.0.251:5353:vm1:5353", check=False)
        assert done.status == 1, done
        assert fetch(lab.lan, "169.254.77.1", 8026)
    finally:
        for number in numbers:
            d.vnet("forward", "del", str(number))
        lab.host.ip("addr", "del", "169.254.77.1/16", "dev", "eth0")
        lab.lan.ip("addr", "del", "169.254.77.2/16", "dev", "br0")


def test_forward_port_is_held(lab, d, vm):
    number = forward(d, "tcp:8023:vm1:80")
    try:
        for share in False, True:
            with lab.host.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, share)
                with pytest.raises(OSError):
                    s.bind(("", 8023))
                    s.listen(1)
        # from everywhere to one address, and back: its own socket is no obstacle
        for address in lab.host.address, "any", lab.host.address:
            d.vnet("forward", "set", str(number), "--bind", address)
            assert fetch(lab.lan, lab.host.address, 8023)
            assert (address == "any") == bool(fetch(lab.host, "127.0.0.1", 8023))
    finally:
        d.vnet("forward", "del", str(number))
    busy = lab.host.who(8024)
    done = d.vnet("forward", "add", "lab", "tcp:8024:vm1:80", check=False)
    assert done.status == 1 and "in use by" in done.err
    busy.close()


def test_forward_follows_the_vm(lab, d):
    number = forward(d, "tcp:8025:vm7:80")
    try:
        assert nobody(lab.lan, lab.host.address, 8025)
        with Box(lab, d, "vm7", "lab") as box:
            box.ns.who(80)
            eventually("led to it", lambda: fetch(lab.lan, lab.host.address, 8025))
    finally:
        d.vnet("forward", "del", str(number))


def says(client, server):
    """Does a byte get through?"""
    try:
        client.sendall(b"x")
        server.settimeout(1)
        return server.recv(10) == b"x"
    except OSError:
        return False


def test_a_forward_that_ends_takes_its_connections_along(lab, d, vm):
    one, other = forward(d, "tcp:8030:vm1:8030"), forward(d, "tcp:8031:vm1:8030")
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(vm.ns.socket(socket.AF_INET, socket.SOCK_STREAM))
        listener.bind((vm.ip, 8030))
        listener.listen(2)
        ends = []
        for port in 8030, 8031:
            c = stack.enter_context(lab.outside.connect(lab.host.address, port))
            ends.append((c, stack.enter_context(listener.accept()[0])))
        d.vnet("forward", "del", str(one))
        # … once the kernel's connections have been looked through
        eventually("it ended", lambda: not says(*ends[0]))
        assert says(*ends[1])
        d.vnet("forward", "set", str(other), "--host-port", "8032")
        assert says(*ends[1]), "the same target by another port"
        d.vnet("forward", "del", str(other))
        eventually("this one, too", lambda: not says(*ends[1]))


def test_host_in_reach_or_not(lab, d, vm):
    lab.host.who(8090)
    assert fetch(vm.ns, "10.0.2.2", 8090)
    number = forward(d, "tcp:8033:vm2:80")
    d.vnet("set", "lab", "--host-access", "off")
    try:
        eventually("closed", lambda: nobody(vm.ns, "10.0.2.2", 8090))
        assert nobody(vm.ns, lab.host.address, 8090)
        assert nobody(vm.ns, lab.host.address, 8033), "a forward is the host's, too"
        assert vm.ns.ping("10.0.2.2") and vm.ns.ping(lab.outside.address)
    finally:
        d.vnet("set", "lab", "--host-access", "address")
        d.vnet("forward", "del", str(number))
    eventually("open", lambda: fetch(vm.ns, "10.0.2.2", 8090))


def test_a_list_of_the_hosts_ports(lab, d, vm, peer):
    """Of the host under whatever address, forwards as well; what is refused hears it."""
    peer.ns.who(80)
    lab.host.who(8040)
    lab.host.who(8041)
    numbers = [forward(d, "tcp:%d:vm2:80" % port) for port in (8042, 8043)]
    address6(vm, d)
    d.vnet("set", "lab", "--host-allow", "tcp:8040,tcp:8042,udp:8041")
    try:
        eventually("narrowed", lambda: nobody(vm.ns, "10.0.2.2", 8041))
        with pytest.raises(ConnectionRefusedError):
            vm.ns.connect("10.0.2.2", 8041)
        for host in "10.0.2.2", lab.host.address, "[%s]" % lab.host.address6:
            assert fetch(vm.ns, host, 8040), host
            assert nobody(vm.ns, host, 8041), host
        assert fetch(vm.ns, lab.host.address, 8042)
        assert nobody(vm.ns, lab.host.address, 8043)
        assert fetch(lab.outside, lab.host.address, 8043), "not for the LAN"
        assert vm.ns.ping("10.0.2.2") and vm.ns.ping(lab.outside.address)
        assert "as it should be" in d.vnet("plan", "lab").out
    finally:
        d.vnet("set", "lab", "--host-allow", "all")
        for number in numbers:
            d.vnet("forward", "del", str(number))
    eventually("open", lambda: fetch(vm.ns, "10.0.2.2", 8041))


def test_the_hosts_loopback_when_asked_for(lab, d, vm):
    """At the gateway's address, for this network's guests alone."""
    server = lab.host.who(8045, "127.0.0.1")
    echo = lab.host.udp_echo(8045, "127.0.0.1")
    assert nobody(vm.ns, "10.0.2.2", 8045)
    d.vnet("set", "lab", "--host-access", "loopback")
    try:
        assert "127.0.0.1" in eventually("open", lambda: fetch(vm.ns, "10.0.2.2", 8045))
        with vm.ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(5)
            s.sendto(b"hello", ("10.0.2.2", 8045))
            assert s.recv(100) == b"hello"
        assert set(server.seen) == {"127.0.0.1"} == {a for a, _ in echo.seen}
        assert vm.ns.ping("10.0.2.2")
        for ns in lab.outside, lab.lan:     # they have routes to it
            assert nobody(ns, "10.0.2.2", 8045) and nobody(ns, lab.host.address, 8045)
        assert nobody(vm.ns, lab.host.address, 8045)
        d.vnet("set", "lab", "--host-allow", "udp:8045")
        eventually("narrowed", lambda: nobody(vm.ns, "10.0.2.2", 8045))
        assert "as it should be" in d.vnet("plan", "lab").out
    finally:
        d.vnet("set", "lab", "--host-access", "address", "--host-allow", "all")
    eventually("closed", lambda: nobody(vm.ns, "10.0.2.2", 8045))


def test_loopback_is_the_hosts_own(lab, d, vm):
    """The bridge carries loopback addresses for the host's clients of forwards. A guest
    that sends there reaches nobody."""
    lab.host.who(8091, "127.0.0.1")
    mac = lab.host.links()["vn-lab"]["address"]
    vm.ns.sysctl("net.ipv4.conf.all.route_localnet", 1)
    vm.ns.sysctl("net.ipv4.conf.eth0.route_localnet", 1)
    vm.ns.ip("addr", "del", "127.0.0.1/8", "dev", "lo")
    vm.ns.ip("route", "add", "127.0.0.1/32", "dev", "eth0")
    vm.ns.ip("neigh", "replace", "127.0.0.1", "lladdr", mac, "dev", "eth0")
    try:
        assert nobody(vm.ns, "127.0.0.1", 8091)
        d.vnet("set", "lab", "--host-access", "loopback")
        eventually("open", lambda: fetch(vm.ns, "10.0.2.2", 8091))
        assert nobody(vm.ns, "127.0.0.1", 8091)
    finally:
        d.vnet("set", "lab", "--host-access", "address")
        vm.ns.ip("route", "del", "127.0.0.1/32", "dev", "eth0")
        vm.ns.ip("addr", "add", "127.0.0.1/8", "dev", "lo")


@pytest.mark.parametrize("mode,datapath", [
    ("nat", "kernel"), ("hostonly", "kernel"), ("hostonly", "user")])
def test_no_way_into_another_network(lab, d, vm, mode, datapath):
    d.vnet("define", "other", "--mode", mode, "--datapath", datapath)
    try:
        with Box(lab, d, "vm8", "other") as box:
            box.ns.who(80)
            if mode == "hostonly":
                gateway = d.vnet("show", "other", json=True).data["gateway"]
                box.ns.ip("route", "replace", "default", "via", gateway)
            assert lab.host.ping(box.ip)
            assert not vm.ns.ping(box.ip, wait=1)
            assert nobody(vm.ns, box.ip)
            assert not box.ns.ping(vm.ip, wait=1)
    finally:
        d.vnet("undefine", "other", "--force")


def test_connections_outlive_repair_and_restart(lab, d, vm):
    """The kernel keeps what goes on: a flushed ruleset, vnetd killed and back."""
    number = forward(d, "tcp:8026:vm1:80")
    with contextlib.closing(lab.outside.socket(socket.AF_INET,
                                               socket.SOCK_STREAM)) as listener:
        listener.bind(("", 9000))
        listener.listen(1)
        with contextlib.closing(vm.ns.connect(lab.outside.address, 9000)) as c:
            s, _ = listener.accept()
            for disturb in (
                    lambda: lab.host.run("nft", "flush", "ruleset"),
                    lambda: (d.kill(), d.start())):
                disturb()
                eventually("as it should be", lambda: "as it should be" in
                           d.vnet("plan", "lab").out)
                c.sendall(b"still there")
                s.settimeout(10)
                assert s.recv(100) == b"still there"
                eventually("forwarded", lambda: fetch(
                    lab.lan, lab.host.address, 8026))
            s.close()
    d.vnet("forward", "del", str(number))


def test_what_the_kernel_cannot_do(d):
    for more, what in ((("--udp-filter", "endpoint-independent"), "lets answers in only"),
                       (("--ipv6", "stateful", "--prefix-pool", "fd07::/48-64"),
                        "at most 256 prefixes")):
        done = d.vnet("define", "x", "--mode", "nat", "--datapath", "kernel",
                      *more, check=False)
        assert done.status == 1 and what in done.err and "datapath user" in done.err
