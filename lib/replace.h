/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that are replaced as a whole, so that readers see the old or the new text. */
#ifndef VNET_LIB_REPLACE_H
#define VNET_LIB_REPLACE_H

#include <stddef.h>

#include "lib/errtext.h"

struct stat;

/**
 * replace_file() - Put @text at @path by rename(2), mode 0644
 * @mark: how our files begin
 *
 * A file that does not begin with @mark is somebody else's and stays. What @path links to
 * is not touched: the link itself is replaced.
 *
 * Return: 0; -EEXIST (not ours) or another negative errno, with @why.
 */
int replace_file(const char *path, const char *text, size_t len,
		 const char *mark, struct errtext *why);

/**
 * replace_edited() - Put @text at @path, where somebody else's file is
 * @was: of the file when it was read, which @text was made of
 *
 * Mode and owner stay, and the text is on the disk before it takes the place of the old
 * one. A file that is a mount point by itself, as /etc/hosts of a container, or in a
 * folder that cannot be written, is overwritten, which is not one step. @path is no link.
 *
 * Return: 0; -ESTALE (it has changed) or another negative errno, with @why.
 */
int replace_edited(const char *path, const struct stat *was, const char *text,
		   size_t len, struct errtext *why);

/* Would replace_file() be allowed? 0 also when there is nothing yet. */
int replace_check(const char *path, const char *mark, struct errtext *why);

#endif
