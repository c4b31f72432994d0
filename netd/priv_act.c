// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Doing something as another user, see priv_int.h. File system identity alone: it is what
 * paths and unix sockets are judged by, and the kernel takes our capabilities over files
 * away for the while.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stddef.h>
#include <sys/fsuid.h>
#include <unistd.h>

#include "netd/priv_int.h"

#define NOGROUP	   65534
#define GROUPS_MAX 256 /* those beyond are not had */

/* Of a user whom nobody knows none; returns how many. */
static int groups_of(uid_t who, gid_t *primary, gid_t list[GROUPS_MAX])
{
	struct passwd pw, *found = NULL;
	char buf[4096];
	int n = GROUPS_MAX;

	*primary = NOGROUP;
	if (getpwuid_r(who, &pw, buf, sizeof(buf), &found) || !found)
		return 0;
	*primary = pw.pw_gid;
	if (getgrouplist(pw.pw_name, pw.pw_gid, list, &n) < 0)
		return GROUPS_MAX;
	return n;
}

int priv_act_as(struct priv_act *a, uid_t who)
{
	gid_t list[GROUPS_MAX], primary;
	int n;

	*a = (struct priv_act){0};
	if (geteuid() || !who)
		return 0;
	a->n = getgroups(PRIV_GROUPS_MAX, a->was);
	if (a->n < 0)
		return -errno;
	n = groups_of(who, &primary, list);
	if (setgroups((size_t)n, list))
		return -errno;
	a->active = true;
	(void)setfsgid(primary);
	(void)setfsuid(who);
	/* They answer with what was before, never with an error. */
	if (setfsuid(who) == (int)who && setfsgid(primary) == (int)primary)
		return 0;
	priv_act_end(a);
	return -EPERM;
}

void priv_act_end(struct priv_act *a)
{
	if (!a->active)
		return;
	a->active = false;
	(void)setfsuid(0);
	(void)setfsgid(0);
	(void)setgroups((size_t)a->n, a->was);
}
