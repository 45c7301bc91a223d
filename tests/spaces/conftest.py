"""The published tables."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def table():
    """A function from a table's name to its columns as lists; skips where the data is absent."""
    folder = Path(os.environ.get("NASCENCE_DATA") or REPOSITORY.parent / "shared" / "data") / "tables"

    def read(name):
        path = folder / f"{name}.parquet"
        if not path.exists():
            pytest.skip(f"needs the table {name}.parquet under NASCENCE_DATA or ../shared/data")
        parquet = pytest.importorskip("pyarrow.parquet")
        return parquet.read_table(path).to_pydict()

    return read
