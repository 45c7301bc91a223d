"""What a trained network is asked of new data, and what a kind of data answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from nascence.errors import SettingError

if TYPE_CHECKING:
    from torch import nn


@final
@dataclass(frozen=True, kw_only=True)
class Question:
    """``model``: a trained network, in evaluation mode. ``config``: of its run; its entry ``task`` is what
    :meth:`nascence.tasks.Task.describe` gave, ``data`` and ``data_dir`` say where the data lay. ``settings``: of the
    loader. ``paths``: files or folders to answer for; for some kinds of data none means the run's own data. ``out``: a
    folder, for a kind that answers in files; ``skip_damaged``: there, files that cannot be read are left out."""

    model: nn.Module
    config: Mapping[str, Any]
    settings: Any
    paths: tuple[Path, ...] = ()
    out: Path | None = None
    batch_size: int = 256
    skip_damaged: bool = False

    @property
    def described(self) -> Mapping[str, Any]:
        """What the run remembers of its task."""
        return self.config["task"]

    def some_paths(self, what: str) -> tuple[Path, ...]:
        """The paths. Raises :class:`SettingError` when there are none, or one of them is not there."""
        if not self.paths:
            raise SettingError(f"Name {what} to predict.")
        for path in self.paths:
            if not path.exists():
                raise SettingError(f"There is nothing at {path}; name {what} to predict.")
        return self.paths


Columns = Mapping[str, Sequence[Any]]
"""An answer: by name, a value for every thing that was asked about."""


__all__ = ["Columns", "Question"]
