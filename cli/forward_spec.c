// SPDX-License-Identifier: GPL-2.0-or-later
/* Parsing of forward specifications. See forward_spec.h. */
#include "cli/forward_spec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/args.h"

#define PART_TEXT 80

static const char example[] = "write it like tcp:2222:MyVM:22";

/* The text up to the next ':' outside brackets, which are taken off; false at
 * the end, or when the part is empty, too long or a bracket is not closed. */
static bool next_part(const char **s, char part[PART_TEXT])
{
	const char *p = *s, *end;
	size_t len;

	if (*p == '[') {
		end = strchr(p, ']');
		if (!end || (end[1] && end[1] != ':'))
			return false;
		len = (size_t)(end - ++p);
		end++;
	} else {
		len = strcspn(p, ":");
		end = p + len;
	}
	if (!len || len >= PART_TEXT)
		return false;
	memcpy(part, p, len);
	part[len] = '\0';
	*s = *end ? end + 1 : end;
	return true;
}

static bool parse_port(const char *s, uint16_t *port)
{
	long v;

	if (args_number(s, 1, 65535, &v))
		return false;
	*port = (uint16_t)v;
	return true;
}

/* "80" or "8000-8010". */
static bool parse_ports(const char *s, uint16_t *first, uint16_t *last)
{
	char a[PART_TEXT];
	const char *dash = strchr(s, '-');

	if (!dash) {
		*last = 0;
		if (!parse_port(s, first))
			return false;
		*last = *first;
		return true;
	}
	snprintf(a, sizeof(a), "%.*s", (int)(dash - s), s);
	return parse_port(a, first) && parse_port(dash + 1, last) &&
	       *first <= *last;
}

static bool looks_like_ports(const char *s)
{
	return s[strspn(s, "0123456789-")] == '\0';
}

int forward_spec_ports(const char *s, struct forward_spec *f,
		       struct errtext *why)
{
	uint16_t first, last;

	if (!parse_ports(s, &first, &last))
		return errtext_set(why, -EINVAL, "\"%.64s\" is no port (1 to "
				   "65535) or range like 8000-8010", s);
	f->port = first;
	f->port_end = last;
	return 0;
}

/* PROTO:[ADDRESS:]PORT[-PORT]; moves *s behind it. */
static int parse_outside(const char **s, struct forward_spec *f,
			 struct errtext *why)
{
	char part[PART_TEXT];
	struct ipaddr ip;

	if (**s && (*s)[strlen(*s) - 1] == ':')
		return errtext_set(why, -EINVAL, "something is missing behind "
				   "the last colon; %s", example);
	if (!next_part(s, part) || (strcmp(part, "tcp") && strcmp(part, "udp")))
		return errtext_set(why, -EINVAL, "must begin with tcp: or "
				   "udp:; %s", example);
	memcpy(f->proto, part, sizeof(f->proto));
	if (!next_part(s, part))
		return errtext_set(why, -EINVAL, "the host's port is missing; "
				   "%s", example);
	if (!looks_like_ports(part)) {
		if (ipaddr_parse(part, &ip))
			return errtext_set(why, -EINVAL, "\"%s\" is neither a "
					   "port nor an address of the host; "
					   "%s, or tcp:127.0.0.1:2222:MyVM:22",
					   part, example);
		ipaddr_format(&ip, f->address);
		if (!next_part(s, part))
			return errtext_set(why, -EINVAL, "the host's port is "
					   "missing; write it like "
					   "tcp:127.0.0.1:2222:MyVM:22");
	}
	return forward_spec_ports(part, f, why);
}

/* "MyVM", "MyVM/1", "10.0.2.15", "fd00::15". */
static int parse_target(const char *part, struct forward_spec *f,
			struct errtext *why)
{
	const char *slash = strchr(part, '/');
	struct ipaddr ip;
	long nic;

	f->to_vm[0] = f->to_address[0] = '\0';
	f->to_nic = -1;
	if (!ipaddr_parse(part, &ip)) {
		ipaddr_format(&ip, f->to_address);
		return 0;
	}
	if (slash) {
		if (args_number(slash + 1, 0, 31, &nic))
			return errtext_set(why, -EINVAL, "\"%s\": behind the "
					   "slash stands the number of a NIC, "
					   "like MyVM/1", part);
		f->to_nic = (int)nic;
	}
	if (slash == part || strlen(part) >= sizeof(f->to_vm))
		return errtext_set(why, -EINVAL, "\"%s\" is neither a VM nor "
				   "an address; %s", part, example);
	snprintf(f->to_vm, sizeof(f->to_vm), "%.*s",
		 slash ? (int)(slash - part) : (int)strlen(part), part);
	return 0;
}

int forward_spec_target(const char *s, struct forward_spec *f,
			struct errtext *why)
{
	char part[PART_TEXT];
	int r;

	if (*s && s[strlen(s) - 1] == ':')
		return errtext_set(why, -EINVAL, "something is missing behind "
				   "the last colon; write it like MyVM:22");
	if (!next_part(&s, part))
		return errtext_set(why, -EINVAL, "the target is missing; %s",
				   example);
	r = parse_target(part, f, why);
	f->to_port = f->to_port_end = 0;
	if (r || !*s)
		return r;
	if (!next_part(&s, part) || *s)
		return errtext_set(why, -EINVAL, "too much behind the target; "
				   "%s", example);
	if (!parse_ports(part, &f->to_port, &f->to_port_end))
		return errtext_set(why, -EINVAL, "\"%s\" is no port (1 to "
				   "65535) of the guest", part);
	return 0;
}

/* "All to one port" and "the first to this one" would both be written so. */
static int one_for_many(const struct forward_spec *f, struct errtext *why)
{
	unsigned int more = f->port_end - f->port;

	if (f->to_port + more > 65535)
		return errtext_set(why, -EINVAL, "%u ports of the host cannot "
				   "lead to port %u alone; give the guest's "
				   "as a range, too", more + 1, f->to_port);
	return errtext_set(why, -EINVAL, "%u ports of the host cannot lead to "
			   "port %u alone; did you mean %u-%u?", more + 1,
			   f->to_port, f->to_port, f->to_port + more);
}

int forward_spec_finish(struct forward_spec *f, struct errtext *why)
{
	if (!f->to_port) {
		f->to_port = f->port;
		f->to_port_end = f->port_end;
	}
	if (f->port_end - f->port == f->to_port_end - f->to_port)
		return 0;
	if (f->to_port == f->to_port_end)
		return one_for_many(f, why);
	if (f->port == f->port_end)
		return errtext_set(why, -EINVAL, "port %u of the host cannot "
				   "lead to ports %u-%u of the guest", f->port,
				   f->to_port, f->to_port_end);
	return errtext_set(why, -EINVAL, "the ranges %u-%u and %u-%u differ in "
			   "length", f->port, f->port_end, f->to_port,
			   f->to_port_end);
}

int forward_spec_parse(const char *s, struct forward_spec *out,
		       struct errtext *why)
{
	struct forward_spec f = {.to_nic = -1};
	int r = parse_outside(&s, &f, why);

	if (!r)
		r = forward_spec_target(s, &f, why);
	if (!r)
		r = forward_spec_finish(&f, why);
	if (!r)
		*out = f;
	return r;
}

int forward_spec_parse_key(const char *s, struct forward_spec *out,
			   struct errtext *why)
{
	struct forward_spec f = {.to_nic = -1};
	int r = parse_outside(&s, &f, why);

	if (r)
		return r;
	if (*s)
		return errtext_set(why, -EINVAL, "only protocol and port name "
				   "a forward, like tcp:2222, or its number "
				   "from vnet forward list");
	*out = f;
	return 0;
}
