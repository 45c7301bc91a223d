"""Where the authors' graphs lie."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def real_data() -> Path:
    beside = Path(__file__).parents[4] / "shared" / "data"
    folder = Path(os.environ.get("NASCENCE_DATA_FOR_TESTS") or os.environ.get("NASCENCE_DATA") or beside)
    if not (folder / "graphs").is_dir() or not (folder / "planetoid").is_dir():
        pytest.skip("the graphs are neither in NASCENCE_DATA nor in ../shared/data")
    return folder
