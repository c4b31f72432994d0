// SPDX-License-Identifier: GPL-2.0-or-later
/* daemon.doctor: see doctor.h. */
#include "netd/doctor.h"
#include "netd/m_int.h"

static void doctor(struct ctl *ctl, struct call *c, json_t *params)
{
	const char *name = m_str(params, "network");
	struct network *n = name ? model_net_find(&ctl->model, name) : NULL;
	json_t *list;

	if (!m_only_net(ctl, c, params, "network"))
		return;
	list = json_array();
	doctor_look(ctl, n, list);
	if (c->who.right != RIGHT_READ) {
		doctor_run(ctl, c, n, list);
		return;
	}
	doctor_add(list, DOCTOR_UNKNOWN, "filter", NULL, "sudo vnet doctor",
		   "packet filters are shown to root and members of group vnet "
		   "only");
	call_result(c, json_pack("{s:o}", "findings", list));
}

static const struct param p_doctor[] = {
	{"network", P_STR, false, 0, 0, NULL, "only this one, and the host"},
	{NULL},
};

const struct method m_doctor[] = {
	{"daemon.doctor", RIGHT_READ,
	 "Why does a network not work? Looks at the host: devices, limits, failed "
	 "objects, and which rule of other programs' packet filters drops what a "
	 "network lives on. Nothing is changed. Filters are looked at for one client at a "
	 "time.",
	 p_doctor,
	 "{findings:[{level:ok|note|unknown|problem,what,network,text,rule:"
	 "{family,table,base,chain,handle,text}|null,command}]}",
	 doctor},
	{NULL},
};
