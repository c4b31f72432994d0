// SPDX-License-Identifier: GPL-2.0-or-later
/* See caps.h. */
#include "netd/caps.h"

#include <cap-ng.h>
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>

int caps_drop(bool root, struct errtext *why)
{
	static const unsigned int keep[] = {CAP_CHOWN, CAP_KILL};
	bool have[ARRAY_LEN(keep)];

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return errtext_set(why, -errno, "no_new_privs: %s",
				   strerror(errno));
	if (!root)
		return 0;
	/* A container may have taken one of them already. */
	for (size_t i = 0; i < ARRAY_LEN(keep); i++)
		have[i] = capng_have_capability(CAPNG_PERMITTED, keep[i]);
	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < ARRAY_LEN(keep); i++)
		if (have[i])
			capng_update(CAPNG_ADD,
				     (capng_type_t)(CAPNG_EFFECTIVE |
						    CAPNG_PERMITTED),
				     keep[i]);
	if (capng_apply(CAPNG_SELECT_CAPS))
		return errtext_set(why, -EPERM,
				   "capabilities cannot be given up");
	return 0;
}
