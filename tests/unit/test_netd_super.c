// SPDX-License-Identifier: GPL-2.0-or-later
/* links: fake_priv netd switch_io switch_core nat_core dhcp_core */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "netd/proto.h"
#include "netd/super.h"
#include "tests/fake/fake_priv.h"

struct fix {
	struct event_base *base;
	struct priv *priv;
	struct super *s;
	int started, ready, ended, stopped, messages;
	int verdict; /* of the message callback */
	bool kill;   /* it is killed while its bytes are looked at */
	unsigned int sum;
	int done, err;
	char reason[256], why[256];
};

static void on_started(void *arg)
{
	struct fix *f = arg;

	f->started++;
	super_send(f->s, W_START, NULL, NULL, 0);
}

static void on_ready(void *arg)
{
	((struct fix *)arg)->ready++;
}

static int on_message(void *arg, uint16_t type, json_t *body,
		      struct chan_msg *m, struct errtext *why)
{
	struct fix *f = arg;

	(void)type;
	(void)body;
	(void)m;
	f->messages++;
	return f->verdict ? errtext_set(why, f->verdict, "bad") : 0;
}

static void on_ended(void *arg, bool stopped, const char *reason)
{
	struct fix *f = arg;

	f->ended++;
	f->stopped += stopped;
	snprintf(f->reason, sizeof(f->reason), "%s", reason);
}

static int on_bytes(void *arg, uint16_t type, const uint8_t *p, size_t len,
		    struct errtext *why)
{
	struct fix *f = arg;

	if (f->kill)
		super_kill(f->s, "its channel is closed or stuck");
	for (size_t i = 0; i < len; i++)
		f->sum += p[i];
	return f->kill ? 0
		       : errtext_set(why, -EPROTO, "bytes of type %u", type);
}

static const struct super_ops ops = {on_started, on_ready, on_message, on_bytes,
				     on_ended};

static void swallow(enum log_level level, const char *line, void *arg)
{
	(void)level;
	(void)line;
	(void)arg;
}

static int up(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	log_set_sink(swallow, NULL);
	f->base = event_base_new();
	f->priv = fake_priv_new(true);
	f->s = super_new(f->base, f->priv, "lab", true, &ops, f);
	*state = f;
	return 0;
}

static int down(void **state)
{
	struct fix *f = *state;

	super_free(f->s);
	fake_priv_free(f->priv);
	event_base_free(f->base);
	libevent_global_shutdown();
	log_set_sink(NULL, NULL);
	free(f);
	return 0;
}

static void spin(struct fix *f)
{
	for (int i = 0; i < 8; i++) {
		event_base_loop(f->base, EVLOOP_NONBLOCK);
		for (unsigned int k = 0; k < f->priv->nworkers; k++)
			fake_worker_pump(&f->priv->worker[k]);
	}
}

static struct fake_worker *worker(struct fix *f)
{
	return fake_worker_of(f->priv, "lab");
}

static void done(void *arg, int err, json_t *result, const char *why)
{
	struct fix *f = arg;

	(void)result;
	f->done++;
	f->err = err;
	snprintf(f->why, sizeof(f->why), "%s", why);
}

static void start__worker_ready__told(void **state)
{
	struct fix *f = *state;

	super_start(f->s);
	spin(f);
	assert_int_equal(f->started, 1);
	assert_int_equal(f->ready, 1);
	assert_int_equal(super_state(f->s), SUPER_READY);
	assert_true(super_pid(f->s) > 0);
	assert_true(worker(f)->isolated);
}

static void request__answered_refused_lost(void **state)
{
	struct fix *f = *state;

	super_request(f->s, W_STATUS, NULL, NULL, 0, done, f);
	assert_int_equal(f->err, -EPIPE); /* not running: at once */
	super_start(f->s);
	spin(f);
	super_request(f->s, W_STATUS, NULL, NULL, 0, done, f);
	spin(f);
	assert_int_equal(f->done, 2);
	assert_int_equal(f->err, 0);
	worker(f)->refuse = W_STATUS;
	super_request(f->s, W_STATUS, NULL, NULL, 0, done, f);
	spin(f);
	assert_int_equal(f->err, -EREMOTE);
	assert_string_equal(f->why, "no such luck");
	worker(f)->mute = true;
	super_request(f->s, W_STATUS, NULL, NULL, 0, done, f);
	spin(f);
	assert_int_equal(f->done, 3);
	fake_worker_die(worker(f));
	spin(f);
	assert_int_equal(f->done, 4);
	assert_int_equal(f->err, -EPIPE);
}

/* Control answers record by record; an answer that cannot be sent ends the worker
 * while the rest of its message is still to be read. */
static void bytes__killed_meanwhile__may_be_read_to_their_end(void **state)
{
	struct fix *f = *state;

	super_start(f->s);
	spin(f);
	f->kill = true;
	fake_worker_lease(worker(f), 1, 0x0a00020f, DHCP_BOUND);
	spin(f);
	assert_true(f->sum > 0);
	assert_int_not_equal(super_state(f->s), SUPER_READY);
}

/* It may be seen to be gone before what it said is read. */
static void death__words_unread__heard_first(void **state)
{
	struct fix *f = *state;

	super_start(f->s);
	spin(f);
	for (int i = 0; i < 200; i++)
		fake_worker_say(worker(f), W_EVENT, "{}", -1);
	super_stop(f->s);
	fake_worker_die(worker(f));
	spin(f);
	assert_int_equal(f->messages, 200);
	assert_int_equal(f->stopped, 1);
}

/* What is said last must not keep alive what was to be stopped. */
static void death__last_word_is_bad__ended_once(void **state)
{
	struct fix *f = *state;

	super_start(f->s);
	spin(f);
	f->verdict = -EPROTO;
	for (int i = 0; i < 3; i++)
		fake_worker_say(worker(f), W_EVENT, "{}", -1);
	super_stop(f->s);
	fake_worker_die(worker(f));
	spin(f);
	assert_int_equal(f->ended, 1);
	assert_int_equal(super_state(f->s), SUPER_DOWN);
}

static void death__started_again_with_growing_delay(void **state)
{
	struct fix *f = *state;

	super_start(f->s);
	spin(f);
	for (int i = 1; i <= 2; i++) {
		fake_worker_die(worker(f));
		spin(f);
		assert_int_equal(f->ended, i);
		assert_int_equal(super_state(f->s), SUPER_BACKOFF);
		while (super_state(f->s) == SUPER_BACKOFF)
			event_base_loop(f->base, EVLOOP_ONCE);
		spin(f);
		assert_int_equal(super_state(f->s), SUPER_READY);
		assert_int_equal(super_restarts(f->s), i);
	}
	assert_int_equal(f->stopped, 0);
}

static void hostile__each__killed(void **state)
{
	static const struct {
		uint16_t type;
		const char *body;
	} bad[] = {{W_DONE, "{}"}, {W_ERROR, "{}"}, {W_READY, "{}"},
		   {W_LOG, "not json"}, {W_LOG, "[1]"}, {W_LOG, ""},
		   {W_LOG, "{\"a\":1,\"a\":2}"}};
	struct fix *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		super_start(f->s);
		spin(f);
		assert_int_equal(super_state(f->s), SUPER_READY);
		fake_worker_say(worker(f), bad[i].type, bad[i].body, -1);
		spin(f);
		assert_int_equal(f->ended, i + 1);
	}
	f->verdict = -EPROTO;
	super_start(f->s);
	spin(f);
	fake_worker_say(worker(f), W_LOG, "{}", -1);
	spin(f);
	assert_int_equal(f->messages, 1);
	assert_int_equal(f->ended, ARRAY_LEN(bad) + 1);
	assert_string_equal(f->reason, "bad");
}

static void stop__clean_end(void **state)
{
	struct fix *f = *state;

	super_start(f->s);
	spin(f);
	super_stop(f->s);
	assert_int_equal(super_state(f->s), SUPER_STOPPING);
	spin(f);
	assert_int_equal(f->stopped, 1);
	assert_int_equal(super_state(f->s), SUPER_DOWN);
	assert_int_equal(fake_worker_count(worker(f), W_SHUTDOWN), 1);
	/* While it waits for a restart, too. */
	super_start(f->s);
	spin(f);
	fake_worker_die(worker(f));
	spin(f);
	super_stop(f->s);
	assert_int_equal(super_state(f->s), SUPER_DOWN);
	assert_int_equal(f->stopped, 2);
}

static void start__fails__reason_and_retry(void **state)
{
	struct fix *f = *state;

	f->priv->fail_worker = -EAGAIN;
	super_start(f->s);
	assert_int_equal(f->ended, 1);
	assert_string_equal(f->reason, "fake failure");
	assert_int_equal(super_state(f->s), SUPER_BACKOFF);
	f->priv->fail_worker = 0;
	while (super_state(f->s) == SUPER_BACKOFF)
		event_base_loop(f->base, EVLOOP_ONCE);
	spin(f);
	assert_int_equal(super_state(f->s), SUPER_READY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, up, down)
		T(start__worker_ready__told),
		T(request__answered_refused_lost),
		T(bytes__killed_meanwhile__may_be_read_to_their_end),
		T(death__words_unread__heard_first),
		T(death__last_word_is_bad__ended_once),
		T(death__started_again_with_growing_delay),
		T(hostile__each__killed),
		T(stop__clean_end),
		T(start__fails__reason_and_retry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
