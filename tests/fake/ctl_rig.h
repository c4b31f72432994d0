/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole control process in memory: store ":memory:", fake priv, fake workers,
 * and an API client on a socketpair.
 */
#ifndef VNET_TESTS_CTL_RIG_H
#define VNET_TESTS_CTL_RIG_H

#include "netd/api.h"
#include "netd/ctl.h"
#include "tests/fake/fake_priv.h"

struct rig {
	struct ctl ctl;
	struct priv *priv;
	struct rpc_conn *client; /* the caller's end */
	json_t *last;		 /* last answer; owned */
	json_t *event;		 /* last event; owned */
	int next_id;
	char dir[64];
};

void rig_init(struct rig *r, bool root, enum right right);
void rig_fini(struct rig *r);

/* For cmocka: *state is a rig whose caller is an administrator; with a running nat
 * network "lab"; and its end. */
int rig_up(void **state);
int rig_up_lab(void **state);
int rig_down(void **state);

/* The worker of network lab. */
struct fake_worker *rig_lab(struct rig *r);

/* Swallow log lines that a test provokes. */
void rig_quiet(bool on);

/* Let everything happen that can without waiting. */
void rig_spin(struct rig *r);

/* One request; @params is JSON text with ' for ". Returns its result, borrowed,
 * or NULL: then rig_code() and rig_text() say why, or no answer came (code 0). */
json_t *rig_call(struct rig *r, const char *method, const char *params, int fd);
int rig_code(struct rig *r);
const char *rig_text(struct rig *r);

/* Text of a member, "" when it is no string. */
const char *rig_str(json_t *o, const char *key);

#endif
