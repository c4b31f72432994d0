# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures of the system tests. Every test file ends with "nothing left behind"."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import lab as lab_module  # noqa: E402


def pytest_configure(config):
    # Skips are never silent: each is listed with its reason.
    if "s" not in (config.option.reportchars or ""):
        config.option.reportchars = (config.option.reportchars or "") + "sfE"
    lab_module.end_tidily()
    lab_module.remove_stale()


# The leak check of a test file. Not a fixture: pytest ends module fixtures in the
# order in which the last test asked for them, so one could not be sure to be last.

_before = {}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    if item.fspath not in _before:
        _before.clear()
        _before[item.fspath] = lab_module.Traces()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item, nextitem):
    if nextitem is None or nextitem.fspath != item.fspath:
        lab_module.assert_nothing_left(_before.pop(item.fspath))


@pytest.fixture(scope="module")
def lab():
    """The usual world (lab.Lab), one for a test file."""
    lab_module.need_root()
    with lab_module.Lab() as world:
        if lab_module.DATAPATH == "kernel":
            world.host.leave_bridges_alone()
        yield world


@pytest.fixture
def vnetd(lab):
    """A vnetd of the system kind in lab.host, fresh for each test."""
    lab_module.need_vnetd()
    with lab_module.Vnetd(ns=lab.host) as daemon:
        yield daemon


@pytest.fixture
def user_vnetd(lab):
    """A vnetd of an ordinary user in lab.host, fresh for each test."""
    lab_module.need_vnetd()
    with lab_module.Vnetd(ns=lab.host, user="nobody") as daemon:
        yield daemon


@pytest.fixture
def guests():
    """A list: guests put into it are ended with the test, consoles shown if it
    failed."""
    running = []
    yield running
    for g in running:
        g.kill()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call" and report.failed:
        for g in item.funcargs.get("guests", []):
            report.sections.append(("%s's console" % g.name, g.console()[-4000:]))
            report.sections.append(("%s's QEMU" % g.name, g.log()[-4000:]))
        for name in ("vnetd", "user_vnetd"):
            if name in item.funcargs:
                report.sections.append(("vnetd's log",
                                        item.funcargs[name].log()[-20000:]))
