// SPDX-License-Identifier: GPL-2.0-or-later
/* links: fake_priv ctl_rig netd switch_io switch_core nat_io nat_core dhcp_core */
/* The API's server: what bad, slow and greedy clients get; rights; events. */
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
#include <sys/socket.h>
#include <unistd.h>

#include "lib/rpc.h"
#include "tests/fake/ctl_rig.h"

struct raw {
	int fd;
	char buf[262144];
	size_t len;
	bool closed;
};

/* Another client, as bytes. */
static struct raw *raw_new(struct rig *r, enum right right)
{
	struct raw *w = calloc(1, sizeof(*w));
	struct caller who = {.uid = 4711, .pid = 2, .right = right};
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
				    fd),
			 0);
	assert_int_equal(api_add(r->ctl.api, fd[0], &who), 0);
	w->fd = fd[1];
	return w;
}

static void raw_free(struct raw *w)
{
	close(w->fd);
	free(w);
}

static void raw_spin(struct rig *r, struct raw *w)
{
	for (int i = 0; i < 40; i++) {
		ssize_t n;

		event_base_loop(r->ctl.base, EVLOOP_NONBLOCK);
		if (w->len == sizeof(w->buf) - 1)
			break;
		n = recv(w->fd, w->buf + w->len, sizeof(w->buf) - 1 - w->len,
			 MSG_DONTWAIT);
		if (n > 0)
			w->len += (size_t)n;
		w->closed |= n == 0 || (n < 0 && errno == ECONNRESET);
	}
	w->buf[w->len] = '\0';
}

static const char *raw_ask(struct rig *r, struct raw *w, const char *text)
{
	w->len = 0;
	(void)!send(w->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
	raw_spin(r, w);
	return w->buf;
}

static void garbage__answered_and_client_lives(void **state)
{
	static const struct {
		const char *line, *code;
	} cases[] = {
		{"{\n", "-32700"},
		{"\n", "-32700"},
		{"\xff\xfe\n", "-32700"},
		{"{\"a\":1,\"a\":2}\n", "-32700"},
		{"[]\n", "-32600"},
		{"{}\n", "-32600"},
		{"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"x\"}\n", "-32600"},
		{"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"x\"}\n",
		 "-32600"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}\n", "-32600"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\"}\n", "-32601"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"nic.list\","
		 "\"params\":[]}\n",
		 "-32602"},
	};
	struct rig *r = *state;
	struct raw *w = raw_new(r, RIGHT_ADMIN);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_non_null(
			strstr(raw_ask(r, w, cases[i].line), cases[i].code));
	assert_non_null(strstr(raw_ask(r, w,
				       "{\"jsonrpc\":\"2.0\",\"id\":1,"
				       "\"method\":\"nic.list\"}\n"),
			       "\"nics\":[]"));
	raw_free(w);
}

static void wrong_types__refused_by_name(void **state)
{
	static const char *const cases[][3] = {
		{"network.define", "{'name':1,'mode':'nat'}", "name"},
		{"network.define", "{'mode':'nat'}", "name"},
		{"network.define", "{'name':'x','mode':'magic'}", "mode"},
		{"network.define", "{'name':'x','mode':'nat','mtu':'a'}",
		 "mtu"},
		{"network.define", "{'name':'x','mode':'nat','mtu':70000}",
		 "mtu"},
		{"network.define", "{'name':'x','mode':'nat','subnet':'x'}",
		 "subnet"},
		{"network.define", "{'name':'x','mode':'nat','start':1}",
		 "start"},
		{"nic.attach", "{'vm':'a','network':'b','mac':'zz'}", "mac"},
		{"nic.attach", "{'vm':'a','network':'b','nic':99}", "nic"},
		{"nic.link", "{'vm':'a'}", "up"},
		{"forward.add", "{'network':'a','proto':'icmp','port':1}",
		 "proto"},
		{"events.subscribe", "{'types':'lease'}", "types"},
		{"events.subscribe", "{'types':[1]}", "types"},
		{"events.subscribe", "{'types':['nonsense']}", "nonsense"},
		{"nic.list", "{'what':1}", "what"},
	};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_null(rig_call(r, cases[i][0], cases[i][1], -1));
		assert_non_null(strstr(rig_text(r), cases[i][2]));
		assert_int_equal(rig_code(r), RPC_BAD_PARAMS);
	}
}

static void line__too_long__told_and_closed(void **state)
{
	struct rig *r = *state;
	struct raw *w = raw_new(r, RIGHT_ADMIN);
	char *junk = malloc(65536);

	rig_quiet(true);
	memset(junk, 'x', 65536);
	for (int i = 0; i < 40 && !w->closed; i++) {
		(void)!send(w->fd, junk, 65536, MSG_NOSIGNAL | MSG_DONTWAIT);
		raw_spin(r, w);
	}
	rig_quiet(false);
	assert_true(w->closed);
	assert_non_null(strstr(w->buf, "line too long"));
	free(junk);
	raw_free(w);
}

static void descriptors__too_many__closed(void **state)
{
	struct rig *r = *state;
	struct raw *w = raw_new(r, RIGHT_ADMIN);
	union {
		struct cmsghdr h;
		char b[CMSG_SPACE(sizeof(int) * 10)];
	} ctl;
	char byte = ' ';
	struct iovec iov = {&byte, 1};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1,
			    .msg_control = ctl.b,
			    .msg_controllen = sizeof(ctl.b)};
	int fds[10];

	memset(&ctl, 0, sizeof(ctl));
	for (int i = 0; i < 10; i++)
		fds[i] = 0;
	ctl.h.cmsg_level = SOL_SOCKET;
	ctl.h.cmsg_type = SCM_RIGHTS;
	ctl.h.cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(&ctl.h), fds, sizeof(fds));
	rig_quiet(true);
	for (int i = 0; i < 2; i++)
		assert_int_equal(sendmsg(w->fd, &mh, 0), 1);
	raw_spin(r, w);
	rig_quiet(false);
	assert_true(w->closed);
	assert_non_null(strstr(w->buf, "too many descriptors"));
	raw_free(w);
}

static void slow_reader__closed_not_waited_for(void **state)
{
	static const char ask[] =
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"rpc.discover\"}\n";
	struct rig *r = *state;
	struct raw *w = raw_new(r, RIGHT_READ);
	unsigned int before = api_clients(r->ctl.api);

	/* Thousands of long answers that nobody reads: it is paused, then what
	 * it sends waits in its own socket. */
	for (int i = 0; i < 4000; i++) {
		(void)!send(w->fd, ask, sizeof(ask) - 1,
			    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (i % 100 == 0)
			event_base_loop(r->ctl.base, EVLOOP_NONBLOCK);
	}
	for (int i = 0; i < 50; i++)
		event_base_loop(r->ctl.base, EVLOOP_NONBLOCK);
	assert_int_equal(api_clients(r->ctl.api), before);
	/* Others are served meanwhile. */
	assert_non_null(rig_call(r, "nic.list", NULL, -1));
	/* Once it reads, everything it asked for arrives. */
	raw_spin(r, w);
	assert_true(w->len > 100000);
	raw_free(w);
	rig_spin(r);
	assert_int_equal(api_clients(r->ctl.api), before - 1);
}

static void pipelined__all_answered_in_order(void **state)
{
	struct rig *r = *state;
	struct raw *w = raw_new(r, RIGHT_ADMIN);
	char text[16384] = "", want[32];
	const char *p;

	for (int i = 0; i < 100; i++) {
		size_t n = strlen(text);

		snprintf(text + n, sizeof(text) - n,
			 "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":"
			 "\"nic.list\"}\n",
			 i);
	}
	p = raw_ask(r, w, text);
	for (int i = 0; i < 100; i++) {
		snprintf(want, sizeof(want), "\"id\":%d}", i);
		p = strstr(p, want);
		assert_non_null(p);
	}
	raw_free(w);
}

static void rights__read_and_use__limited(void **state)
{
	struct rig *r = *state;
	struct raw *rd = raw_new(r, RIGHT_READ), *us = raw_new(r, RIGHT_USE);

	rig_call(r, "network.define", "{'name':'lab','mode':'nat'}", -1);
	rig_call(r, "nic.attach", "{'vm':'root','network':'lab'}", -1);
#define ASK(m, p) \
	"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" m "\",\"params\":" p "}\n"
	assert_non_null(strstr(raw_ask(r, rd, ASK("network.list", "{}")),
			       "\"lab\""));
	assert_non_null(strstr(raw_ask(r, rd, ASK("nic.attach",
						  "{\"vm\":\"A\",\"network\":"
						  "\"lab\"}")),
			       "-32003"));
	assert_non_null(strstr(raw_ask(r, us, ASK("network.stop",
						  "{\"name\":\"lab\"}")),
			       "-32003"));
	assert_non_null(strstr(raw_ask(r, us, ASK("nic.detach",
						  "{\"vm\":\"root\"}")),
			       "belongs to another user"));
	assert_non_null(strstr(raw_ask(r, us, ASK("nic.link",
						  "{\"vm\":\"root\",\"up\":"
						  "false}")),
			       "belongs to another user"));
	assert_non_null(strstr(raw_ask(r, us, ASK("nic.attach",
						  "{\"vm\":\"A\",\"network\":"
						  "\"lab\",\"type\":\"netns\","
						  "\"netns\":\"/proc/1/ns/net\""
						  "}")),
			       "-32003"));
	assert_non_null(strstr(raw_ask(r, us, ASK("nic.attach",
						  "{\"vm\":\"A\",\"network\":"
						  "\"lab\",\"owner\":0}")),
			       "-32003"));
	raw_free(rd);
	raw_free(us);
}

static void events__subscribed__arrive(void **state)
{
	struct rig *r = *state;
	json_t *p;

	rig_call(r, "events.subscribe", "{'types':['network.state']}", -1);
	rig_call(r, "network.define", "{'name':'lab','mode':'nat'}", -1);
	p = json_object_get(r->event, "params");
	assert_string_equal(rig_str(p, "type"), "network.state");
	assert_string_equal(rig_str(p, "state"), "running");
	assert_true(json_is_integer(json_object_get(p, "time")));
}

static void events__slow_reader__told_what_it_missed(void **state)
{
	struct rig *r = *state;
	struct raw *w = raw_new(r, RIGHT_READ);
	char *big = malloc(8193);

	raw_ask(r, w, ASK("events.subscribe", "{}"));
	memset(big, 'x', 8192);
	big[8192] = '\0';
	for (int i = 0; i < 300; i++)
		events_emit(&r->ctl.events, EVENT_NET_STATE,
			    json_pack("{s:s}", "network", big));
	for (int i = 0; i < 40 && !strstr(w->buf, "events.missed"); i++) {
		w->len = 0;
		raw_spin(r, w);
	}
	assert_non_null(strstr(w->buf, "events.missed"));
	assert_false(w->closed);
	free(big);
	raw_free(w);
}

static void client_gone__late_answer_thrown_away(void **state)
{
	struct rig *r = *state;
	struct raw *w = raw_new(r, RIGHT_ADMIN);
	static const char ask[] = ASK("network.define",
				      "{\"name\":\"lab\",\"mode\":\"nat\"}");

	(void)!send(w->fd, ask, sizeof(ask) - 1, 0);
	event_base_loop(r->ctl.base, EVLOOP_NONBLOCK);
	raw_free(w);
	rig_spin(r);
	assert_int_equal(r->ctl.model.nnets, 1);
}

/* `echo … | nc -N -U`: the answer comes when it comes, then the end. */
static void half_closed__answers_come_first(void **state)
{
	static const char ask[] =
		ASK("nic.addresses", "{\"vm\":\"A\",\"wait_s\":60}");
	struct rig *r = *state;
	struct raw *w = raw_new(r, RIGHT_ADMIN);

	rig_call(r, "network.define", "{'name':'lab','mode':'nat'}", -1);
	rig_call(r, "nic.attach", "{'vm':'A','network':'lab'}", -1);
	(void)!send(w->fd, ask, sizeof(ask) - 1, MSG_DONTWAIT);
	assert_int_equal(shutdown(w->fd, SHUT_WR), 0);
	raw_spin(r, w);
	assert_int_equal(w->len, 0);
	assert_false(w->closed);
	rig_call(r, "nic.detach", "{'vm':'A'}", -1); /* ends the waiting */
	raw_spin(r, w);
	assert_non_null(strchr(w->buf, '\n'));
	assert_true(w->closed);
	raw_free(w);
}

/* … but nobody waits for the answers of who is gone. */
static void gone__while_it_waits__forgotten(void **state)
{
	static const char ask[] =
		ASK("nic.addresses", "{\"vm\":\"A\",\"wait_s\":60}");
	struct rig *r = *state;

	rig_call(r, "network.define", "{'name':'lab','mode':'nat'}", -1);
	rig_call(r, "nic.attach", "{'vm':'A','network':'lab'}", -1);
	for (int i = 0; i < 3 * API_CLIENTS; i++) {
		struct raw *w = raw_new(r, RIGHT_ADMIN);

		(void)!send(w->fd, ask, sizeof(ask) - 1, MSG_DONTWAIT);
		raw_free(w);
		rig_spin(r);
	}
}

static void too_many_calls__paused(void **state)
{
	struct rig *r = *state;
	struct raw *w = raw_new(r, RIGHT_ADMIN);
	static const char ask[] =
		ASK("nic.addresses", "{\"vm\":\"A\",\"wait_s\":60}");
	unsigned int n = 0;

	rig_call(r, "network.define", "{'name':'lab','mode':'nat'}", -1);
	rig_call(r, "nic.attach", "{'vm':'A','network':'lab'}", -1);
	for (int i = 0; i < 200; i++)
		(void)!send(w->fd, ask, sizeof(ask) - 1, MSG_DONTWAIT);
	raw_spin(r, w);
	for (struct list *l = r->ctl.addr_waiters.next;
	     l != &r->ctl.addr_waiters; l = l->next)
		n++;
	assert_int_equal(n, API_CALLS);
	raw_free(w);
}

static void discover__every_method_described(void **state)
{
	struct rig *r = *state;
	json_t *m, *a = json_object_get(rig_call(r, "rpc.discover", NULL, -1),
					"methods");
	size_t i;

	assert_true(json_array_size(a) >= 25);
	json_array_foreach(a, i, m) {
		assert_true(strlen(rig_str(m, "name")) > 5);
		assert_true(strlen(rig_str(m, "summary")) > 3);
		assert_true(json_is_array(json_object_get(m, "params")));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, rig_up, rig_down)
		T(garbage__answered_and_client_lives),
		T(wrong_types__refused_by_name),
		T(line__too_long__told_and_closed),
		T(descriptors__too_many__closed),
		T(slow_reader__closed_not_waited_for),
		T(pipelined__all_answered_in_order),
		T(rights__read_and_use__limited),
		T(events__subscribed__arrive),
		T(events__slow_reader__told_what_it_missed),
		T(client_gone__late_answer_thrown_away),
		T(half_closed__answers_come_first),
		T(gone__while_it_waits__forgotten),
		T(too_many_calls__paused),
		T(discover__every_method_described),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
