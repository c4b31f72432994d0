/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Byte strings in pieces: what a frame's payload is. The pieces are borrowed.
 */
#ifndef VNET_NAT_IOV_H
#define VNET_NAT_IOV_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

size_t iov_len(const struct iovec *v, int n);

/**
 * iov_slice() - The pieces of @len bytes from @off on
 * @out: room for @n entries
 *
 * Return: entries used; fewer bytes than asked when @v is shorter.
 */
int iov_slice(const struct iovec *v, int n, size_t off, size_t len,
	      struct iovec *out);

/* Copy up to @cap bytes from @off on into @dst; returns how many. */
size_t iov_copy(const struct iovec *v, int n, size_t off, void *dst,
		size_t cap);

/* Add all bytes to a running Internet checksum; pieces may have odd lengths. */
uint64_t iov_csum(uint64_t sum, const struct iovec *v, int n);

#endif
