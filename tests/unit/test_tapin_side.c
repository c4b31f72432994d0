// SPDX-License-Identifier: GPL-2.0-or-later
/* links: switch_core */
/* Beside a host's interface: which frames go to the host, to the wire, to guests. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "switch/offload.h"
#include "switch/tapin_side.h"
#include "switch/vswitch.h"

#define LEN 60

static const struct mac host = {{0x02, 0, 0, 0, 0, 1}};
static const struct mac guest = {{0x52, 0x54, 0, 0, 0, 1}};
static const struct mac lan = {{0x02, 0, 0, 0, 0, 9}};

struct fix {
	struct vswitch *sw;
	struct port uplink, nic;
	struct tapin_side side;
	unsigned int injected, to_guest;
	int err;
	const struct frame *out[FRAME_BATCH];
	uint8_t b[4][LEN];
	struct frame f[4];
	const struct frame *batch[4];
};

static struct fix *fix; /* for the ports' callbacks */

static int write_host(void *arg, const struct iovec *v, int n)
{
	struct fix *x = arg;

	assert_int_equal(v[0].iov_len, VNET_HDR_LEN);
	assert_int_equal(v[n - 1].iov_len, LEN);
	x->injected++;
	return x->err;
}

static void nic_tx(struct port *p, const struct frame *const *batch,
		   unsigned int n)
{
	(void)p;
	(void)batch;
	fix->to_guest += n;
}

static void no_tx(struct port *p, const struct frame *const *batch,
		  unsigned int n)
{
	(void)p;
	(void)batch;
	(void)n;
}

static void no_close(struct port *p)
{
	(void)p;
}

static const struct port_ops nic_ops = {.driver = "fake", .tx = nic_tx,
					.close = no_close};
static const struct port_ops up_ops = {.driver = "fake", .tx = no_tx,
				       .close = no_close};

static struct frame *frame(struct fix *x, unsigned int i,
				 const struct mac *dst, const struct mac *src)
{
	memset(x->b[i], 0, LEN);
	memcpy(x->b[i], dst->b, 6);
	memcpy(x->b[i] + 6, src->b, 6);
	x->b[i][12] = 8;
	frame_init(&x->f[i], x->b[i], LEN);
	x->batch[i] = &x->f[i];
	return &x->f[i];
}

static int setup(void **state)
{
	struct fix *x = calloc(1, sizeof(*x));
	const struct vswitch_config cfg = {.mtu = 1500};

	x->sw = vswitch_new(&cfg);
	x->uplink = (struct port){.ops = &up_ops, .role = PORT_UPLINK};
	x->nic = (struct port){.ops = &nic_ops, .role = PORT_GUEST};
	assert_int_equal(vswitch_port_add(x->sw, &x->uplink), 0);
	assert_int_equal(vswitch_port_add(x->sw, &x->nic), 0);
	tapin_side_init(&x->side, &x->uplink, &host, NULL,
			write_host, x);
	fix = x;
	/* The guest was heard. */
	vswitch_input(&x->nic, frame(x, 0, &host, &guest), 1, 1000);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fix *x = *state;

	vswitch_free(x->sw);
	free(x);
	return 0;
}

static void tx__each_kind__goes_where_it_belongs(void **state)
{
	struct fix *x = *state;

	frame(x, 0, &host, &guest);
	frame(x, 1, &lan, &guest);
	frame(x, 2, &mac_broadcast, &guest);
	assert_int_equal(tapin_side_tx(&x->side, x->batch, 3, x->out), 2);
	assert_ptr_equal(x->out[0], &x->f[1]);
	assert_ptr_equal(x->out[1], &x->f[2]);
	assert_int_equal(x->injected, 2);
	/* The other two are counted by who sends them. */
	assert_int_equal(x->uplink.stats.tx_frames, 1);
	assert_int_equal(x->uplink.stats.tx_bytes, LEN);
}

static void tx__the_host_takes_nothing__drop_counted(void **state)
{
	struct fix *x = *state;

	x->err = -EIO;
	frame(x, 0, &host, &guest);
	assert_int_equal(tapin_side_tx(&x->side, x->batch, 1, x->out), 0);
	assert_int_equal(x->uplink.stats.tx_frames, 0);
	assert_int_equal(x->uplink.stats.drops[DROP_LINK], 1);
}

static void rx__host_to_guest__kept(void **state)
{
	struct fix *x = *state;

	assert_true(tapin_side_rx(&x->side, frame(x, 0, &guest, &host),
				  TAPIN_HOST, 1000));
	assert_true(tapin_side_rx(&x->side, frame(x, 0, &mac_broadcast, &host),
				  TAPIN_HOST, 1000));
}

static void rx__host_to_others__not_flooded(void **state)
{
	struct fix *x = *state;

	assert_false(tapin_side_rx(&x->side, frame(x, 0, &lan, &host),
				   TAPIN_HOST, 1000));
	/* Known to be on the wire: neither. */
	vswitch_input(&x->uplink, frame(x, 0, &guest, &lan), 1, 1000);
	assert_false(tapin_side_rx(&x->side, frame(x, 0, &lan, &host),
				   TAPIN_HOST, 1000));
}

static void rx__from_the_wire__kept_but_for_echoes(void **state)
{
	struct fix *x = *state;

	assert_true(tapin_side_rx(&x->side, frame(x, 0, &guest, &lan),
				  TAPIN_WIRE, 1000));
	assert_false(tapin_side_rx(&x->side, frame(x, 0, &mac_broadcast, &host),
				   TAPIN_WIRE, 1000));
}

static void rx__too_short__left_to_the_switch(void **state)
{
	struct fix *x = *state;

	frame_init(&x->f[0], x->b[0], 5);
	assert_true(tapin_side_rx(&x->side, &x->f[0], TAPIN_HOST, 1000));
}

static void init__hosts_address__no_guest_may_use_it(void **state)
{
	struct fix *x = *state;

	vswitch_input(&x->nic, frame(x, 0, &lan, &host), 1, 2000);
	assert_int_equal(x->nic.stats.drops[DROP_GUARD], 1);
	assert_ptr_equal(vswitch_fdb_find(x->sw, &host, 0), &x->uplink);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(tx__each_kind__goes_where_it_belongs),
		T(tx__the_host_takes_nothing__drop_counted),
		T(rx__host_to_guest__kept),
		T(rx__host_to_others__not_flooded),
		T(rx__from_the_wire__kept_but_for_echoes),
		T(rx__too_short__left_to_the_switch),
		T(init__hosts_address__no_guest_may_use_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
