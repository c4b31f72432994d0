# SPDX-License-Identifier: GPL-2.0-or-later
# Layer 0: the base that every other folder may use.
LIB_CORE := errtext htab pool wheel inet csum clock log esc hex fdutil replace chan jx netmerge rpc rpc_client
LIB_PKGS := jansson
