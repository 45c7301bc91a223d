"""One compute thread a test process: the tests run side by side, and small operations do not gain from more."""

from typing import Any

import pytest
import torch

torch.set_num_threads(1)

TOGETHER = (
    "tests/api/test_attacking.py",
    "tests/api/test_sampling.py",
    "tests/test_bad_input.py",
    "tests/test_damaged_runs.py",
    "tests/testing/test_pretended.py",
)
"""Files whose tests share what takes long to make: one process has them all, so that it is made once."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Who runs what, where tests run in several processes."""
    from xdist.scheduler import LoadScopeScheduling

    class ByNeed(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            """What stays together with a test: its file, or the test alone."""
            file = nodeid.partition("::")[0]
            return file if file.endswith(TOGETHER) else nodeid

    return ByNeed(config, log)
