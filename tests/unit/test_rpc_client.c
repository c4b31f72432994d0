// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The client blocks, so its server is played by this same process ahead of time:
 * the answers are written into the socket before the call asks for them.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/rpc_client.h"
#include "tests/fake/fd_count.h"

struct fix {
	char path[64];
	int listener, peer; /* peer: the server's end */
	struct rpc_client *c;
	int before;
};

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	if (!f)
		return -1;
	*state = f;
	f->before = fd_count();
	snprintf(f->path, sizeof(f->path), "/tmp/vnet-test-rpc-%d",
		 (int)getpid());
	memcpy(sa.sun_path, f->path, sizeof(f->path));
	unlink(f->path);
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(f->listener, (struct sockaddr *)&sa, sizeof(sa)) ||
	    listen(f->listener, 1) || rpc_client_open(f->path, &f->c, NULL))
		return -1;
	f->peer = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
	return f->peer < 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;
	int left;

	rpc_client_free(f->c);
	if (f->peer >= 0)
		close(f->peer);
	close(f->listener);
	unlink(f->path);
	left = fd_count() - f->before;
	free(f);
	return left;
}

static void say(struct fix *f, const char *s)
{
	assert_int_equal(write(f->peer, s, strlen(s)), strlen(s));
}

static void hang_up(struct fix *f)
{
	close(f->peer);
	f->peer = -1;
}

static int call(struct fix *f, json_t **res, int *code, struct errtext *why)
{
	*res = NULL;
	return rpc_client_call(f->c, "m", json_pack("{s:i}", "a", 1), NULL, 0,
			       res, code, why);
}

static void call__result_comes__is_given(void **state)
{
	struct fix *f = *state;
	char asked[200] = "";
	json_t *res;

	say(f, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":[7]}\n");
	assert_int_equal(call(f, &res, NULL, NULL), 0);
	assert_int_equal(json_integer_value(json_array_get(res, 0)), 7);
	json_decref(res);
	assert_true(read(f->peer, asked, sizeof(asked) - 1) > 0);
	assert_string_equal(asked, "{\"jsonrpc\":\"2.0\",\"method\":\"m\","
				   "\"params\":{\"a\":1},\"id\":1}\n");
}

static void call__result_is_null__is_success(void **state)
{
	struct fix *f = *state;
	json_t *res;

	say(f, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null}\n");
	assert_int_equal(call(f, &res, NULL, NULL), 0);
	assert_true(json_is_null(res));
	json_decref(res);
}

static void call__refused__gives_code_and_sentence(void **state)
{
	struct fix *f = *state;
	struct errtext why = {""};
	json_t *res;
	int code = 0;

	say(f, "{\"id\":1,\"error\":{\"code\":-32001,\"message\":\"no net\"}}"
	       "\n");
	assert_int_equal(call(f, &res, &code, &why), -EREMOTE);
	assert_int_equal(code, RPC_NOT_FOUND);
	assert_string_equal(why.s, "no net");
	assert_null(res);
	say(f, "{\"id\":2,\"error\":3}\n");
	assert_int_equal(call(f, &res, &code, &why), -EREMOTE);
	assert_string_equal(why.s, "refused");
}

static void call__no_answer__ends_with_the_patience(void **state)
{
	struct fix *f = *state;
	json_t *res;

	rpc_client_patience(f->c, 1);
	say(f, "{\"id\":99,\"result\":1}\n");
	assert_int_equal(call(f, &res, NULL, NULL), -ETIMEDOUT);
	/* The late answer is not taken for the next call's. */
	say(f, "{\"id\":1,\"result\":1}\n{\"id\":2,\"result\":2}\n");
	rpc_client_patience(f->c, -1);
	assert_int_equal(call(f, &res, NULL, NULL), 0);
	assert_int_equal(json_integer_value(res), 2);
	json_decref(res);
}

static void call__other_lines_come_first__are_skipped(void **state)
{
	struct fix *f = *state;
	json_t *res;

	say(f, "rubbish\n[1]\n3\n{\"id\":99,\"result\":1}\n"
	       "{\"id\":\"1\",\"result\":1}\n{\"id\":1,\"result\":2}\n");
	assert_int_equal(call(f, &res, NULL, NULL), 0);
	assert_int_equal(json_integer_value(res), 2);
	json_decref(res);
}

static void call__events_come_first__are_kept_in_order(void **state)
{
	struct fix *f = *state;
	json_t *res, *ev;

	say(f, "{\"method\":\"event\",\"params\":0}\n"
	       "{\"method\":\"event\",\"params\":1}\n"
	       "{\"id\":1,\"result\":0}\n"
	       "{\"method\":\"event\",\"params\":2}\n");
	assert_int_equal(call(f, &res, NULL, NULL), 0);
	json_decref(res);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(rpc_client_event(f->c, 0, &ev), 0);
		assert_int_equal(
			json_integer_value(json_object_get(ev, "params")), i);
		json_decref(ev);
	}
	assert_int_equal(rpc_client_event(f->c, 0, &ev), -ETIMEDOUT);
}

static void call__server_hangs_up__says_lost(void **state)
{
	struct fix *f = *state;
	struct errtext why = {""};
	json_t *res;

	hang_up(f);
	assert_int_equal(call(f, &res, NULL, &why), -EPIPE);
	assert_string_equal(why.s, "connection to vnetd lost");
}

static void call__server_said_why_and_hung_up__gives_its_sentence(
	void **state)
{
	struct fix *f = *state;
	struct errtext why = {""};
	json_t *res;
	int code = 0;

	say(f, "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32005,"
	       "\"message\":\"too many clients are connected\"}}\n");
	hang_up(f);
	assert_int_equal(call(f, &res, &code, &why), -EREMOTE);
	assert_int_equal(code, RPC_LIMIT);
	assert_string_equal(why.s, "too many clients are connected");
}

static void call__too_many_descriptors__is_refused_here(void **state)
{
	struct fix *f = *state;
	struct errtext why = {""};
	int fd[RPC_FDS_SEND + 1] = {0};
	json_t *res = NULL;

	assert_int_equal(rpc_client_call(f->c, "m", NULL, fd, RPC_FDS_SEND + 1,
					 &res, NULL, &why),
			 -ENOBUFS);
	assert_string_not_equal(why.s, "");
	assert_null(res);
}

static void call__descriptor_comes_with_result__can_be_taken(void **state)
{
	struct fix *f = *state;
	struct rpc_conn *server = rpc_conn_new(dup(f->peer), 1000, 1000);
	int fd = memfd_create("t", MFD_CLOEXEC), got;
	json_t *msg = rpc_result(json_integer(1), json_integer(0)), *res;

	assert_int_equal(rpc_conn_send(server, msg, &fd, 1), 0);
	json_decref(msg);
	assert_int_equal(call(f, &res, NULL, NULL), 0);
	json_decref(res);
	got = rpc_client_take_fd(f->c, 0);
	assert_true(fd_same(got, fd));
	assert_int_equal(rpc_client_take_fd(f->c, 0), -1);
	close(got);
	close(fd);
	rpc_conn_free(server);
}

static void call__with_descriptors__index_goes_on(void **state)
{
	struct fix *f = *state;
	int fd[2] = {f->peer, f->peer};
	json_t *res;

	assert_int_equal(rpc_client_next_index(f->c), 0);
	say(f, "{\"id\":1,\"result\":0}\n");
	assert_int_equal(rpc_client_call(f->c, "m", NULL, fd, 2, &res, NULL,
					 NULL),
			 0);
	json_decref(res);
	assert_int_equal(rpc_client_next_index(f->c), 2);
}

static void event__half_a_line__times_out_then_comes(void **state)
{
	struct fix *f = *state;
	json_t *ev;

	say(f, "{\"method\":");
	assert_int_equal(rpc_client_event(f->c, 0, &ev), -ETIMEDOUT);
	say(f, "\"e\"}\n");
	assert_int_equal(rpc_client_event(f->c, 0, &ev), 0);
	json_decref(ev);
}

static void event__server_hangs_up__comes_first_then_lost(void **state)
{
	struct fix *f = *state;
	json_t *ev;

	say(f, "{\"method\":\"e\"}\n");
	hang_up(f);
	assert_int_equal(rpc_client_event(f->c, -1, &ev), 0);
	json_decref(ev);
	assert_int_equal(rpc_client_event(f->c, -1, &ev), -EPIPE);
}

static void open__nobody_there__says_path_and_reason(void **state)
{
	struct errtext why = {""};
	struct rpc_client *c = NULL;
	char path[200];

	(void)state;
	assert_int_equal(rpc_client_open("/nonexistent/vnet.sock", &c, &why),
			 -ENOENT);
	assert_string_equal(why.s, "/nonexistent/vnet.sock: No such file or "
				   "directory");
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(rpc_client_open(path, &c, &why), -ENAMETOOLONG);
	path[108] = '\0'; /* would fit but for its NUL */
	assert_int_equal(rpc_client_open(path, &c, &why), -ENAMETOOLONG);
	assert_null(c);
	rpc_client_free(NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(call__result_comes__is_given),
		T(call__result_is_null__is_success),
		T(call__refused__gives_code_and_sentence),
		T(call__no_answer__ends_with_the_patience),
		T(call__other_lines_come_first__are_skipped),
		T(call__events_come_first__are_kept_in_order),
		T(call__server_hangs_up__says_lost),
		T(call__server_said_why_and_hung_up__gives_its_sentence),
		T(call__too_many_descriptors__is_refused_here),
		T(call__descriptor_comes_with_result__can_be_taken),
		T(call__with_descriptors__index_goes_on),
		T(event__half_a_line__times_out_then_comes),
		T(event__server_hangs_up__comes_first_then_lost),
		cmocka_unit_test(open__nobody_there__says_path_and_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
