// SPDX-License-Identifier: GPL-2.0-or-later
/* Typed JSON access. See jx.h. */
#include "lib/jx.h"

#include <errno.h>
#include <string.h>

/* NULL for absent and for JSON null. */
static json_t *get(json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);

	return json_is_null(v) ? NULL : v;
}

int jx_str(json_t *o, const char *key, const char **out, struct errtext *why)
{
	json_t *v = get(o, key);

	if (!v)
		return 0;
	if (!json_is_string(v) ||
	    strlen(json_string_value(v)) != json_string_length(v))
		return errtext_set(why, -EINVAL,
				   "parameter \"%s\" must be a string", key);
	*out = json_string_value(v);
	return 0;
}

int jx_need_str(json_t *o, const char *key, const char **out,
		struct errtext *why)
{
	if (!get(o, key))
		return errtext_set(why, -EINVAL,
				   "parameter \"%s\" is missing", key);
	return jx_str(o, key, out, why);
}

int jx_int(json_t *o, const char *key, int64_t min, int64_t max, int64_t *out,
	   struct errtext *why)
{
	json_t *v = get(o, key);

	if (!v)
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) < min ||
	    json_integer_value(v) > max)
		return errtext_set(
			why, -EINVAL,
			"parameter \"%s\" must be an integer from %lld to %lld",
			key, (long long)min, (long long)max);
	*out = json_integer_value(v);
	return 0;
}

int jx_bool(json_t *o, const char *key, bool *out, struct errtext *why)
{
	json_t *v = get(o, key);

	if (!v)
		return 0;
	if (!json_is_boolean(v))
		return errtext_set(why, -EINVAL,
				   "parameter \"%s\" must be true or false",
				   key);
	*out = json_is_true(v);
	return 0;
}

int jx_mac(json_t *o, const char *key, struct mac *out, struct errtext *why)
{
	const char *s = NULL;
	int r = jx_str(o, key, &s, why);

	if (r || !s)
		return r;
	if (mac_parse(s, out))
		return errtext_set(why, -EINVAL,
				   "parameter \"%s\": \"%.40s\" is no MAC "
				   "address (52:54:00:12:34:56)",
				   key, s);
	return 0;
}

int jx_ip4(json_t *o, const char *key, uint32_t *out, struct errtext *why)
{
	const char *s = NULL;
	int r = jx_str(o, key, &s, why);

	if (r || !s)
		return r;
	if (ip4_parse(s, out))
		return errtext_set(why, -EINVAL,
				   "parameter \"%s\": \"%.40s\" is no IPv4 "
				   "address",
				   key, s);
	return 0;
}

int jx_ip(json_t *o, const char *key, struct ipaddr *out, struct errtext *why)
{
	const char *s = NULL;
	int r = jx_str(o, key, &s, why);

	if (r || !s)
		return r;
	if (ipaddr_parse(s, out))
		return errtext_set(why, -EINVAL,
				   "parameter \"%s\": \"%.60s\" is no IPv4 or "
				   "IPv6 address",
				   key, s);
	return 0;
}

int jx_net4(json_t *o, const char *key, struct ip4_net *out,
	    struct errtext *why)
{
	const char *s = NULL;
	int r = jx_str(o, key, &s, why);

	if (r || !s)
		return r;
	if (ip4_net_parse(s, out, NULL))
		return errtext_set(why, -EINVAL,
				   "parameter \"%s\": \"%.40s\" is no IPv4 "
				   "subnet (10.0.2.0/24, host part zero)",
				   key, s);
	return 0;
}

int jx_net6(json_t *o, const char *key, struct ip6_net *out,
	    struct errtext *why)
{
	const char *s = NULL;
	int r = jx_str(o, key, &s, why);

	if (r || !s)
		return r;
	if (ip6_net_parse(s, out, NULL))
		return errtext_set(why, -EINVAL,
				   "parameter \"%s\": \"%.60s\" is no IPv6 "
				   "subnet (fd12:3456:789a:1::/64)",
				   key, s);
	return 0;
}

int jx_only(json_t *o, const char *const *keys, struct errtext *why)
{
	const char *key;
	json_t *v;

	json_object_foreach(o, key, v) {
		const char *const *k = keys;

		while (*k && strcmp(*k, key))
			k++;
		if (!*k)
			return errtext_set(why, -EINVAL,
					   "parameter \"%.60s\" is not known",
					   key);
	}
	return 0;
}

int jx_set_mac(json_t *o, const char *key, const struct mac *m)
{
	char s[MAC_TEXT];

	return json_object_set_new(o, key, json_string(mac_format(m, s)))
		       ? -ENOMEM
		       : 0;
}

int jx_set_ip4(json_t *o, const char *key, uint32_t ip)
{
	char s[IP4_TEXT];

	return json_object_set_new(o, key, json_string(ip4_format(ip, s)))
		       ? -ENOMEM
		       : 0;
}

int jx_set_ip(json_t *o, const char *key, const struct ipaddr *a)
{
	char s[IP_TEXT];

	return json_object_set_new(o, key, json_string(ipaddr_format(a, s)))
		       ? -ENOMEM
		       : 0;
}

int jx_set_net4(json_t *o, const char *key, const struct ip4_net *n)
{
	char s[IP4_TEXT + 3];

	return json_object_set_new(o, key, json_string(ip4_net_format(n, s)))
		       ? -ENOMEM
		       : 0;
}
