# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests whose firmware boots from the network, from nothing but vnetd's DHCP and TFTP:
a BIOS with an iPXE ROM down to the system, UEFI down to the iPXE that it loaded, by TFTP or
from an HTTP server of the host."""

import contextlib
import functools
import glob
import http.server
import os
import re
import shutil
import threading

import pytest

import guest
import lab as lab_module
from basics import DEPS, scratch
from lab import eventually

FILES = "bios=undionly.kpxe,efi-x64=snponly.efi,ipxe=boot.ipxe"

# What iPXE is told to do: it says who it is, and loads what it finds beside the script.
SCRIPT = """#!ipxe
echo iPXE is ${net0/ip} and ${net0/hostname}
kernel vmlinuz initrd=initramfs.cpio.gz %s
initrd initramfs.cpio.gz
boot
"""


@pytest.fixture(scope="module")
def folder():
    """What TFTP serves: boot.ipxe, vmlinuz and initramfs.cpio.gz."""
    lab_module.need_guest()
    path = scratch("tftp")
    os.chmod(path, 0o755)
    for name in ("vmlinuz", "initramfs.cpio.gz"):
        shutil.copy(os.path.join(guest.GUEST_DIR, name), path)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def network(vnetd, folder):
    """A nat network that boots its guests; its first address is taken."""
    vnetd.vnet("define", "lab", "--mode", "nat", "--tftp", folder,
               "--boot-file", FILES)
    vnetd.vnet("reserve", "add", "lab", "52:54:00:00:00:99", "10.0.2.15")
    return vnetd


def boot(vnetd, guests, folder, name, extra=(), nic=""):
    """The guest, its firmware on its way; a TAP is where vnetd is."""
    args = vnetd.vnet("attach", name, "--network", "lab", "--for", "qemu").out
    where = vnetd.ns.argv() if lab_module.DATAPATH == "kernel" else ()
    g = guest.Guest(name, boot="n", extra=extra, memory=256, wrapper=where, netargs=[
        a + nic if a.startswith("virtio-net") else a for a in args.split()])
    with open(os.path.join(folder, "boot.ipxe"), "w") as f:
        f.write(SCRIPT % " ".join(g.append))
    guests.append(g)
    return g.start()


def ipxe_says(g, timeout=guest.BOOT_SECONDS):
    """Address and name that iPXE got."""
    said = re.compile(r"iPXE is ([0-9.]+) and (\S+)\s")
    return eventually("iPXE's script runs", lambda: said.search(g.console()),
                      timeout).groups()


def test_bios_boots_down_to_the_system(network, guests, folder):
    """One address from the ROM's iPXE over the initrd to what sends another client
    identifier; iPXE is not sent to the iPXE that the BIOS would load."""
    g = boot(network, guests, folder, "pxe-bios")
    ip, name = ipxe_says(g)
    assert ip != "10.0.2.15" and name == "pxe-bios"
    assert ip in network.vnet("ip", "pxe-bios", "--plain").out.split()
    g.wait_ready()
    assert g.ip() == ip
    assert "lease: eth0 bound " + ip in g.console()
    assert "initrd=initramfs.cpio.gz" in g.check("cat /proc/cmdline").split()
    # An installed system's identifier, as of RFC 4361.
    got = g.check("udhcpc -f -n -q -i eth0 -s /bin/true -t 5 "
                  "-x 0x3d:ff00000001000200000001 2>&1")
    assert "lease of %s obtained" % ip in got
    leases = network.vnet("lease", "list", "lab", json=True).data["leases"]
    assert [(x["address"], x["vm"]) for x in leases] == [(ip, "pxe-bios")]
    assert "undionly.kpxe" not in network.log()


def uefi():
    """argv for QEMU, and iPXE for UEFI; a skip without them."""
    root = os.path.join(DEPS, "firmware", "usr")
    code = sorted(glob.glob(root + "/share/OVMF/OVMF_CODE_4M.fd") +
                  glob.glob(root + "/share/OVMF/OVMF_CODE.fd"))
    ipxe = os.path.join(root, "lib", "ipxe", "snponly.efi")
    if not code or not os.path.exists(ipxe):
        lab_module.skip("no UEFI firmware here (scripts/deps)")
    return ["-drive", "if=pflash,format=raw,unit=0,readonly=on,file=" + code[0],
            "-drive", "if=pflash,format=raw,unit=1,snapshot=on,file=" +
            code[0].replace("_CODE", "_VARS")], ipxe


def test_uefi_loads_ipxe_which_is_not_sent_round_again(network, guests, folder):
    """PXE of UEFI gets the file of its architecture, an iPXE; that gets the script."""
    extra, ipxe = uefi()
    shutil.copy(ipxe, folder)
    g = boot(network, guests, folder, "pxe-uefi", extra, nic=",romfile=")
    ip, name = ipxe_says(g)
    assert name == "pxe-uefi"
    assert "NBP filename is snponly.efi" in g.console()
    assert "Station IP address is " + ip in g.console()
    assert network.log().count("got snponly.efi") == 1
    # The firmware asks for a file's size before it loads it: nothing went wrong.
    assert "did not get" not in network.log()


@contextlib.contextmanager
def served(ns, folder, port):
    """Files of `folder` by HTTP, on all addresses of `ns`; which ones were asked for."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_request(self, code="-", size="-"):
            asked.append((self.command, self.path, int(code)))

    with ns.entered():
        server = http.server.ThreadingHTTPServer(
            ("0.0.0.0", port), functools.partial(Handler, directory=folder))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_uefi_boots_from_an_http_server(lab, network, guests, folder):
    """UEFI's HTTP boot takes our word for address and URL; the iPXE it loads goes on."""
    extra, ipxe = uefi()
    for ip in ("IPv4", "IPv6"):   # or it tries PXE first, for minutes
        extra += ["-fw_cfg", "name=opt/org.tianocore/%sPXESupport,string=no" % ip]
    shutil.copy(ipxe, folder)
    network.vnet("set", "lab", "--boot-file",
                 "http-x64=http://10.0.2.2:8000/snponly.efi")
    with served(lab.host, folder, 8000) as asked:
        g = boot(network, guests, folder, "http-uefi", extra, nic=",romfile=")
        ip, name = ipxe_says(g)
    assert name == "http-uefi"
    assert "Station IP address is " + ip in g.console()
    assert ("GET", "/snponly.efi", 200) in asked
    # It did not decline what it was given.
    leases = network.vnet("lease", "list", "lab", json=True).data["leases"]
    assert {x["state"] for x in leases} == {"bound"}
