# SPDX-License-Identifier: GPL-2.0-or-later
"""Real DHCPv6 clients in a namespace."""

import os
import re
import time

from basics import LabError, eventually
from dhcp_client import DhcpClient

_SCRIPT = r"""#!/bin/sh
# what a DHCPv6 client calls; its findings are in the environment
PATH=/usr/sbin:/usr/bin:/sbin:/bin
here=%(dir)s
echo "$reason" >>"$here/reasons"
case $reason in
PREINIT6)
	ip link set "$interface" up
	;;
BOUND6|RENEW6|REBIND6|REBOOT6|INFORM6)
	if [ %(apply)s = 1 ] && [ -n "$new_ip6_address" ]; then
		address=$new_ip6_address/${new_ip6_prefixlen:-128}
		if [ -e "$here/probe" ] && [ "$reason" = BOUND6 ]; then
			ip -6 addr add "$address" dev "$interface"
			while ip -6 addr show dev "$interface" tentative -dadfailed |
					grep -qF "$address"; do
				sleep 0.1
			done
			if ip -6 addr show dev "$interface" dadfailed |
					grep -qF "$address"; then
				ip -6 addr del "$address" dev "$interface"
				echo DECLINE6 >>"$here/reasons"
				exit 3	# to dhclient: decline it
			fi
		fi
		ip -6 addr replace "$address" dev "$interface" nodad
	fi
	# dhclient calls once for an address and once for a prefix: what this call
	# does not name is as it was.
	{
		[ ! -e "$here/lease" ] || cat "$here/lease"
		env
	} >"$here/lease.new"
	mv "$here/lease.new" "$here/lease"
	;;
EXPIRE6|RELEASE6|STOP6|FAIL6|DEPREF6)
	if [ "$reason" != DEPREF6 ] && [ %(apply)s = 1 ] && [ -n "$old_ip6_address" ]; then
		ip -6 addr del "$old_ip6_address/${old_ip6_prefixlen:-128}" dev "$interface"
	fi
	[ "$reason" = DEPREF6 ] || rm -f "$here/lease"
	;;
esac
exit 0
"""


class Dhcp6Client(DhcpClient):
    """A real DHCPv6 client: dhclient (-6) or dhcpcd; what is asked for is in @want:
    "address", "prefix", "both" or "nothing" (information only)."""

    def __init__(self, kind, ns, ifname, want="address", config=""):
        super().__init__(kind, ns, ifname, config=config)
        self.want = want
        self._write("script", _SCRIPT % {
            "dir": self.dir, "apply": int(kind != "dhcpcd")}, 0o755)

    def _dhclient(self, path):
        self._write("conf", self.config + "request dhcp6.name-servers, "
                    "dhcp6.domain-search, dhcp6.fqdn;\n")
        more = {"address": [], "prefix": ["-P"], "both": ["-N", "-P"],
                "nothing": ["-S"]}[self.want]
        return [path, "-6", "-d"] + more + [
            "-cf", self._file("conf"), "-sf", self._file("script"), "-lf",
            self._file("leases"), "-pf", self._file("pid"), self.ifname]

    def _dhcpcd(self, path):
        config = ("duid ll\nipv6only\noption dhcp6_name_servers, "
                  "dhcp6_domain_search\nhostname box\nnohook lookup-hostname\n"
                  "noipv6rs\n"
                  "interface %s\n" % self.ifname)
        config += {"address": "ia_na 1\n", "prefix": "ia_pd 2\n",
                   "both": "ia_na 1\nia_pd 2\n", "nothing": "inform6\n"}[self.want]
        self._write("conf", config + self.config)
        for name in ("run", "lib/dhcpcd"):
            os.makedirs(self._file(name), exist_ok=True)
        return ["sh", "-c", 'mount --bind "$0/run" /run && '
                'mount --bind "$0/lib" /var/lib && exec "$@"', self.dir,
                path, "-6", "-B", "-d", "-f", self._file("conf"), "-c",
                self._file("script"), self.ifname]

    def file(self, name):
        """Where the client keeps that."""
        return self._file(name)

    def probe(self):
        """dhclient: from now on look whether somebody has the address."""
        self._write("probe", "")
        for name in ("accept_dad", "dad_transmits"):
            self.ns.sysctl("net.ipv6.conf.%s.%s" % (self.ifname, name), 1)

    def set_times(self, t1, t2):
        """A dhclient that does not run: what it remembers of T1 and T2, from now."""
        with open(self._file("leases")) as f:
            text = f.read()
        now = time.time()
        starts = float(re.search(r"starts (\d+);", text).group(1))
        for name, at in (("renew", t1), ("rebind", t2)):
            text = re.sub(name + r" \d+;", "%s %d;" % (name, now - starts + at), text)
        self._write("leases", text)

    def start(self):
        self.ns.ip("link", "set", self.ifname, "up")
        # The client sends from the link-local address, once that is no more tentative.
        eventually("a link-local address", lambda: self.ns.run(
            "ip", "-6", "-o", "addr", "show", "dev", self.ifname, "scope", "link",
            "-tentative"), 20)
        return super().start()

    def _find(self, raw, *names):
        return next((raw[n] for n in names if raw.get(n)), None)

    def _stored(self):
        return True     # dhclient -6 writes its file before it asks its script

    def current(self):
        """{"ip", "prefix", "dns", "domain", "raw"} as of now; None before all that was
        wanted is there."""
        try:
            with open(self._file("lease")) as f:
                raw = dict(l.rstrip("\n").split("=", 1) for l in f if "=" in l)
        except OSError:
            return None
        prefix = self._find(raw, "new_ip6_prefix")
        if not prefix and raw.get("new_dhcp6_ia_pd1_prefix1"):
            prefix = "%s/%s" % (raw["new_dhcp6_ia_pd1_prefix1"],
                                raw["new_dhcp6_ia_pd1_prefix1_length"])
        ip = self._find(raw, "new_ip6_address", "new_dhcp6_ia_na1_ia_addr1")
        if (self.want in ("address", "both") and not ip or
                self.want in ("prefix", "both") and not prefix):
            return None
        return {"ip": ip, "prefix": prefix,
                "dns": self._find(raw, "new_dhcp6_name_servers"),
                "domain": self._find(raw, "new_dhcp6_domain_search"),
                "raw": raw}

    def wait(self, reason, count=1, timeout=30):
        """The client was through @reason so many times."""
        try:
            eventually("%s of %s" % (reason, self.kind),
                       lambda: self.reasons().count(reason) >= count, timeout)
        except LabError:
            raise LabError("%s never came to %s: %s %s" % (
                self.kind, reason, self.reasons(), self.log()[-2000:])) from None
        return self.lease() if reason != "DECLINE6" else None
