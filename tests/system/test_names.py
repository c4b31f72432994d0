# SPDX-License-Identifier: GPL-2.0-or-later
"""Who is called what: VMs, reservations, names that guests claim, records of the
user's own, and the domain; asked with dig from a guest's place."""

import pytest

import lab as lab_module
from boxes import Box
from lab import eventually
from test_dns import dig


@pytest.fixture(scope="module")
def d(lab):
    lab_module.need_vnetd()
    lab_module.need_program("dig")
    with lab_module.Vnetd(ns=lab.host, log_level="info") as daemon:
        daemon.vnet("define", "lab", "--mode", "nat")
        yield daemon


class Claimer(Box):
    """Its guest calls itself something else than its VM."""

    def __init__(self, lab, d, name, claim):
        super().__init__(lab, d, name, "lab", dhcp=None)
        try:
            self.client = lab_module.DhcpClient("udhcpc", self.ns, "eth0",
                                                hostname=claim).start()
            self.ip = self.client.lease()["ip"]
        except BaseException:
            self.close()
            raise


@pytest.fixture(scope="module")
def box(lab, d):
    with Claimer(lab, d, "vm-one", "Web") as b:
        yield b


def a(box, name, *args):
    return dig(box, name, *args).values("A")


def restart(d, *boxes):
    """kill -9. A box's interface is made anew by it, and has no address then."""
    d.kill()
    d.start()
    for box in boxes:
        eventually("its interface", lambda: "eth0" in box.ns.run(
            "ip", "link", "show", "eth0", check=False))
        box.ns.ip("link", "set", "eth0", "up")
        box.ns.ip("addr", "replace", box.ip + "/24", "dev", "eth0")


def leases(d):
    rows = d.vnet("lease", "list", "lab", json=True).data["leases"]
    return {row["address"]: row for row in rows}


def test_a_claim_has_one_owner(lab, d, box):
    assert a(box, "web.lab.vnet") == [box.ip] == a(box, "vm-one.lab.vnet")
    assert dig(box, "-x", box.ip).values("PTR") == ["vm-one.lab.vnet."]
    with Claimer(lab, d, "vm-two", "web") as two, \
            Claimer(lab, d, "vm-three", "gateway") as three:
        assert a(box, "web.lab.vnet") == [box.ip]
        assert a(box, "gateway.lab.vnet") == ["10.0.2.2"]
        assert a(box, "vm-three.lab.vnet") == [three.ip]
        # the owner and nobody else after a restart, whoever speaks first
        restart(d, two, box)
        eventually("the owner", lambda: a(two, "web.lab.vnet") == [box.ip])
        assert leases(d)[two.ip]["hostname"] == "web"


def test_a_name_that_the_user_gives_is_nobodys_claim(lab, d, box):
    """Reservation, VM, record: each takes the claim back."""
    with Claimer(lab, d, "vm-four", "shop") as four:
        eventually("claimed", lambda: a(box, "shop.lab.vnet") == [four.ip])
        d.vnet("reserve", "add", "lab", "52:54:00:00:77:01", "10.0.2.70",
               "--hostname", "shop")
        eventually("reserved", lambda: a(box, "shop.lab.vnet") == ["10.0.2.70"])
        assert dig(box, "-x", "10.0.2.70").values("PTR") == ["shop.lab.vnet."]
        d.vnet("reserve", "del", "lab", "10.0.2.70")
        eventually("gone", lambda: a(box, "shop.lab.vnet") == [])
        # a reservation's host name comes first, the VM's name goes on
        d.vnet("reserve", "add", "lab", "vm-four", four.ip, "--hostname", "mail")
        eventually("both", lambda: a(box, "mail.lab.vnet") == [four.ip])
        assert a(box, "vm-four.lab.vnet") == [four.ip]
        assert dig(box, "-x", four.ip).values("PTR") == ["mail.lab.vnet."]
        assert leases(d)[four.ip]["name"] == "mail"
        d.vnet("reserve", "del", "lab", four.ip)
        eventually("gone", lambda: a(box, "mail.lab.vnet") == [])
        assert leases(d)[box.ip]["hostname"] == "web"


RECORDS = [
    ("printer", "A", "10.0.2.9"),
    ("printer", "AAAA", "fd00::9"),
    ("www", "CNAME", "vm-one"),
    ("front", "CNAME", "www"),
    ("*.apps", "CNAME", "front"),
    ("_sip._udp", "SRV", "0", "5", "5060", "www"),
    ("@", "MX", "10", "printer"),
    ("@", "TXT", "v=spf1 -all"),
    ("db.example.org.", "A", "10.0.2.9"),
] + [("long", "TXT", "%02d" % i + "x" * 700) for i in range(12)]


def test_records(lab, d, box):
    for row in RECORDS:
        d.vnet("dns", "add", "lab", *row)
    for again in (False, True):
        if again:
            restart(d, box)
            eventually("back", lambda: a(box, "printer.lab.vnet"))
        assert a(box, "printer.lab.vnet") == ["10.0.2.9"] == a(box, "db.example.org")
        assert dig(box, "printer.lab.vnet", "AAAA").values("AAAA") == ["fd00::9"]
        assert dig(box, "-x", "10.0.2.9").values("PTR") == ["printer.lab.vnet."]
        got = dig(box, "x.y.apps.lab.vnet")
        assert got.values("A") == [box.ip], got
        assert got.values("CNAME") == ["front.lab.vnet.", "vm-one.lab.vnet.",
                                       "www.lab.vnet."]
        assert dig(box, "_sip._udp.lab.vnet", "SRV").values("SRV") == [
            "0 5 5060 www.lab.vnet."]
        assert dig(box, "lab.vnet", "MX").values("MX") == ["10 printer.lab.vnet."]
        assert dig(box, "lab.vnet", "TXT").values("TXT") == ['"v=spf1 -all"']
        assert len(dig(box, "long.lab.vnet", "TXT").rows) == 12   # by TCP
        got = dig(box, "long.lab.vnet", "TXT", "+ignore", "+bufsize=1232")
        assert "tc" in got.flags, got
        got = dig(box, "front.lab.vnet", "AAAA")
        assert got.status == "NOERROR" and "SOA" in got.text
        assert len(got.values("CNAME")) == 2
        assert dig(box, "no.lab.vnet").status == "NXDOMAIN"
    listed = d.vnet("dns", "list", "lab", json=True).data["records"]
    assert len(listed) == len(RECORDS)
    assert "0 5 5060 www" in d.vnet("dns", "list").out
    for name in {row[0] for row in RECORDS}:
        d.vnet("dns", "del", "lab", name)
    assert not d.vnet("dns", "list", json=True).data["records"]
    assert dig(box, "printer.lab.vnet").status == "NXDOMAIN"


@pytest.mark.parametrize("row,words", [
    (("www", "A", "fd00::1"), "no IPv4 address"),
    (("host", "A", "10.0.2.9"), "the network's own name"),
    (("www", "CNAME", "example.com."), "leads to a name of this network (lab.vnet)"),
    (("a b", "A", "10.0.2.9"), "cannot be a name"),
    (("www", "SRV", "1", "2", "x"), "PRIORITY WEIGHT PORT TARGET"),
    (("www", "PTR", "x"), "A, AAAA, CNAME, TXT, MX or SRV"),
])
def test_records_that_are_refused(d, row, words):
    done = d.vnet("dns", "add", "lab", *row, check=False)
    assert done.status == 1 and words in done.err, done.err


def test_records_need_a_resolver(d):
    d.vnet("define", "back", "--mode", "internal")
    try:
        done = d.vnet("dns", "add", "back", "www", "A", "10.0.2.9", check=False)
        assert done.status == 1 and "without a subnet" in done.err, done.err
    finally:
        d.vnet("undefine", "back")


def test_another_domain(lab, d, box):
    d.vnet("set", "lab", "--domain", "shop.test")
    try:
        eventually("its names", lambda: a(box, "vm-one.shop.test") == [box.ip])
        assert a(box, "vm-one.lab.vnet") == []
        assert dig(box, "-x", box.ip).values("PTR") == ["vm-one.shop.test."]
        with Box(lab, d, "vm-five", "lab") as five:
            assert five.lease["domain"] == "shop.test"
            assert a(five, "vm-five.shop.test") == [five.ip]
        restart(d, box)
        eventually("still", lambda: a(box, "vm-one.shop.test") == [box.ip])
        done = d.vnet("set", "lab", "--domain", "a b", check=False)
        assert done.status == 1 and "domain must be" in done.err
    finally:
        d.vnet("set", "lab", "--domain", "lab.vnet")


# ---- for the host ----------------------------------------------------------------

def rows(text):
    return {row.split()[0]: row.split()[1:] for row in text.splitlines()
            if row and row[0] != "#"}


def test_hosts(lab, d, box, tmp_path):
    d.vnet("dns", "add", "lab", "printer", "A", "10.0.2.9")
    d.vnet("define", "two", "--mode", "nat")
    d.vnet("dns", "add", "two", "Printer", "A", "10.0.3.9")
    try:
        with Claimer(lab, d, "VM-six", "router") as six:
            got = rows(d.vnet("hosts").out)
            # a claim is no short name, and neither is one that two networks have
            assert got[six.ip] == ["vm-six.lab.vnet", "router.lab.vnet", "vm-six"]
            assert got["10.0.2.9"] == ["printer.lab.vnet"]
            assert got["10.0.3.9"] == ["printer.two.vnet"]
            got = rows(d.vnet("hosts", "--network", "two").out)
            assert got == {"10.0.3.9": ["printer.two.vnet", "printer"]}
        path = tmp_path / "hosts"
        for _ in range(2):
            d.vnet("hosts", "--write", str(path))
            assert "10.0.3.9" in rows(path.read_text())
        path.write_text("127.0.0.1 localhost\n")
        done = d.vnet("hosts", "--write", str(path), check=False)
        assert done.status == 1 and "vnet did not write" in done.err
    finally:
        d.vnet("undefine", "two", "--force")
        d.vnet("dns", "del", "lab", "printer")


def test_hosts_in_a_file_with_others(lab, d, box, tmp_path):
    path, link = tmp_path / "real", tmp_path / "hosts"
    path.write_text("127.0.0.1 localhost\n10.7.7.7 mine")
    link.symlink_to(path)
    d.vnet("hosts", "--merge", str(link))
    first = path.read_text()
    assert first.startswith("127.0.0.1 localhost\n10.7.7.7 mine\n# vnet: begin")
    assert "vm-one" in rows(first)[box.ip] and link.is_symlink()
    with open(path, "a") as f:
        f.write("10.7.7.8 later\n")
    d.vnet("hosts", "--merge", str(link))
    again = rows(path.read_text())
    assert again["10.7.7.8"] == ["later"] and "vm-one" in again[box.ip]
    assert path.read_text().count("vnet: begin") == 1
    path.write_text(first.rstrip("\n"))  # an editor that ends no last line
    path.chmod(0o640)
    d.vnet("hosts", "--merge", str(path))
    assert path.read_text() == first and path.stat().st_mode & 0o7777 == 0o640
    done = d.vnet("hosts", "--merge", "/dev/null", check=False)
    assert done.status == 1 and "no regular file" in done.err
    path.write_text(first.replace("# vnet: end", "# my end"))
    done = d.vnet("hosts", "--merge", str(path), check=False)
    assert done.status == 1 and "put that where the names end" in done.err
    assert "# my end" in path.read_text()


def test_a_hosts_file_is_kept_up_to_date(lab, tmp_path):
    path = tmp_path / "hosts"
    with lab_module.Vnetd(ns=lab.host, args=["--hosts-file", str(path)]) as d:
        assert rows(path.read_text()) == {}
        d.vnet("define", "own", "--mode", "hostonly")
        d.vnet("define", "far", "--mode", "nat")
        d.vnet("dns", "add", "far", "www", "A", "10.0.2.9")   # not to be reached
        d.vnet("dns", "add", "own", "www", "A", "192.168.56.9")
        with Box(lab, d, "vm-own", "own") as own:
            want = {"192.168.56.9": ["www.own.vnet", "www"],
                    own.ip: ["vm-own.own.vnet", "vm-own"]}
            eventually("both", lambda: want.items() <= rows(path.read_text()).items())
            d.vnet("set", "own", "--domain", "own.test")
            eventually("its domain", lambda: rows(path.read_text())[own.ip] ==
                       ["vm-own.own.test", "vm-own"])
        eventually("gone", lambda: own.ip not in rows(path.read_text()))
        d.stop()
        assert rows(path.read_text()) == {} and not list(tmp_path.glob("hosts.*"))
    path.write_text("127.0.0.1 localhost\n")
    d = lab_module.Vnetd(ns=lab.host, args=["--hosts-file", str(path)])
    try:
        with pytest.raises(lab_module.LabError):
            d.start()
    finally:
        d.close()
    assert path.read_text() == "127.0.0.1 localhost\n"
