#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A stand-in for vnetd: the control API over objects in memory, no networks.

    fake_vnetd.py SOCKET [LOG] [STATE]

It lets `vnet` be tested to the last character where the real daemon would bring
addresses, timing and rights of the machine into it. Each request is written to
LOG as a line of JSON. Descriptors handed in for NICs are kept and what arrives on
them is sent back. STATE, if given, keeps the objects over a restart. VMs whose
name begins with "silent" never get an address.
"""

import array
import json
import os
import select
import signal
import socket
import sys
import time

NOT_FOUND, EXISTS, TIMEOUT, REFUSED, NO_METHOD = (
    -32001, -32002, -32004, -32000, -32601)


class Refusal(Exception):
    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


class Client:
    def __init__(self, sock):
        self.sock, self.rest, self.fds, self.first = sock, b"", [], 0
        self.subscribed = None

    def send(self, message):
        try:
            self.sock.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            pass

    def take_fd(self, index):
        return self.fds[index - self.first]


class Fake:
    def __init__(self, path, log, state):
        self.path, self.log, self.state = path, log, state
        self.data = {"networks": {}, "nics": {}, "forwards": [], "leases": [],
                     "reservations": [], "next": 1}
        if state and os.path.exists(state):
            with open(state) as f:
                self.data = json.load(f)
        self.nic_fd = {}
        self.waiting = []           # (deadline, client, id, vm)
        self.clients = {}
        self.listener = socket.socket(socket.AF_UNIX)
        if os.path.exists(path):
            os.unlink(path)
        self.listener.bind(path)
        self.listener.listen(16)

    # ---- loop --------------------------------------------------------------

    def run(self):
        print("ready", flush=True)
        while True:
            fds = [self.listener] + [c.sock for c in self.clients.values()]
            ready, _, _ = select.select(fds + list(self.nic_fd.values()), [], [],
                                        0.05)
            for r in ready:
                if r is self.listener:
                    sock, _ = self.listener.accept()
                    self.clients[sock.fileno()] = Client(sock)
                elif isinstance(r, int):
                    self.echo(r)
                elif r.fileno() in self.clients:
                    self.readable(self.clients[r.fileno()])
            self.answer_waiting()

    def echo(self, fd):
        try:
            os.write(fd, os.read(fd, 70000))
        except OSError:
            return
        for key, nic_fd in self.nic_fd.items():
            if nic_fd == fd:
                self.data["nics"][key]["echoed"] += 1

    def readable(self, c):
        try:
            data, anc, _, _ = c.sock.recvmsg(65536, socket.CMSG_SPACE(64))
        except ConnectionResetError:
            data, anc = b"", []
        for _, _, content in anc:
            got = array.array("i")
            got.frombytes(content[:len(content) // 4 * 4])
            c.fds += list(got)
        if not data:
            del self.clients[c.sock.fileno()]
            self.waiting = [w for w in self.waiting if w[1] is not c]
            c.sock.close()
            return
        c.rest += data
        while b"\n" in c.rest:
            line, c.rest = c.rest.split(b"\n", 1)
            self.request(c, json.loads(line.decode()))

    def request(self, c, msg):
        method, params = msg["method"], msg.get("params", {})
        if self.log:
            with open(self.log, "a") as f:
                f.write(json.dumps({"method": method, "params": params}) + "\n")
        handler = getattr(self, method.replace(".", "_"), None)
        try:
            if not handler:
                raise Refusal(NO_METHOD, "no method " + method)
            result = handler(c, msg["id"], **params)
        except Refusal as e:
            c.send({"jsonrpc": "2.0", "id": msg["id"],
                    "error": {"code": e.code, "message": str(e)}})
            return
        if self.state:
            with open(self.state, "w") as f:
                json.dump(self.data, f)
        if result is not None:
            c.send({"jsonrpc": "2.0", "id": msg["id"], "result": result})

    def event(self, kind, **more):
        body = dict(more, type=kind, time=1700000000)
        for c in self.clients.values():
            if c.subscribed is not None and (
                    not c.subscribed or
                    any(kind == t or kind.startswith(t + ".")
                        for t in c.subscribed)):
                c.send({"jsonrpc": "2.0", "method": "event", "params": body})

    def answer_waiting(self):
        for w in list(self.waiting):
            deadline, c, ident, vm = w
            if time.monotonic() < deadline:
                continue
            self.waiting.remove(w)
            if vm.startswith("silent"):
                c.send({"jsonrpc": "2.0", "id": ident, "error": {
                    "code": TIMEOUT, "message": "%s: no address in time" % vm}})
            else:
                c.send({"jsonrpc": "2.0", "id": ident,
                        "result": {"addresses": self.addresses(vm)}})

    # ---- helpers -----------------------------------------------------------

    def net(self, name):
        if name not in self.data["networks"]:
            raise Refusal(NOT_FOUND, "network %s: no such network" % name)
        return self.data["networks"][name]

    def nic(self, vm, nic=0):
        key = "%s-%d" % (vm, nic)
        if key not in self.data["nics"]:
            raise Refusal(NOT_FOUND, "%s nic %d: no such NIC" % (vm, nic))
        return self.data["nics"][key]

    def nics_of(self, **match):
        return [dict(n) for n in self.data["nics"].values()
                if all(n[k] == v for k, v in match.items())]

    # ---- daemon and networks -----------------------------------------------

    def daemon_info(self, c, ident):
        return {"version": "fake", "pid": os.getpid(), "instance": "user",
                "uid": os.getuid(), "runtime_dir": os.path.dirname(self.path),
                "state_dir": "/nowhere", "uptime_s": 61,
                "features": {"tap": False},
                "networks": len(self.data["networks"]),
                "nics": len(self.data["nics"])}

    def network_define(self, c, ident, name, mode, subnet=None, subnet6=None, dhcp="on",
                       mtu=1500, uplink=None, host_access="address",
                       lease_s=86400, domain=None, datapath="user",
                       autostart=True, start=True, host_allow=None,
                       udp_filter="address-and-port-dependent", options=None):
        if name in self.data["networks"]:
            raise Refusal(EXISTS, "network %s: is defined already" % name)
        if subnet == "10.0.2.0/24":
            raise Refusal(REFUSED, "network %s: subnet overlaps network red "
                          "(10.0.2.0/24); try 10.0.3.0/24" % name)
        n = {"name": name, "mode": mode, "datapath": datapath,
             "state": "running" if start else "stopped", "reason": None,
             "autostart": autostart, "mtu": mtu, "uplink": uplink,
             "domain": domain or name + ".vnet", "host_access": host_access,
             "host_allow": host_allow, "udp_filter": udp_filter,
             "mac": "52:55:00:00:00:01", "subnet": None, "gateway": None,
             "dns": None, "dhcp": None,
             "subnet6": subnet6, "gateway6": None, "dns6": None,
             "worker": {"pid": 4711, "restarts": 0}}
        if mode in ("nat", "hostonly"):
            net = (subnet or "10.0.5.0/24").rsplit(".", 1)[0]
            n.update(subnet=net + ".0/24", gateway=net + ".2", dns=net + ".3")
            if dhcp != "off":
                n["dhcp"] = {"first": net + ".15", "last": net + ".254",
                             "lease_s": lease_s}
        self.data["networks"][name] = n
        self.event("network.defined", network=name)
        return self.network_object(n)

    def network_set(self, c, ident, name, **what):
        self.net(name).update(what)
        return self.network_object(self.net(name))

    def network_object(self, n):
        return dict(n, nics=len(self.nics_of(network=n["name"])),
                    forwards=len([f for f in self.data["forwards"]
                                  if f["network"] == n["name"]]))

    def network_list(self, c, ident):
        return {"networks": [self.network_object(n) for n in
                             self.data["networks"].values()]}

    def network_show(self, c, ident, name):
        n = self.network_object(self.net(name))
        n["nics"] = self.nics_of(network=name)
        for nic in n["nics"]:
            nic["stats"] = {"rx_frames": 12, "rx_bytes": 3456, "tx_frames": 7,
                            "tx_bytes": 890,
                            "drops": {"short": 0, "full": 3, "link": 1},
                            "flows": {"tcp": 21, "opening": 1, "udp": 22,
                                      "clients": 0, "icmp": 1, "dns": 0,
                                      "evicted": 5, "refused": 6}}
        n["forwards"] = [f for f in self.data["forwards"]
                         if f["network"] == name]
        n["leases"] = len(self.data["leases"])
        n["counters"] = {"nat": {"flows": 5, "expired": 0}, "dhcp": {"ack": 2}}
        return n

    def network_undefine(self, c, ident, name, force=False):
        self.net(name)
        used = self.nics_of(network=name)
        if used and not force:
            raise Refusal(REFUSED, "network %s: %d NICs are attached; detach "
                          "them or use --force" % (name, len(used)))
        for n in used:
            del self.data["nics"]["%s-%d" % (n["vm"], n["nic"])]
        del self.data["networks"][name]
        self.event("network.undefined", network=name)
        return {}

    def network_start(self, c, ident, name):
        self.net(name)["state"] = "running"
        self.event("network.state", network=name, state="running")
        return self.network_object(self.net(name))

    def network_stop(self, c, ident, name):
        self.net(name)["state"] = "stopped"
        self.event("network.state", network=name, state="stopped")
        return self.network_object(self.net(name))

    def network_autostart(self, c, ident, name, on):
        self.net(name)["autostart"] = on
        return self.network_object(self.net(name))

    # ---- NICs --------------------------------------------------------------

    def nic_attach(self, c, ident, vm, network, nic=0, mac=None, type="stream",
                   fd=None, netns=None, ifname=None, owner=None):
        net = self.net(network)
        key = "%s-%d" % (vm, nic)
        have = self.data["nics"].get(key)
        if have and (have["network"] != network or have["type"] != type):
            raise Refusal(EXISTS, "%s nic %d: is attached to network %s with "
                          "type %s" % (vm, nic, have["network"], have["type"]))
        if not have:
            have = {"vm": vm, "nic": nic, "network": network,
                    "mac": mac or "52:54:00:00:00:%02x" % self.data["next"],
                    "type": type, "link": "up", "connected": False,
                    "state": "ok" if net["state"] == "running"
                    else "network-stopped",
                    "reason": None, "path": None, "echoed": 0,
                    "ifname": None, "netns": netns, "address": None}
            self.data["next"] += 1
            if type in ("stream", "dgram", "seqpacket"):
                have["path"] = "%s/nic/%s.%s" % (
                    os.path.dirname(self.path), key, type)
            if type in ("tap", "netns"):
                have["ifname"] = ifname or "vn-" + key
            self.data["nics"][key] = have
            self.event("nic.attached", vm=vm, nic=nic, network=network)
        if fd is not None:
            self.keep(c, key, fd)
        connect = {"type": type, "path": have["path"], "ifname": have["ifname"]}
        if type != "netns":
            connect["qmp"] = "%s/nic/%s.qmp" % (os.path.dirname(self.path), key)
        return dict(have, connect=connect)

    def keep(self, c, key, index):
        if key in self.nic_fd:
            os.close(self.nic_fd[key])
        self.nic_fd[key] = c.take_fd(index)

    def nic_connect(self, c, ident, vm, fd, nic=0):
        self.nic(vm, nic)
        self.keep(c, "%s-%d" % (vm, nic), fd)
        return {}

    def nic_detach(self, c, ident, vm, nic=None):
        gone = [n for n in self.nics_of(vm=vm) if nic in (None, n["nic"])]
        if not gone:
            raise Refusal(NOT_FOUND, "%s: has no NIC" % vm)
        for n in gone:
            key = "%s-%d" % (vm, n["nic"])
            del self.data["nics"][key]
            if key in self.nic_fd:
                os.close(self.nic_fd.pop(key))
            self.event("nic.detached", vm=vm, nic=n["nic"])
        return {"detached": len(gone)}

    def nic_move(self, c, ident, vm, network, nic=0):
        self.net(network)
        self.nic(vm, nic)["network"] = network
        return self.nic(vm, nic)

    def nic_link(self, c, ident, vm, up, nic=0):
        self.nic(vm, nic)["link"] = "up" if up else "down"
        self.event("nic.link", vm=vm, nic=nic, link="up" if up else "down")
        return self.nic(vm, nic)

    def nic_list(self, c, ident, network=None, vm=None):
        match = {k: v for k, v in (("network", network), ("vm", vm)) if v}
        return {"nics": self.nics_of(**match)}

    def addresses(self, vm):
        found = []
        for n in self.nics_of(vm=vm):
            if vm.startswith("silent"):
                continue
            found.append({"nic": n["nic"], "ifname": "%s-%d" % (vm, n["nic"]),
                          "mac": n["mac"], "protocol": "ipv4",
                          "address": "10.0.5.%d" % (15 + n["nic"]),
                          "prefix": 24, "source": "lease",
                          "network": n["network"]})
        return list(reversed(found))

    def nic_addresses(self, c, ident, vm, wait_s=0):
        if not self.nics_of(vm=vm):
            raise Refusal(NOT_FOUND, "%s: has no NIC" % vm)
        if wait_s:
            late = wait_s if vm.startswith("silent") else 0.3
            self.waiting.append((time.monotonic() + late, c, ident, vm))
            return None
        return {"addresses": self.addresses(vm)}

    # ---- forwards, leases, reservations ------------------------------------

    def forward_add(self, c, ident, network, proto, port, port_end=None,
                    address="0.0.0.0", to_vm=None, to_nic=0, to_address=None,
                    to_port=None):
        if self.net(network)["mode"] != "nat":
            raise Refusal(REFUSED, "network %s: forwards need mode nat" % network)
        if port == 80:
            raise Refusal(EXISTS, "tcp port 80 is in use by nginx (pid 812)")
        f = {"id": self.data["next"], "network": network, "proto": proto,
             "address": address, "port": port, "port_end": port_end or port,
             "to_vm": to_vm, "to_nic": to_nic if to_vm else None,
             "to_address": to_address, "to_port": to_port or port,
             "state": "active", "reason": None}
        self.data["next"] += 1
        self.data["forwards"].append(f)
        return f

    def forward_set(self, c, ident, id, **change):
        for f in self.data["forwards"]:
            if f["id"] == id:
                change.pop("to_port_end", None)
                f.update(change)
                return f
        raise Refusal(NOT_FOUND, "no forward %d" % id)

    def forward_del(self, c, ident, id=None, network=None, proto=None,
                    port=None, address=None):
        for f in self.data["forwards"]:
            if f["id"] == id or (network, proto, port) == (
                    f["network"], f["proto"], f["port"]):
                self.data["forwards"].remove(f)
                return {}
        raise Refusal(NOT_FOUND, "no such forward")

    def forward_list(self, c, ident, network=None):
        stats = {"clients": 2, "accepted": 3, "refused": 0, "bytes_in": 1234,
                 "bytes_out": 99}
        return {"forwards": [dict(f, stats=stats) for f in self.data["forwards"]
                             if network in (None, f["network"])]}

    def flow_list(self, c, ident, **pick):
        return {"flows": [{
            "id": 3, "network": "lab", "vm": "MyVM", "nic": 0, "proto": "tcp",
            "state": "established", "guest": "10.0.5.15", "guest_port": 4711,
            "outside": "192.0.2.7", "outside_port": 443, "host_port": 4000,
            "forwarded": False, "bytes_out": 12, "bytes_in": 3456,
            "packets_out": 3, "packets_in": 4, "age_s": 9,
            "idle_s": 2}], "more": False}

    def flow_kill(self, c, ident, **pick):
        return {"killed": 2}

    def lease_list(self, c, ident, network=None):
        return {"leases": [
            {"network": "lab", "address": "10.0.5.100",
             "mac": "52:54:00:00:00:63", "client_id": None,
             "hostname": "evil\x1b[31m", "vm": None, "nic": None,
             "expires": 1900000000, "state": "bound"},
            {"network": "lab", "address": "10.0.5.16",
             "mac": "52:54:00:00:00:02", "client_id": "01", "hostname": "web",
             "vm": "web", "nic": 1, "expires": 1900000000, "state": "bound"}]}

    def lease_release(self, c, ident, network, address):
        self.net(network)
        return {}

    def reserve_add(self, c, ident, network, address, mac=None, vm=None, nic=0,
                    hostname=None):
        self.net(network)
        r = {"network": network, "mac": mac or "52:54:00:00:00:aa",
             "address": address, "hostname": hostname, "vm": vm}
        self.data["reservations"].append(r)
        return r

    def reserve_del(self, c, ident, network, address=None, mac=None):
        keep = [r for r in self.data["reservations"]
                if r["address"] != address and r["mac"] != mac]
        if len(keep) == len(self.data["reservations"]):
            raise Refusal(NOT_FOUND, "network %s: nothing is reserved" % network)
        self.data["reservations"] = keep
        return {}

    def reserve_list(self, c, ident, network=None):
        return {"reservations": self.data["reservations"]}

    def events_subscribe(self, c, ident, types=None):
        c.subscribed = types or []
        return {}


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    more = sys.argv[2:] + [None, None]
    Fake(sys.argv[1], more[0], more[1]).run()
