"""Whose code may run: what this user named before, what is trusted now, nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nascence import trusting
from nascence.trusting import is_trusted, remember, trust_everything


@pytest.fixture(autouse=True)
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user who has run nothing; gives where is written what they run."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("NASCENCE_TRUSTED", "")
    monkeypatch.setattr(trusting, "_everything", False)
    return tmp_path / "nascence" / "trusted"


def test_only_what_was_run_before_is_trusted_the_function_included(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_trusted(b"a file", "build")
    remember(b"a file", "build")
    monkeypatch.setenv("NASCENCE_TRUSTED", "")  # another process
    assert is_trusted(b"a file", "build")
    assert not is_trusted(b"a file", "wipe")
    assert not is_trusted(b"a file\n", "build")


def test_digests_do_not_run_into_each_other() -> None:
    remember(b"ab", "c")
    assert not is_trusted(b"a", "bc")


def test_all_is_trusted_on_demand_and_remembered() -> None:
    trust_everything()
    assert is_trusted(b"a file", "build")
    trust_everything(False)
    assert is_trusted(b"a file", "build")
    assert not is_trusted(b"another", "build")


def test_without_a_folder_it_holds_for_this_process_and_its_children(stranger: Path) -> None:
    stranger.parent.touch()  # a file where the folder would be
    remember(b"a file", "build")
    remember(b"a file", "build")
    assert is_trusted(b"a file", "build")
    assert "," not in os.environ["NASCENCE_TRUSTED"], "once"
    os.environ["NASCENCE_TRUSTED"] = ""
    assert not is_trusted(b"a file", "build")


def test_a_folder_in_the_place_of_a_digest_is_nothing(stranger: Path) -> None:
    remember(b"a file", "build")
    (digest,) = stranger.iterdir()
    digest.unlink()
    digest.mkdir()
    os.environ["NASCENCE_TRUSTED"] = ""
    assert not is_trusted(b"a file", "build")
