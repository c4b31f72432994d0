# SPDX-License-Identifier: GPL-2.0-or-later
# Layer 1 and 2: the L2 switch, its offloads, and the port drivers.
SWITCH_CORE := frame hdrs fdb guard gro macnat macnat_msg macnat_tab rogue pin pin_says offload sender tap_out tapin_side vswitch \
               vhost_fd vhost_mem vhost_ring vhost_msg vhost_inflight vhost_backlog vhost_poll steer
SWITCH_IO   := driver msgio port_stream port_dgram port_msg port_tap port_packet \
               port_vhost port_vhost_rx port_vhost_tx vhost_call \
               link tapdev tapdev_netns tapin tapin_redirect tapport kbridge kbridge_plan kbridge_route \
               uplink uplink_obj uplink_plan uplink_state uplink_journal uplink_step \
               uplink_watch uplink_keep reach
SWITCH_PKGS := libevent_core libnl-3.0

# So that cache lines of a guest's buffers are asked for to be written to, not only to be
# read: a hint that processors without it pass over.
ifeq ($(firstword $(subst -, ,$(shell $(CC) -dumpmachine))),x86_64)
$(B)/switch/vhost_ring.o: CFLAGS += -mprfchw
endif
