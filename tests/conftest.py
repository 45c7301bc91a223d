"""One compute thread a test process: the tests run side by side, and small operations do not gain from more. A cache
folder of their own: what was kept by earlier runs on this machine changes nothing, and tests keep nothing there."""

import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

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


@pytest.fixture(scope="session")
def table_tensors() -> Callable[..., tuple[tuple[str, ...], *tuple[Tensor, ...]]]:
    """A function from a table's name and columns to the options of a choice, and per column a tensor with a dimension
    per choice: an expectation under independent choices is then exact."""
    from nascence.benchmarks.tables import TABLES, load_table

    folder = Path(os.environ.get("NASCENCE_DATA") or Path(__file__).parents[2] / "shared" / "data")

    @functools.cache
    def read(name: str, *columns: str) -> tuple[tuple[str, ...], *tuple[Tensor, ...]]:
        if not (folder / "tables" / TABLES[name].file).exists():
            pytest.skip(f"needs the table {TABLES[name].file} under NASCENCE_DATA or ../shared/data")
        table = load_table(name, folder)
        choices = table.space.choices
        at = [
            tuple(choice.options.index(answer) for choice, answer in zip(choices, one.answers, strict=True))
            for one in table.architectures()
        ]
        found = []
        for column in columns:
            values = np.zeros([len(choice.options) for choice in choices])
            values[tuple(zip(*at, strict=True))] = table.column(column)
            found.append(torch.from_numpy(values))
        return choices[0].options, *found

    return read


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
