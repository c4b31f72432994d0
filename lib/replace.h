/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that are replaced as a whole, so that readers see the old or the new text. */
#ifndef VNET_LIB_REPLACE_H
#define VNET_LIB_REPLACE_H

#include <stddef.h>

#include "lib/errtext.h"

/**
 * replace_file() - Put @text at @path by rename(2), mode 0644
 * @mark: how our files begin; NULL = whatever is there may go
 *
 * A file that does not begin with @mark is somebody else's and stays. What @path links to
 * is not touched: the link itself is replaced.
 *
 * Return: 0; -EEXIST (not ours) or another negative errno, with @why.
 */
int replace_file(const char *path, const char *text, size_t len,
		 const char *mark, struct errtext *why);

/* Would it be allowed? 0 also when there is nothing yet. */
int replace_check(const char *path, const char *mark, struct errtext *why);

#endif
