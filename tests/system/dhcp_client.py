# SPDX-License-Identifier: GPL-2.0-or-later
"""Real DHCP clients in a namespace."""

import contextlib
import os
import shutil
import signal

from basics import LabError, eventually, program, scratch

_CLIENT_SCRIPT = r"""#!/bin/sh
# what a DHCP client calls; its findings are in the environment
PATH=/usr/sbin:/usr/bin:/sbin:/bin
here=%(dir)s
reason=${reason:-$1}
echo "$reason" >>"$here/reasons"
case $reason in
BOUND|RENEW|REBIND|REBOOT|bound|renew)
	if [ -e "$here/probe" ] && [ "$reason" = BOUND ] &&
			! busybox arping -D -q -f -c 1 -w 1 -I "$interface" \
			"$new_ip_address"; then
		exit 3	# to dhclient: decline it
	fi
	if [ %(apply)s = 1 ]; then
		ip -4 addr flush dev "$interface"
		ip addr add "${new_ip_address:-$ip}/${new_subnet_mask:-$mask}" dev "$interface"
		for r in ${new_routers:-$router}; do
			ip route replace default via "$r" dev "$interface"
			break
		done
	fi
	env >"$here/lease.new"
	mv "$here/lease.new" "$here/lease"
	;;
PREINIT)
	[ %(apply)s = 0 ] || ip link set "$interface" up
	;;
EXPIRE|RELEASE|STOP|FAIL|deconfig)
	rm -f "$here/lease"
	if [ %(apply)s = 1 ]; then
		ip link set "$interface" up
		ip -4 addr flush dev "$interface"
	fi
	;;
esac
"""


class DhcpClient:
    """A real DHCP client on one interface of a namespace.

        c = DhcpClient("dhclient", ns, "eth0").start()
        c.lease(timeout=20)["ip"]
        c.stop()          or c.release()

    kind: dhclient, dhcpcd or udhcpc. A second start() goes on with the lease that
    the first one stored (dhclient, dhcpcd). arp: probe the address, and decline it when
    somebody has it; it may be set between starts.
    """

    def __init__(self, kind, ns, ifname, hostname=None, config="", arp=False,
                 args=()):
        self.kind = kind
        self.ns = ns
        self.ifname = ifname
        self.hostname = hostname
        self.config = config
        self.arp = arp
        self.args = list(args)
        self.dir = scratch("dhcp")
        self.proc = None
        self._started = 0   # where this start's part of the log begins
        # dhcpcd drops its rights in some builds and wants to write there still
        os.chmod(self.dir, 0o755)
        self._write("script", _CLIENT_SCRIPT % {
            "dir": self.dir, "apply": int(kind != "dhcpcd")}, 0o755)

    def _file(self, name):
        return os.path.join(self.dir, name)

    def _write(self, name, text, mode=0o644):
        with open(self._file(name), "w") as f:
            f.write(text)
        os.chmod(self._file(name), mode)

    def _argv(self):
        path = program("busybox" if self.kind == "udhcpc" else self.kind)
        if not path:
            raise LabError("no %s (scripts/deps)" % self.kind)
        return getattr(self, "_" + self.kind)(path)

    def _dhclient(self, path):
        config = ("timeout 60;\nretry 1;\nselect-timeout 0;\ninitial-interval 1;\n"
                  "request subnet-mask, broadcast-address, routers, "
                  "domain-name-servers, domain-name, host-name, interface-mtu, "
                  "domain-search, ntp-servers;\n")
        if self.hostname:
            config += 'send host-name "%s";\n' % self.hostname
        self._write("conf", config + self.config)
        if self.arp:    # dhclient leaves it to its script
            self._write("probe", "")
        return [path, "-4", "-d", "-cf", self._file("conf"), "-sf",
                self._file("script"), "-lf", self._file("leases"), "-pf",
                self._file("pid")] + self.args + [self.ifname]

    def _dhcpcd(self, path):
        config = ("clientid\noption subnet_mask, routers, domain_name_servers, "
                  "domain_name, host_name, interface_mtu\nipv4only\nnoipv4ll\n")
        if self.hostname:
            config += "hostname %s\n" % self.hostname
        if not self.arp:
            config += "noarp\n"
        self._write("conf", config + self.config)
        # It keeps files in /run and /var/lib: private ones in its own mount
        # namespace (`ip netns exec` made that).
        for name in ("run", "lib/dhcpcd"):
            os.makedirs(self._file(name), exist_ok=True)
        return ["sh", "-c", 'mount --bind "$0/run" /run && '
                'mount --bind "$0/lib" /var/lib && exec "$@"', self.dir,
                path, "-4", "-B", "-d", "-f", self._file("conf"), "-c",
                self._file("script")] + self.args + [self.ifname]

    def _udhcpc(self, path):
        more = ["-x", "hostname:" + self.hostname] if self.hostname else []
        if self.arp:
            more.append("-a")
        return [path, "udhcpc", "-f", "-i", self.ifname, "-s",
                self._file("script"), "-t", "5", "-T", "1", "-A", "2",
                "-O", "mtu"] + more + self.args

    def start(self):
        self.ns.ip("link", "set", self.ifname, "up")
        with contextlib.suppress(OSError):
            os.unlink(self._file("lease"))
        with open(self._file("log"), "ab") as log:
            self._started = log.tell()
            self.proc = self.ns.popen(*self._argv(), stdout=log, stderr=log)
        return self

    def reasons(self):
        """What the client called its script for, in order."""
        try:
            with open(self._file("reasons")) as f:
                return f.read().split()
        except OSError:
            return []

    def log(self, start=0):
        """What it has said, from byte `start` on."""
        with open(self._file("log"), "rb") as f:
            f.seek(start)
            return f.read().decode(errors="replace")

    def current(self):
        """The lease now: {"ip", "mask", "router", "dns", "mtu", "domain",
        "hostname", "lease", "server", "raw"}, or None."""
        try:
            with open(self._file("lease")) as f:
                raw = dict(l.rstrip("\n").split("=", 1) for l in f if "=" in l)
        except OSError:
            return None
        names = {"ip": ("new_ip_address", "ip"),
                 "mask": ("new_subnet_mask", "subnet"),
                 "router": ("new_routers", "router"),
                 "dns": ("new_domain_name_servers", "dns"),
                 "domain": ("new_domain_name", "domain"),
                 "mtu": ("new_interface_mtu", "mtu"),
                 "hostname": ("new_host_name", "hostname"),
                 "lease": ("new_dhcp_lease_time", "lease"),
                 "server": ("new_dhcp_server_identifier", "serverid")}
        found = {k: next((raw[n] for n in v if n in raw), None)
                 for k, v in names.items()}
        found["raw"] = raw
        return found

    def _stored(self):
        """Whether the client has written the lease to its own file: dhclient does after
        its script has agreed, and says "bound" then; the others do before."""
        return self.kind != "dhclient" or "\nbound" in self.log(self._started)

    def lease(self, timeout=30):
        """Wait for a lease that a second start() would go on with."""
        try:
            return eventually("lease", lambda: (self._stored() and self.current()) or (
                self.proc.poll() is not None and "ended"), timeout)
        except LabError:
            raise LabError("%s got no lease on %s: %s" % (
                self.kind, self.ifname, self.log()[-2000:])) from None

    def stop(self):
        """End the client as a crash would: the lease stays with the server."""
        if self.proc:
            if self.proc.poll() is None:
                self.proc.kill()
            self.proc.wait()
            self.proc = None

    def release(self):
        """Give the lease back and end."""
        if self.kind == "udhcpc":
            before = self.reasons().count("deconfig")
            self.proc.send_signal(signal.SIGUSR2)
            eventually("udhcpc released",
                       lambda: self.reasons().count("deconfig") > before, 5)
            self.stop()
        elif self.kind == "dhcpcd":
            # dhcpcd releases on SIGALRM (what `dhcpcd -k` sends)
            self.proc.send_signal(signal.SIGALRM)
            self.proc.wait(10)
            self.proc = None
        else:
            self.stop()
            self.ns.run(*["-r" if a == "-d" else a for a in self._argv()])

    def close(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self if self.proc else self.start()

    def __exit__(self, *exc):
        self.close()
