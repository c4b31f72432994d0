// SPDX-License-Identifier: GPL-2.0-or-later
/* links: fake_priv ctl_rig netd switch_io switch_core nat_io nat_core dhcp_core */
/*
 * Messages of a worker that a guest has taken over: the first byte chooses the
 * type, the rest is the body. NUMBERS is the answer to the question for forwards'
 * numbers, LEASES a message of records. Control may kill the worker, and nothing else.
 */
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "lib/chan.h"
#include "netd/netctl.h"
#include "netd/proto.h"
#include "tests/fake/ctl_rig.h"

#define NUMBERS 0xfe
#define FLOWS   0xfd
#define LEASES	0xfc

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rig *rig;

static void fresh(void)
{
	rig = calloc(1, sizeof(*rig));
	rig_init(rig, true, RIGHT_ADMIN);
	rig_quiet(true);
	rig_call(rig, "network.define", "{'name':'lab','mode':'nat'}", -1);
	rig_call(rig, "nic.attach", "{'vm':'A','network':'lab'}", -1);
	rig_call(rig, "nic.attach",
		 "{'vm':'B','network':'lab','type':'dgram'}", -1);
	rig_call(rig, "forward.add",
		 "{'network':'lab','proto':'tcp','port':80,'to_vm':'A'}", -1);
	rig_call(rig, "events.subscribe", "{}", -1);
}

static void end(void)
{
	if (!rig)
		return;
	rig_quiet(false);
	rig_fini(rig);
	free(rig);
	rig = NULL;
}

/* Nothing that is not of this network may have come in. */
static bool check_lease(struct hnode *h, void *arg)
{
	struct lease *l = container_of(h, struct lease, by_ip);
	struct network *n = arg;

	if (!ip4_in_net(l->conf.address, &n->conf.subnet) ||
	    l->conf.address == n->conf.service_ip)
		abort();
	return true;
}

static void say(struct fake_worker *w, const uint8_t *data, size_t size)
{
	char *text;

	if (data[0] == FLOWS) {
		text = strndup((const char *)data + 1, size - 1);
		w->flows = text;
		rig_call(rig, "flow.list", "{'limit':3}", -1);
		rig_call(rig, "flow.kill", "{'of':'A'}", -1);
		w->flows = NULL;
		free(text);
		return;
	}
	if (data[0] == LEASES) {
		(void)chan_send(w->chan, W_LEASES, 0, data + 1, size - 1, NULL,
				0);
		return;
	}
	if (data[0] != NUMBERS) {
		(void)chan_send(w->chan, (uint16_t)(W_READY + data[0] % 16),
				data[0] >> 4, data + 1, size - 1, NULL, 0);
		return;
	}
	text = strndup((const char *)data + 1, size - 1);
	w->numbers = text;
	rig_call(rig, "forward.list", "{}", -1);
	w->numbers = NULL;
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned int runs;
	struct fake_worker *w;
	struct network *n;

	if (!size)
		return 0;
	if (!rig && !runs)
		atexit(end); /* leave no folder behind */
	if (!rig)
		fresh();
	w = fake_worker_of(rig->priv, "lab");
	if (size > 60000)
		size = 60000;
	say(w, data, size);
	rig_spin(rig);
	n = model_net_find(&rig->ctl.model, "lab");
	if (!n || rig->ctl.model.nnets != 1 || rig->ctl.model.nnics != 2)
		abort();
	htab_walk(&n->leases, check_lease, n);
	if (!w->chan || ++runs % 256 == 0)
		end();
	return 0;
}
