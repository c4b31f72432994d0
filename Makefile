# SPDX-License-Identifier: GPL-2.0-or-later
# vnet: one non-recursive makefile. `make help` lists the targets.
#
#   O=DIR        where everything is built          (build)
#   CONFIG=NAME  release | san | cov                (release)
#   CC=clang  V=1  SAN=address,undefined

O      ?= build
CONFIG ?= release
B      := $(O)/$(CONFIG)
CC     ?= cc
prefix ?= /usr/local

WARN := -Wall -Wextra -Wshadow -Wconversion -Wvla -Wstrict-prototypes \
        -Wmissing-prototypes -Wno-missing-field-initializers
ifneq ($(CI),)
WARN += -Werror
endif
ifeq ($(CONFIG),san)
SAN ?= address,undefined
endif
ifeq ($(CONFIG),cov)
COV := --coverage
endif
OPT      := $(if $(SAN),-O1 -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=undefined,-O2)
HARDEN   := $(if $(SAN)$(COV),,-D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE)
CFLAGS   ?= -g
BASE     := -std=gnu11 -D_GNU_SOURCE -I. $(WARN) $(OPT) $(COV) $(HARDEN) -MMD -MP
LDHARDEN := $(if $(SAN)$(COV),,-pie -Wl,-z,relro,-z,now)
LINK     := $(OPT) $(COV) $(LDHARDEN)

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' $(1) $(2);)

.DEFAULT_GOAL := all
MODULES := lib switch nat dhcp netd cli
include $(MODULES:%=%/module.mk)

# ---- archives: one a layer, so that the linker holds the walls --------------
define archive # name folder files
$(1)_OBJS := $(patsubst %,$(B)/$(2)/%.o,$(3))
$(B)/lib$(1).a: $$($(1)_OBJS) $(2)/module.mk
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@; $(AR) rcs $$@ $$(filter %.o,$$^)
endef
$(eval $(call archive,lib,lib,$(LIB_CORE)))
$(eval $(call archive,switch_core,switch,$(SWITCH_CORE)))
$(eval $(call archive,switch_io,switch,$(SWITCH_IO)))
$(eval $(call archive,nat_core,nat,$(NAT_CORE)))
$(eval $(call archive,nat_io,nat,$(NAT_IO)))
$(eval $(call archive,dhcp_core,dhcp,$(DHCP_CORE)))
$(eval $(call archive,netd,netd,$(NETD_FILES)))
$(eval $(call archive,cli,cli,$(CLI_FILES)))

$(B)/%.o: %.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE) $(CFLAGS) $(PKG_CFLAGS) -c -o $@ $<

PKGS       := $(sort $(LIB_PKGS) $(SWITCH_PKGS) $(NAT_PKGS) $(DHCP_PKGS) $(NETD_PKGS) $(CLI_PKGS))
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
pkg         = $(shell pkg-config --libs $(1) 2>/dev/null)

VNETD_LIBS := $(addprefix $(B)/lib,netd.a nat_io.a nat_core.a switch_io.a switch_core.a dhcp_core.a lib.a)
VNET_LIBS  := $(addprefix $(B)/lib,cli.a lib.a)

$(B)/vnetd: $(B)/netd/main.o $(VNETD_LIBS)
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK) $(LDFLAGS) -o $@ $^ $(call pkg,$(LIB_PKGS) $(SWITCH_PKGS) $(NAT_PKGS) $(NETD_PKGS))

$(B)/vnet: $(B)/cli/main.o $(VNET_LIBS)
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK) $(LDFLAGS) -o $@ $^ $(call pkg,$(LIB_PKGS) $(CLI_PKGS))

$(B)/vnet-bridge-helper: $(B)/cli/bridge_helper_main.o $(VNET_LIBS)
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK) $(LDFLAGS) -o $@ $^ $(call pkg,$(LIB_PKGS) $(CLI_PKGS))

# Plays the control process for tests/system/test_priv.py and test_uplink.py.
$(B)/priv_tool: $(B)/tests/system/priv_tool.o $(VNETD_LIBS)
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK) $(LDFLAGS) -o $@ $^ $(call pkg,$(LIB_PKGS) $(SWITCH_PKGS) $(NAT_PKGS) $(NETD_PKGS))

# ---- unit tests and fuzz targets --------------------------------------------
# A test says in its first lines which archives it may link, besides lib:
#   /* links: switch_core fake_port */
# A word that names tests/fake/<word>.c is compiled from there.
UNIT := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
FUZZ := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
links = $(shell sed -n 's|^/\* links:\(.*\)\*/.*|\1|p' $(1) | head -n 1)
parts = $(foreach w,$(call links,$(1)),$(if $(wildcard tests/fake/$(w).c),$(B)/tests/fake/$(w).o,$(B)/lib$(w).a)) $(B)/liblib.a
libs_of = $(call pkg,$(sort jansson $(if $(filter %_io,$(call links,$(1))),libevent_core $(SWITCH_PKGS) $(NAT_PKGS)) $(if $(filter netd,$(call links,$(1))),$(NETD_PKGS) $(NAT_PKGS) $(SWITCH_PKGS)) $(if $(filter cli,$(call links,$(1))),$(CLI_PKGS))))

define unit_rule
$(B)/tests/unit/$(1): $(B)/tests/unit/$(1).o $(call parts,tests/unit/$(1).c)
	$$(call say,LD,$$@)
	$$(Q)$(CC) $(LINK) -o $$@ $$< -Wl,--start-group $$(filter-out $$<,$$^) -Wl,--end-group $(call libs_of,tests/unit/$(1).c) -lcmocka
endef
$(foreach t,$(UNIT),$(eval $(call unit_rule,$(t))))

define fuzz_rule
$(B)/tests/fuzz/$(1): $(B)/tests/fuzz/$(1).o $(if $(FUZZER),,$(B)/tests/fuzz/driver.o) $(call parts,tests/fuzz/$(1).c)
	$$(call say,LD,$$@)
	$$(Q)$(CC) $(LINK) $(if $(FUZZER),-fsanitize=fuzzer) -o $$@ $$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $(call libs_of,tests/fuzz/$(1).c)
endef
$(foreach t,$(FUZZ),$(eval $(call fuzz_rule,$(t))))

# ---- instructions per frame: tests/bench/cpu.h --------------------------------
CPU_OBJS := $(patsubst %.c,$(B)/%.o,$(wildcard tests/bench/cpu*.c))
$(B)/tests/bench/cpu: $(CPU_OBJS) $(call parts,tests/bench/cpu.c)
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK) -o $@ $(CPU_OBJS) -Wl,--start-group $(filter-out $(CPU_OBJS),$^) -Wl,--end-group $(call libs_of,tests/bench/cpu.c) -lcmocka

.PHONY: all system-tools unit fuzz-build help clean install check check-unit check-system \
        check-fuzz check-cpu fuzz lint demo cov bench bench-cpu bench-dhcp deps docs print-flags
.SECONDARY:

all: $(B)/vnetd $(B)/vnet $(B)/vnet-bridge-helper
	$(Q)ln -sfn $(CONFIG)/vnetd $(O)/vnetd; ln -sfn $(CONFIG)/vnet $(O)/vnet; \
		ln -sfn $(CONFIG)/vnet-bridge-helper $(O)/vnet-bridge-helper

system-tools: $(B)/priv_tool

unit: $(UNIT:%=$(B)/tests/unit/%)
fuzz-build: $(FUZZ:%=$(B)/tests/fuzz/%)

deps:
	$(Q)scripts/deps
demo:
	$(Q)scripts/deps demo
	$(Q)$(MAKE) --no-print-directory all
	$(Q)scripts/demo
check:
	$(Q)scripts/deps test
	$(Q)scripts/check all
check-unit check-system check-fuzz check-cpu lint:
	$(Q)scripts/check $(@:check-%=%)
fuzz:
	$(Q)scripts/fuzz
cov:
	$(Q)scripts/check cov
bench: $(O)/bench/load $(O)/bench/taploop $(O)/bench/wire $(O)/bench/apart
	$(Q)scripts/deps bench
	$(Q)$(MAKE) --no-print-directory all
	$(Q)scripts/python -B tests/bench/bench.py
bench-dhcp:
	$(Q)scripts/deps dhcp
	$(Q)$(MAKE) --no-print-directory all
	$(Q)scripts/python -B tests/bench/dhcp.py
bench-cpu: $(B)/tests/bench/cpu
	$(Q)CC="$(CC)" scripts/python -B tests/bench/cpu.py $<
$(O)/bench/%: tests/bench/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) -O2 -o $@ $< -lpthread
docs: $(B)/vnetd
	$(Q)$(B)/vnetd --print-api > docs/api.md

install: all
	install -d $(DESTDIR)$(prefix)/bin $(DESTDIR)$(prefix)/sbin \
		$(DESTDIR)$(prefix)/libexec \
		$(DESTDIR)$(prefix)/share/man/man1 $(DESTDIR)$(prefix)/share/man/man8
	install -m 755 $(B)/vnet $(DESTDIR)$(prefix)/bin/vnet
	install -m 755 $(B)/vnetd $(DESTDIR)$(prefix)/sbin/vnetd
	install -m 755 $(B)/vnet-bridge-helper $(DESTDIR)$(prefix)/libexec/
	install -m 644 docs/vnet.1 $(DESTDIR)$(prefix)/share/man/man1/
	install -m 644 docs/vnetd.8 $(DESTDIR)$(prefix)/share/man/man8/

clean:
	rm -rf $(O)/release $(O)/san $(O)/cov $(O)/vnet $(O)/vnetd $(O)/vnet-bridge-helper

print-flags:
	@echo $(filter-out -MMD -MP,$(BASE)) $(PKG_CFLAGS)

help:
	@echo 'make            build $(O)/vnetd and $(O)/vnet'
	@echo 'make demo       install what is missing, build, show the four modes with real guests'
	@echo 'make check      install what is missing, run all tests'
	@echo '  check-unit    unit tests (cmocka) under ASan and UBSan'
	@echo '  check-fuzz    every fuzz target for a short while'
	@echo '  check-cpu     instructions per frame within tests/bench/cpu.budget'
	@echo '  check-system  real daemon, real kernel, real guests (pytest), in both datapaths'
	@echo '  lint          include walls, sizes, clang-tidy, cppcheck'
	@echo 'make bench      race the peers: tests/bench (BENCH=nat-tcp,…  QUICK=1)'
	@echo 'make bench-dhcp DHCP exchanges of ours, dnsmasq and Kea (QUICK=1)'
	@echo 'make bench-cpu  instructions per frame of the hot paths (UPDATE=1: new budget)'
	@echo 'make docs       write docs/api.md from the method table'
	@echo 'make install    DESTDIR= prefix=$(prefix)'
	@echo 'make clean'

-include $(shell find $(B) -name '*.d' 2>/dev/null)
