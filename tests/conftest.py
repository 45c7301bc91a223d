"""One compute thread a test process: the tests run side by side, and small operations do not gain from more. A cache
folder of their own: what was kept by earlier runs on this machine changes nothing, and tests keep nothing there."""

from collections.abc import Iterator
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


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """For tests that set none, and for the programs that they start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setattr("nascence.costs.kept.usual_folder", lambda: None)  # no test has what another one measured
        yield


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
