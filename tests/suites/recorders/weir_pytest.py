"""A plugin for pytest that records each test (pytest -p weir_pytest)."""

import pytest
from recorder import Recorder

recorder = Recorder()
# A test has up to three reports (setup, call, teardown): the worst one counts.
outcomes: dict[str, tuple[str, str]] = {}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    done = [item for item in items if item.nodeid in recorder.known]
    if done:
        items[:] = [item for item in items if item.nodeid not in recorder.known]
        config.hook.pytest_deselected(items=done)


def pytest_runtest_logstart(nodeid):
    recorder.write(nodeid, "started")


def pytest_runtest_logreport(report):
    known = outcomes.get(report.nodeid, ("", ""))
    # xfail is 'skipped' with a reason, an unexpected pass with strict is 'failed'.
    if report.failed:
        outcomes[report.nodeid] = ("failed", known[1] + report.longreprtext)
    elif report.skipped and known[0] != "failed":
        outcomes[report.nodeid] = ("skipped", "")
    elif not known[0]:
        outcomes[report.nodeid] = ("passed", "")


def pytest_runtest_logfinish(nodeid):
    recorder.write(nodeid, *outcomes.pop(nodeid, ("failed", "no report")))
