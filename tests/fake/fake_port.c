// SPDX-License-Identifier: GPL-2.0-or-later
/* A port for tests. See fake_port.h. */
#include "tests/fake/fake_port.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fake_tx(struct port *port, const struct frame *const *batch,
		    unsigned int n)
{
	struct fake_port *p = container_of(port, struct fake_port, port);

	assert(n >= 1 && n <= FRAME_BATCH);
	p->batches++;
	p->ingress = vswitch_ingress(port->sw);
	for (unsigned int i = 0; i < n; i++) {
		struct fake_frame *g = &p->got[p->n];
		size_t sum = 0;

		for (unsigned int k = 0; k < batch[i]->nseg; k++)
			sum += batch[i]->seg[k].iov_len;
		assert(sum == batch[i]->len);
		assert(batch[i]->seg[0].iov_len >= min_sz(sum, FRAME_HDR));
		assert(p->n < FAKE_PORT_KEEP);
		g->p = malloc(sum);
		assert(g->p && frame_copy(batch[i], 0, g->p, sum) == sum);
		g->len = batch[i]->len;
		g->nseg = batch[i]->nseg;
		g->hdr_len = batch[i]->seg[0].iov_len;
		g->off = batch[i]->off;
		p->n++;
		port_sent(port, 1, sum);
	}
}

static void fake_flush(struct port *port)
{
	struct fake_port *p = container_of(port, struct fake_port, port);

	p->flushes++;
	if (!p->answers)
		return;
	p->answers--;
	fake_port_in(p, p->answer, p->answer_len, vswitch_now(port->sw));
}

static void fake_link(struct port *port, bool up)
{
	struct fake_port *p = container_of(port, struct fake_port, port);

	p->links++;
	p->link = up;
}

static void fake_close(struct port *port)
{
	struct fake_port *p = container_of(port, struct fake_port, port);

	p->closed = true;
	fake_port_clear(p);
}

static const struct port_ops fake_ops = {
	.driver = "fake",
	.tx = fake_tx,
	.flush = fake_flush,
	.link = fake_link,
	.close = fake_close,
};

void fake_port_add(struct fake_port *p, struct vswitch *sw, const char *name,
		   enum port_role role, uint32_t caps)
{
	int r;

	memset(p, 0, sizeof(*p));
	p->port.ops = &fake_ops;
	p->port.caps = caps;
	p->port.role = role;
	snprintf(p->port.name, sizeof(p->port.name), "%s", name);
	r = vswitch_port_add(sw, &p->port);
	assert(r == 0);
	(void)r;
}

void fake_port_clear(struct fake_port *p)
{
	for (unsigned int i = 0; i < p->n; i++)
		free(p->got[i].p);
	p->n = p->batches = 0;
}

void fake_port_in(struct fake_port *p, const void *bytes, size_t len,
		  int64_t now_ms)
{
	struct frame f;

	frame_init(&f, bytes, len);
	vswitch_input(&p->port, &f, 1, now_ms);
}
