// SPDX-License-Identifier: GPL-2.0-or-later
/* Byte strings in pieces. See iov.h. */
#include "nat/iov.h"

#include <string.h>

#include "lib/compat.h"
#include "lib/csum.h"

size_t iov_len(const struct iovec *v, int n)
{
	size_t len = 0;

	for (int i = 0; i < n; i++)
		len += v[i].iov_len;
	return len;
}

int iov_slice(const struct iovec *v, int n, size_t off, size_t len,
	      struct iovec *out)
{
	int k = 0;

	for (int i = 0; i < n && len; i++) {
		size_t take;

		if (off >= v[i].iov_len) {
			off -= v[i].iov_len;
			continue;
		}
		take = min_sz(v[i].iov_len - off, len);
		out[k].iov_base = (uint8_t *)v[i].iov_base + off;
		out[k++].iov_len = take;
		len -= take;
		off = 0;
	}
	return k;
}

size_t iov_copy(const struct iovec *v, int n, size_t off, void *dst,
		size_t cap)
{
	uint8_t *p = dst;
	size_t done = 0;

	for (int i = 0; i < n && done < cap; i++) {
		size_t take;

		if (off >= v[i].iov_len) {
			off -= v[i].iov_len;
			continue;
		}
		take = min_sz(v[i].iov_len - off, cap - done);
		memcpy(p + done, (uint8_t *)v[i].iov_base + off, take);
		done += take;
		off = 0;
	}
	return done;
}

uint64_t iov_csum(uint64_t sum, const struct iovec *v, int n)
{
	size_t at = 0;

	for (int i = 0; i < n; i++) {
		if (!v[i].iov_len)
			continue;
		sum = at & 1 ? csum_add_odd(sum, v[i].iov_base, v[i].iov_len)
			     : csum_add(sum, v[i].iov_base, v[i].iov_len);
		at += v[i].iov_len;
	}
	return sum;
}
