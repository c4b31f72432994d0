// SPDX-License-Identifier: GPL-2.0-or-later
/* See guard_opts.h. */
#include "cli/guard_opts.h"

#include <errno.h>
#include <string.h>

#define RATE_MAX  400000000 /* kbit/s */
#define STORM_MAX 1000000

int guard_net_params(const struct cli *c, json_t *params)
{
	const char *isolated = args_get(&c->args, "isolated");

	cli_param(c, params, "guard");
	cli_param(c, params, "storm");
	if (isolated)
		json_object_set_new(params, "isolated",
				    json_boolean(!strcmp(isolated, "on")));
	return CLI_OK;
}

int guard_rate_parse(const char *s, long *kbit)
{
	static const char units[] = "kMG";
	size_t n = strspn(s, "0123456789");
	const char *unit = s[n] ? strchr(units, s[n]) : NULL;
	char digits[16];
	long v;

	if (!strcmp(s, "off")) {
		*kbit = 0;
		return 0;
	}
	if (!unit || s[n + 1] || !n || n >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, s, n);
	digits[n] = '\0';
	if (args_number(digits, 1, RATE_MAX, &v))
		return -EINVAL;
	for (; unit > units; unit--)
		v = v > RATE_MAX ? v : v * 1000;
	if (v > RATE_MAX)
		return -EINVAL;
	*kbit = v;
	return 0;
}

static int put_rate(const struct cli *c, json_t *params, const char *opt,
		    const char *key)
{
	const char *s = args_get(&c->args, opt);
	long kbit;

	if (!s)
		return CLI_OK;
	if (guard_rate_parse(s, &kbit))
		return cli_usage(c, "--%s is bits a second with k, M or G "
				 "behind (500k, 100M, at most 400G), or off",
				 opt);
	json_object_set_new(params, key, json_integer(kbit));
	return CLI_OK;
}

int guard_nic_params(const struct cli *c, json_t *params)
{
	const char *ip = args_get(&c->args, "ip");
	const char *storm = args_get(&c->args, "storm");
	long n = -1;
	int r;

	cli_param(c, params, "guard");
	cli_param(c, params, "isolated");
	if (ip)
		json_object_set_new(params, "guard_ips", json_string(ip));
	if (storm && strcmp(storm, "network") &&
	    args_number(storm, 0, STORM_MAX, &n))
		return cli_usage(c, "--storm is a number up to %d, or network",
				 STORM_MAX);
	if (storm)
		json_object_set_new(params, "storm", json_integer(n));
	r = put_rate(c, params, "rate-in", "rate_in");
	return r ? r : put_rate(c, params, "rate-out", "rate_out");
}
