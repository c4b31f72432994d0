/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What control and a worker say to each other over lib/chan. Bodies are JSON
 * objects (the worker's are untrusted: a guest may have taken it over), those of
 * leases are records of bytes (lease_wire.h). Addresses are text. Requests carry an id != 0 and get W_DONE or W_ERROR with the same id.
 *
 * Start: control sends W_NET, then W_LEASES and W_RESERVE for everything known, then
 * W_START; the worker answers W_READY. NICs and forwards follow. After a crash the
 * new worker gets the same again: it has nothing of its own to remember.
 */
#ifndef VNET_NETD_PROTO_H
#define VNET_NETD_PROTO_H

/* The worker's end of the channel: set up by whoever starts it. */
#define WORKER_CHAN_FD 3

#define W_BYTES 200 /* types from this one on have no JSON */

enum wmsg {
	/* ---- control to worker ---- */

	/* {"name", "mode":"nat|bridged|hostonly|internal", "mtu":1500,
	 *  "services":bool (there is a gateway port), "nat":bool,
	 *  "subnet":"10.0.2.0/24", "mac": the gateway's, "gateway":"10.0.2.2",
	 *  "dns":"10.0.2.3"|null, "domain":"lab.vnet",
	 *  "host_access":"off|address|loopback", "host_ip":"192.0.2.1"|null,
	 *  "host_allow":"tcp:22,…" ("" = all), "self":[the host's addresses],
	 *  "host_ips":[all of them, for MAC translation],
	 *  "udp_filter":"address-dependent",
	 *  "deny":["192.168.56.0/24",…], "upstreams":["192.0.2.53",…]
	 *  (IPv6 with "%" and an interface's number if need be),
	 *  "dhcp": null | {"first","last","lease_s":86400,"router":ip|null,
	 *           "dns":[ip,…],"domain":str|null,"server":ip,"identity":str,
	 *           "per_nic":n,"boot":["bios=pxelinux.0",…],"boot_server":ip,
	 *           "pools":["10.9.0.0/24=auto",…] (behind relays)},
	 *  "log_level":"info", "tftp":bool,
	 *  "ip6": null | {"subnet":"fd00:…::/64","gateway","dns":ip|null,
	 *           "host_ip":ip|null,"deny":[prefix,…],
	 *           "mode":"slaac|stateless|stateful|off","duid":hex,"lease_s",
	 *           "pool":prefix|null,"pool_len":64}}
	 *  "fds":["icmp","icmp6"]: raw sockets, as far as there are any, the first
	 *  time.
	 * Sent again when something of it changed: host_ip, deny (of both families),
	 * upstreams, dhcp, tftp and log_level are taken live. */
	W_NET = 1,
	/* {"mac","ip","ip6","name"}: fixed addresses and/or host name; live. */
	W_RESERVE,
	/* {"scope":"network|nic|group:NAME|mac:52:54:…","nic":id,"match":str,
	 *  "options":["26:hex=0x0578",…]}: a scope's options are these now; live. */
	W_DHCP_SCOPE,
	W_UNRESERVE, /* {"mac"} */
	W_START,     /* {} */

	/* {"nic":id, "vm":"MyVM", "index":0, "mac":"52:54:…",
	 *  "type":"stream|dgram|seqpacket|tap|packet|fd|vhost-user|tap-in",
	 *  "role":"guest|host|uplink", "link":true, "src_ip4":ip|null,
	 *  "src_ip6":ip|null, "queues":n (vhost-user; 0 = 1),
	 *  "guard":{"level":"off|mac|ip","isolated":bool,"storm":n,"rate_in":kbit/s,
	 *           "rate_out","ips":"10.0.2.7,fd00::/64"},
	 *  "fds":["listen","conn","mem"]}: descriptors in the order of "fds".
	 *   stream: listen and/or conn, mem; dgram: conn = the bound socket;
	 *   seqpacket: listen and/or conn; vhost-user: listen, or nothing (W_NIC_CONN);
	 *   tap, packet, fd: conn; tap-in: conn = packet socket, tap, and beside them
	 *   "uplink_mac", "mac_nat":bool. Request. */
	W_NIC_ADD,
	W_NIC_DEL,  /* {"nic"}; the answer says its descriptors are closed. Request. */
	W_NIC_LINK, /* {"nic","up":bool}. Request. */
	W_NIC_GUARD, /* {"nic","guard"}: as in W_NIC_ADD. Request. */

	/* {"forward":id, "group":id, "proto":"tcp|udp", "nic":id|null,
	 *  "ip":ip|null, "port":22} + the listening or bound socket. What the user
	 *  configured as one forward is a group. Request. */
	W_FORWARD_ADD,
	W_FORWARD_DEL, /* {"forward"}. Request. */
	/* {"forward"} [+ socket]: goes on over this one, or over none for now; TCP
	 * connections stay. Request. */
	W_FORWARD_SOCKET,
	/* {"after":group}: the answer has the next groups' numbers in order:
	 *  {"forwards":[[group,clients,accepted,refused,bytes_in,bytes_out],…],
	 *   "more":bool}. Request. */
	W_FORWARD_STATS,

	/* {"nic","addr":hex, "way":"socket|shared|refused|gone"} + the socket for
	 * the first: answers W_SENDER. */
	W_NIC_WAY,

	/* {"nic"} + a connection to the NIC's front end, which listens and is to be
	 * served anew: vhost-user. Asked for by W_PEER, connected false. Request. */
	W_NIC_CONN,

	/* {"token","size"} + the file, opened to be read; or {"token","error":errno}:
	 * answers W_TFTP_OPEN. */
	W_TFTP_FILE,

	/* {"add":[[name,type,value],…],"del":[…]}: records of the user's own, as in
	 * nat/dns_zone.h; before W_START and live. */
	W_RECORDS,
	/* {"ip","name"}: who leased it is called so, by its own claim; "" = no more.
	 * Ends with the lease. */
	W_CLAIM,

	W_LEASE_RELEASE, /* {"ip"}: forget the lease. Request. */
	W_STATUS,	 /* {}: the answer is a status, see below. Request. */
	W_SHUTDOWN,	 /* {}: close everything and exit 0 */

	/* {"id","nic","proto":"tcp|udp|icmp","remote":ip,"port"} pick flows, all
	 * may be absent or 0; "after": the id of the last one known. Answer
	 * {"flows":[{"id","proto","nic","guest","guest_port","outside",
	 * "outside_port","host_port","forwarded","state","bytes_out","bytes_in",
	 * "packets_out","packets_in","age_s","idle_s"}],"more":bool}. Request. */
	W_FLOWS,
	W_FLOW_KILL, /* the same; answer {"killed":n,"more":bool}. Request. */

	/* {"ips":[ip,…]}: the host has these no more; what was bound to them ends. */
	W_ADDRESS_GONE,

	/* {"deny":[prefix,…],"deny6":[…]}: those of W_NET, anew. */
	W_DENY,

	/* {"leases":[{"ip","plen":128,"mac","duid":hex,"iaid","via":ip,"nic",
	 *  "hostname","expires"},…]}: of DHCPv6. Only before W_START. */
	W_LEASE6,
	W_LEASE6_DONE,	  /* {"token","ok"} */
	W_LEASE6_RELEASE, /* {"ip"}: forget it. Request. */

	/* {"mac","ip"}: the host knows it so on the network's bridge (datapath kernel);
	 * answered with W_SEEN when that is a NIC's. With MAC translation: a guest had it,
	 * as the last worker said. */
	W_NEIGHBOUR,

	/* ---- worker to control ---- */

	W_READY = 100, /* {} */
	W_DONE,	       /* answer to a request; {} or its result */
	W_ERROR,       /* {"message"} */
	W_PEER,	       /* {"nic","connected":bool} */
	W_ACCEPTED,    /* {"nic"} + the accepted connection, to be kept */
	W_SEEN,	       /* {"nic","mac","ip"}: an address of either family that it uses */
	W_LOG,	       /* {"level","line"} */
	W_EVENT,       /* {"event":"dhcp.pool_exhausted"|…, …}: for subscribers */
	/* {"nic","addr":hex}: a datagram NIC heard this sun_path and has no way to
	 * answer it. */
	W_SENDER,
	W_LEASE6_COMMIT, /* {"token","leases":[as in W_LEASE6]}: a Reply waits */
	W_LEASE6_EVENT,	 /* one of them and "state": released, expired, declined */
	W_TFTP_OPEN, /* {"token","name":hex}: a guest wants this file */

	/* ---- bytes, not JSON; from here on ---- */

	/* Records of leases. To the worker, before W_START: what is known, those that
	 * ended first first. From the worker, in the order of things: with a token a
	 * lease that is granted when W_LEASES_DONE has said so, else what became of
	 * one. */
	W_LEASES = 200,
	W_LEASES_DONE, /* to the worker: tokens, and whether the store has them */
};

/*
 * A status (answer to W_STATUS):
 *  {"nics":[{"nic","connected","link","rx_frames","rx_bytes","tx_frames",
 *            "tx_bytes","drops":{"full":3,…},
 *            "flows":[tcp,opening,udp,clients,icmp,dns,evicted,refused]}],
 *   "fdb":[{"mac","nic","age_s"}], "gateway":{"udp_flows":n,…},
 *   "dhcp":{"discover":n,…,"drops":{"relay":n,…}}, "dhcp6":{…}, "tftp":{…}}
 */

#endif
