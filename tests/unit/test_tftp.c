// SPDX-License-Identifier: GPL-2.0-or-later
/* links: dhcp_core lib */
/* TFTP: a client and the server joined in memory, with a clock and losses. */
#include "dhcp/tftp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dhcp/tftp_msg.h"
#include "lib/bytes.h"
#include "lib/compat.h"

#define FILE_HANDLE 7
#define QUEUE	    64

struct dgram {
	uint16_t tid, to;
	size_t len;
	uint8_t data[1500];
};

struct fix {
	struct tftp *t;
	int64_t now;
	uint64_t token;
	char asked[TFTP_NAME_MAX + 1];
	unsigned int opens, open_files, ports, ended;
	bool hold; /* open() is not answered at once */
	int open_err;
	const uint8_t *file;
	size_t size;
	int read_err;
	char end_error[64];
	uint64_t end_bytes;
	bool end_size_only;
	struct dgram q[QUEUE];
	unsigned int head, n;
	/* What the client has. */
	uint8_t *got;
	size_t got_len;
	uint32_t rng;
};

/* ---- the server's world ------------------------------------------------------- */

static void answer(struct fix *f)
{
	if (f->open_err) {
		tftp_opened(f->t, f->token, f->open_err, 0, f->now);
		return;
	}
	f->open_files++;
	tftp_opened(f->t, f->token, FILE_HANDLE, f->size, f->now);
}

static void op_open(void *arg, uint64_t token, const char *name)
{
	struct fix *f = arg;

	f->opens++;
	f->token = token;
	snprintf(f->asked, sizeof(f->asked), "%s", name);
	if (!f->hold)
		answer(f);
}

static ssize_t op_read(void *arg, int handle, uint64_t off, void *buf,
		       size_t len)
{
	struct fix *f = arg;

	assert_int_equal(handle, FILE_HANDLE);
	if (f->read_err)
		return f->read_err;
	if (off > f->size)
		return 0;
	if (len > f->size - off)
		len = f->size - off;
	memcpy(buf, f->file + off, len);
	return (ssize_t)len;
}

static void op_close(void *arg, int handle)
{
	struct fix *f = arg;

	assert_int_equal(handle, FILE_HANDLE);
	f->open_files--;
}

static void op_send(void *arg, const struct tftp_out *o)
{
	struct fix *f = arg;
	struct dgram *d = &f->q[(f->head + f->n) % QUEUE];

	assert_true(f->n < QUEUE);
	assert_true(o->len <= sizeof(d->data));
	d->tid = o->src_port;
	d->to = o->dst_port;
	d->len = o->len;
	memcpy(d->data, o->data, o->len);
	f->n++;
}

static int op_take(void *arg, uint16_t port)
{
	struct fix *f = arg;

	assert_true(port >= 49152);
	f->ports++;
	return 0;
}

static void op_give(void *arg, uint16_t port)
{
	struct fix *f = arg;

	assert_true(port >= 49152);
	f->ports--;
}

static void op_ended(void *arg, const struct tftp_end *e)
{
	struct fix *f = arg;

	f->ended++;
	f->end_bytes = e->bytes;
	f->end_size_only = e->size_only;
	snprintf(f->end_error, sizeof(f->end_error), "%s",
		 e->error ? e->error : "");
}

static const struct tftp_ops ops = {
	.open = op_open, .read = op_read, .close = op_close, .send = op_send,
	.take = op_take, .give = op_give, .ended = op_ended,
};

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	f->now = 5000;
	f->rng = 1;
	f->t = tftp_new(&ops, f, 1428, 42);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	tftp_free(f->t);
	assert_int_equal(f->open_files, 0);
	assert_int_equal(f->ports, 0);
	free((void *)f->file);
	free(f->got);
	free(f);
	return 0;
}

/* ---- a client ------------------------------------------------------------------- */

static void make_file(struct fix *f, size_t size)
{
	uint8_t *p = malloc(size + 1);

	for (size_t i = 0; i < size; i++)
		p[i] = (uint8_t)(i * 7 + i / 251);
	f->file = p;
	f->size = size;
	f->got = calloc(1, 2 * size + 1);
	f->got_len = 0;
}

static void put(struct fix *f, uint16_t from, uint16_t to, uint64_t nic,
		const void *data, size_t len)
{
	struct tftp_in in = {
		.data = data, .len = len, .src_ip = 0x0a00020f,
		.src_port = from, .dst_port = to, .nic_id = nic,
	};

	tftp_input(f->t, &in, f->now);
}

/* @opts: "blksize\0" "1024\0…", @n bytes of it. */
static void ask_from(struct fix *f, uint16_t from, uint64_t nic, uint16_t op,
		     const char *name, const char *mode, const char *opts,
		     size_t n)
{
	uint8_t b[700];
	struct wbuf w = wbuf_make(b, sizeof(b));

	wbuf_be16(&w, op);
	wbuf_copy(&w, name, strlen(name) + 1);
	wbuf_copy(&w, mode, strlen(mode) + 1);
	wbuf_copy(&w, opts, n);
	put(f, from, TFTP_PORT, nic, b, w.len);
}

#define ASK(f, opts) \
	ask_from(f, 2000, 1, TFTP_RRQ, "boot/kernel", "octet", opts, \
		 sizeof(opts) - 1)

static struct dgram *pop(struct fix *f)
{
	struct dgram *d = &f->q[f->head % QUEUE];

	assert_true(f->n > 0);
	f->head++;
	f->n--;
	return d;
}

static void ack(struct fix *f, uint16_t tid, uint16_t block)
{
	uint8_t b[4];

	put_be16(b, TFTP_ACK);
	put_be16(b + 2, block);
	put(f, 2000, tid, 1, b, 4);
}

static void expect_error(struct fix *f, enum tftp_error code)
{
	struct dgram *d = pop(f);

	assert_int_equal(get_be16(d->data), TFTP_ERROR);
	assert_int_equal(get_be16(d->data + 2), code);
	assert_int_equal(d->data[d->len - 1], 0);
}

static bool lost(struct fix *f, unsigned int percent)
{
	f->rng = f->rng * 1103515245 + 12345;
	return (f->rng >> 16) % 100 < percent;
}

/* A client as RFC 1350 and 7440 want it, on a line that loses. */
struct client {
	size_t blksize;
	unsigned int window, in_window;
	uint64_t have; /* blocks */
	bool done;
};

static void client_gets(struct fix *f, struct client *c, const struct dgram *d)
{
	uint16_t n = get_be16(d->data + 2);
	size_t len = d->len - 4;

	if (get_be16(d->data) == TFTP_OACK) {
		if (!c->have)
			ack(f, d->tid, 0);
		return;
	}
	assert_int_equal(get_be16(d->data), TFTP_DATA);
	if (n != (uint16_t)(c->have + 1)) {
		c->in_window = 0;
		if (!lost(f, 20))
			ack(f, d->tid, (uint16_t)c->have);
		return;
	}
	memcpy(f->got + f->got_len, d->data + 4, len);
	f->got_len += len;
	c->have++;
	c->done = len < c->blksize;
	if (++c->in_window < c->window && !c->done)
		return;
	c->in_window = 0;
	ack(f, d->tid, n);
}

static void fetch(struct fix *f, struct client *c, unsigned int percent)
{
	for (int i = 0; i < 2000000 && !(c->done && !f->ended && !f->n); i++) {
		if (f->n) {
			struct dgram d = *pop(f);

			if (!lost(f, percent))
				client_gets(f, c, &d);
		} else if (f->ended) {
			break;
		} else {
			f->now = tftp_deadline(f->t);
			tftp_tick(f->t, f->now);
		}
	}
	assert_true(c->done);
}

static void same(struct fix *f)
{
	assert_int_equal(f->got_len, f->size);
	assert_memory_equal(f->got, f->file, f->size);
}

/* ---- tests ----------------------------------------------------------------------- */

static void input__plain_request__blocks_of_512(void **state)
{
	struct fix *f = *state;
	struct client c = {.blksize = 512, .window = 1};
	struct tftp_stats s;

	make_file(f, 1300);
	ASK(f, "");
	assert_string_equal(f->asked, "boot/kernel");
	assert_int_equal(f->n, 1);
	assert_int_equal(f->q[0].to, 2000);
	assert_int_not_equal(f->q[0].tid, TFTP_PORT);
	fetch(f, &c, 0);
	same(f);
	assert_int_equal(c.have, 3);
	tftp_stats(f->t, &s);
	assert_int_equal(s.done, 1);
	assert_int_equal(s.bytes, 1300);
	assert_int_equal(f->end_bytes, 1300);
	assert_string_equal(f->end_error, "");
}

static void input__length_is_a_multiple__empty_block_ends_it(void **state)
{
	struct fix *f = *state;
	struct client c = {.blksize = 512, .window = 1};

	make_file(f, 1024);
	ASK(f, "");
	fetch(f, &c, 0);
	same(f);
	assert_int_equal(c.have, 3);
}

static void input__empty_file__one_empty_block(void **state)
{
	struct fix *f = *state;
	struct client c = {.blksize = 512, .window = 1};

	make_file(f, 0);
	ASK(f, "");
	fetch(f, &c, 0);
	assert_int_equal(c.have, 1);
}

static void input__options__told_and_cut_to_what_fits(void **state)
{
	static const char want[] = "\0\6blksize\0" "1428\0timeout\0" "3\0tsize\0"
				   "5000\0windowsize\0" "16";
	struct fix *f = *state;
	struct client c = {.blksize = 1428, .window = 16};
	struct dgram *d;

	make_file(f, 5000);
	ASK(f, "BLKSIZE\0" "65464\0tsize\0" "0\0timeout\0" "3\0windowsize\0"
	       "64\0shoe\0" "43\0");
	d = &f->q[0];
	assert_int_equal(d->len, sizeof(want));
	assert_memory_equal(d->data, want, sizeof(want));
	assert_int_equal(tftp_deadline(f->t), f->now + 3000);
	fetch(f, &c, 0);
	same(f);
}

static void input__options_without_sense__ignored(void **state)
{
	struct fix *f = *state;

	make_file(f, 10);
	ASK(f, "blksize\0" "7\0timeout\0" "11\0windowsize\0" "70000\0");
	assert_int_equal(get_be16(f->q[0].data), TFTP_DATA);
	assert_int_equal(f->q[0].len, 14);
}

static void fetch__lossy_line__same_bytes(void **state)
{
	struct fix *f = *state;
	struct client c = {.blksize = 512, .window = 1};

	make_file(f, 100000);
	ASK(f, "");
	fetch(f, &c, 15);
	same(f);
}

static void fetch__lossy_line_with_windows__same_bytes(void **state)
{
	struct fix *f = *state;
	struct client c = {.blksize = 1024, .window = 8};

	make_file(f, 300000);
	ASK(f, "blksize\0" "1024\0windowsize\0" "8\0");
	fetch(f, &c, 5);
	same(f);
}

static void fetch__more_than_65535_blocks__numbers_go_round(void **state)
{
	struct fix *f = *state;
	struct client c = {.blksize = 8, .window = 16};

	make_file(f, 8 * 140000 + 3);
	ASK(f, "blksize\0" "8\0windowsize\0" "16\0");
	fetch(f, &c, 0);
	same(f);
	assert_int_equal(c.have, 140001);
}

static void fetch__netascii__lines_end_with_cr_lf(void **state)
{
	static const char text[] = "a\nb\rc\r\n\n";
	static const char opts[] = "blksize\0" "8\0windowsize\0" "2\0tsize\0"
				   "0\0";
	static const char wire[] = "a\r\nb\r\0c\r\0\r\n\r\n";
	struct fix *f = *state;
	struct client c = {.blksize = 8, .window = 2};

	make_file(f, sizeof(text) - 1);
	memcpy((void *)f->file, text, f->size);
	ask_from(f, 2000, 1, TFTP_RRQ, "x", "NetASCII",
		 opts, sizeof(opts) - 1);
	fetch(f, &c, 10);
	assert_int_equal(f->got_len, sizeof(wire) - 1);
	assert_memory_equal(f->got, wire, f->got_len);
}

static void fetch__file_grows__ends_where_it_ended(void **state)
{
	struct fix *f = *state;
	struct client c = {.blksize = 512, .window = 1};

	make_file(f, 2000);
	f->size = 1000;
	ASK(f, "");
	f->size = 2000;
	fetch(f, &c, 0);
	assert_int_equal(f->got_len, 1000);
}

static void input__repeated_request__one_transfer(void **state)
{
	struct fix *f = *state;

	make_file(f, 2000);
	f->hold = true;
	ASK(f, "");
	ASK(f, "");
	assert_int_equal(f->opens, 1);
	answer(f);
	assert_int_equal(f->n, 1);
	ASK(f, "");
	assert_int_equal(f->opens, 1);
	assert_int_equal(f->n, 2);
}

static void input__asked_anew_from_the_same_port__old_one_ends(void **state)
{
	struct fix *f = *state;

	make_file(f, 2000);
	ASK(f, "");
	ack(f, pop(f)->tid, 1);
	assert_int_equal(get_be16(pop(f)->data + 2), 2);
	ASK(f, "");
	assert_int_equal(f->opens, 2);
	assert_int_equal(f->open_files, 1);
	assert_int_equal(get_be16(pop(f)->data + 2), 1);
}

static void ack__twice__not_answered_twice(void **state)
{
	struct fix *f = *state;
	uint16_t tid;

	make_file(f, 5000);
	ASK(f, "");
	tid = pop(f)->tid;
	ack(f, tid, 1);
	ack(f, tid, 1);
	ack(f, tid, 0);
	ack(f, tid, 3); /* not sent yet */
	assert_int_equal(f->n, 1);
}

static void ack__twice_in_a_window__rest_sent_again_once(void **state)
{
	struct fix *f = *state;
	uint16_t tid;

	make_file(f, 5000);
	ASK(f, "windowsize\0" "2\0");
	tid = pop(f)->tid;
	ack(f, tid, 0);
	assert_int_equal(f->n, 2);
	ack(f, tid, 0);
	ack(f, tid, 0);
	assert_int_equal(f->n, 2);
	assert_int_equal(tftp_deadline(f->t), f->now + TFTP_AGAIN_MS);
	f->now += TFTP_AGAIN_MS;
	tftp_tick(f->t, f->now);
	assert_int_equal(f->n, 4);
}

static void tick__silence__given_up_after_its_tries(void **state)
{
	struct fix *f = *state;
	unsigned int sent = 0;
	int64_t start = f->now;

	make_file(f, 5000);
	ASK(f, "");
	while (tftp_deadline(f->t) != TFTP_NEVER) {
		for (; f->n; sent++)
			pop(f);
		f->now = tftp_deadline(f->t);
		tftp_tick(f->t, f->now);
	}
	assert_int_equal(sent, TFTP_TRIES);
	expect_error(f, TFTP_E_TEXT);
	assert_int_equal(f->now - start, 63 * TFTP_TIMEOUT_MS);
	assert_string_equal(f->end_error, "timed out");
}

static void opened__error__told_by_its_kind(void **state)
{
	static const struct {
		int err;
		enum tftp_error code;
	} kinds[] = {{-ENOENT, TFTP_E_NOENT}, {-EACCES, TFTP_E_ACCESS},
		     {-EXDEV, TFTP_E_ACCESS}, {-EMFILE, TFTP_E_TEXT}};
	struct fix *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		f->open_err = kinds[i].err;
		ASK(f, "");
		expect_error(f, kinds[i].code);
	}
	assert_int_equal(f->ended, ARRAY_LEN(kinds));
}

static void opened__nobody_waits__file_closed(void **state)
{
	struct fix *f = *state;

	make_file(f, 10);
	f->hold = true;
	ASK(f, "");
	tftp_nic_del(f->t, 1);
	answer(f);
	assert_int_equal(f->n, 0);
	assert_int_equal(f->open_files, 0);
}

static void input__writing_or_mail__refused(void **state)
{
	struct fix *f = *state;

	ask_from(f, 2000, 1, TFTP_WRQ, "x", "octet", "", 0);
	expect_error(f, TFTP_E_ACCESS);
	ask_from(f, 2000, 1, TFTP_RRQ, "x", "mail", "", 0);
	expect_error(f, TFTP_E_ACCESS);
	assert_int_equal(f->opens, 0);
}

static void input__malformed__counted_and_told(void **state)
{
	static const uint8_t cut[] = {0, 1, 'a', 0, 'o', 'c', 't', 'e', 't'};
	struct fix *f = *state;
	struct tftp_stats s;

	for (size_t n = 0; n <= sizeof(cut); n++)
		put(f, 2000, TFTP_PORT, 1, cut, n);
	ask_from(f, 2000, 1, TFTP_RRQ, "", "octet", "", 0);
	ask_from(f, 2000, 1, TFTP_RRQ, "x", "binary", "", 0);
	tftp_stats(f->t, &s);
	assert_int_equal(s.malformed, sizeof(cut) + 3);
	while (f->n)
		expect_error(f, TFTP_E_ILLEGAL);
}

static void input__another_port_or_nic__transfer_unharmed(void **state)
{
	static const uint8_t error[] = {0, 5, 0, 0, 0};
	static const uint8_t ack1[] = {0, 4, 0, 1};
	struct fix *f = *state;
	uint16_t tid;

	make_file(f, 5000);
	ASK(f, "");
	tid = pop(f)->tid;
	put(f, 2001, tid, 1, ack1, 4);
	expect_error(f, TFTP_E_TID);
	put(f, 2000, tid, 2, ack1, 4);
	expect_error(f, TFTP_E_TID);
	put(f, 2001, tid, 1, error, 5); /* no answer to an ERROR */
	assert_int_equal(f->n, 0);
	assert_int_equal(f->ended, 0);
	put(f, 2000, tid, 1, error, 5);
	assert_int_equal(f->ended, 1);
}

static void input__many_requests__bounded_per_nic_and_in_all(void **state)
{
	struct fix *f = *state;
	unsigned int i;

	make_file(f, 5000);
	f->hold = true;
	for (i = 0; i < TFTP_PER_NIC + 2; i++)
		ask_from(f, (uint16_t)(3000 + i), 1, TFTP_RRQ, "x", "octet", "",
			 0);
	assert_int_equal(f->opens, TFTP_PER_NIC);
	for (i = 0; i < TFTP_SESSIONS_MAX; i++)
		ask_from(f, 4000, 10 + i, TFTP_RRQ, "x", "octet", "", 0);
	assert_int_equal(f->opens, TFTP_SESSIONS_MAX);
	assert_int_equal(f->ports, TFTP_SESSIONS_MAX);
	while (f->n)
		expect_error(f, TFTP_E_TEXT);
}

static void stop(struct fix *f, uint16_t tid)
{
	put(f, 2000, tid, 1, "\0\5\0\0ok\0", 7);
}

static void input__only_the_size_is_wanted__nothing_failed(void **state)
{
	struct fix *f = *state;
	struct tftp_stats st;

	make_file(f, 5000);
	ASK(f, "tsize\0" "0\0blksize\0" "1428");
	stop(f, pop(f)->tid);
	assert_int_equal(f->ended, 1);
	assert_string_equal(f->end_error, "");
	assert_true(f->end_size_only);
	/* It stops where it has a part, or has not asked for the size. */
	ASK(f, "tsize\0" "0");
	ack(f, f->q[f->head % QUEUE].tid, 0);
	stop(f, pop(f)->tid);
	assert_string_equal(f->end_error, "the client gave it up");
	assert_false(f->end_size_only);
	f->n = 0;
	ASK(f, "blksize\0" "1428");
	stop(f, pop(f)->tid);
	assert_string_equal(f->end_error, "the client gave it up");
	tftp_stats(f->t, &st);
	assert_int_equal(st.done, 1);
	assert_int_equal(st.failed, 2);
	f->n = 0;
}

static void send__file_goes_bad__client_is_told(void **state)
{
	struct fix *f = *state;

	make_file(f, 5000);
	ASK(f, "");
	f->read_err = -EIO;
	ack(f, pop(f)->tid, 1);
	expect_error(f, TFTP_E_TEXT);
	assert_string_equal(f->end_error, "file cannot be read");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
		T(input__plain_request__blocks_of_512),
		T(input__length_is_a_multiple__empty_block_ends_it),
		T(input__empty_file__one_empty_block),
		T(input__options__told_and_cut_to_what_fits),
		T(input__options_without_sense__ignored),
		T(fetch__lossy_line__same_bytes),
		T(fetch__lossy_line_with_windows__same_bytes),
		T(fetch__more_than_65535_blocks__numbers_go_round),
		T(fetch__netascii__lines_end_with_cr_lf),
		T(fetch__file_grows__ends_where_it_ended),
		T(input__repeated_request__one_transfer),
		T(input__asked_anew_from_the_same_port__old_one_ends),
		T(ack__twice__not_answered_twice),
		T(ack__twice_in_a_window__rest_sent_again_once),
		T(tick__silence__given_up_after_its_tries),
		T(opened__error__told_by_its_kind),
		T(opened__nobody_waits__file_closed),
		T(input__writing_or_mail__refused),
		T(input__malformed__counted_and_told),
		T(input__another_port_or_nic__transfer_unharmed),
		T(input__many_requests__bounded_per_nic_and_in_all),
		T(input__only_the_size_is_wanted__nothing_failed),
		T(send__file_goes_bad__client_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
