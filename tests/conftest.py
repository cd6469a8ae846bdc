"""In continuous integration nothing is skipped: where ``EXSEOS_NO_SKIPS`` is set, a skipped test fails the run.

The warm store is one for all tests of the whole program.
"""

from __future__ import annotations

import os

import pytest

from tests.e2e.warm import sources as sources
from tests.e2e.warm import warm as warm


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Turn a good run with skipped tests into a failed one; pytest's own summary (-ra) names them."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus == pytest.ExitCode.OK and os.environ.get("EXSEOS_NO_SKIPS") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
