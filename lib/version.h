/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The version, said once. */
#ifndef VNET_LIB_VERSION_H
#define VNET_LIB_VERSION_H

#define VNET_VERSION "0.1.0"

#endif
