/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TFTP on the wire (RFC 1350 5, options RFC 2347). */
#ifndef VNET_DHCP_TFTP_MSG_H
#define VNET_DHCP_TFTP_MSG_H

#include <stdbool.h>
#include <stdint.h>

#include "dhcp/tftp.h"
#include "lib/bytes.h"

#define TFTP_OPTIONS_MAX 16  /* looked at in a request */
#define TFTP_HEAD_MAX	 128 /* bytes of an OACK or ERROR of ours */

enum tftp_op {
	TFTP_RRQ = 1,
	TFTP_WRQ,
	TFTP_DATA,
	TFTP_ACK,
	TFTP_ERROR,
	TFTP_OACK /* RFC 2347 */
};

enum tftp_error {
	TFTP_E_TEXT,	/* see the text */
	TFTP_E_NOENT,
	TFTP_E_ACCESS,
	TFTP_E_FULL,
	TFTP_E_ILLEGAL,
	TFTP_E_TID,	/* unknown transfer */
};

/** struct tftp_request - RRQ or WRQ. Options that are not there, or make no sense,
 * are 0 (RFC 2347: they are ignored). */
struct tftp_request {
	enum tftp_op op;
	char name[TFTP_NAME_MAX + 1];
	bool netascii;
	bool mail; /* RFC 1350 1: obsolete */
	bool tsize;
	uint16_t blksize;	/* TFTP_BLOCK_MIN..65464 */
	uint16_t windowsize;	/* 1..65535 */
	uint8_t timeout_s;	/* 1..255 */
};

/* @c: behind the operation code. -EINVAL: no name, no such mode, no end. */
int tftp_request_parse(struct cur *c, enum tftp_op op,
		       struct tftp_request *out);

/* Writers; what does not fit makes @w bad. */
void tftp_error_write(struct wbuf *w, enum tftp_error code, const char *text);
void tftp_oack_begin(struct wbuf *w);
void tftp_oack_add(struct wbuf *w, const char *name, uint64_t value);

#endif
