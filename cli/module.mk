# SPDX-License-Identifier: GPL-2.0-or-later
# Layer 4: the command. main.c is linked only into vnet, bridge_helper_main.c only into
# vnet-bridge-helper.
CLI_FILES := cli args conn help out strv tables nic_facts guard_opts runner run_plan \
             run_child bridge_helper forward_spec cmd_network cmd_show cmd_nic cmd_ip \
             cmd_run cmd_forward cmd_flow cmd_lease cmd_option cmd_dns cmd_events cmd_info cmd_doctor
CLI_PKGS  := jansson
