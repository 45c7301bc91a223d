"""Folders of pictures to restore, told from folders of classes by their names: both hold pictures and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

PICTURES = "pictures"
TO_RESTORE = "add --task denoise --sigma 25, or --task super-resolve --scale 2"
_SETS = re.compile(
    r"(set\d+|c?bsds?\d+|b100|urban100|manga109|kodak\d*|mcmaster|div2k.*|flickr2k|train\d+|general100|t91)",
    re.IGNORECASE,
)


def sets_of_pictures(path: Path) -> list[Path]:
    """The folders in ``path``, and in its folders, that are called as a well-known set of pictures is, such as Set12 or
    BSD68; sorted, and none where ``path`` cannot be read."""
    found: list[Path] = []
    for folder in _folders(path):
        found += [folder] if _is_set(folder) else filter(_is_set, _folders(folder))
    return found


def _is_set(folder: Path) -> bool:
    return _SETS.fullmatch(folder.name) is not None


def _folders(path: Path) -> list[Path]:
    try:
        return sorted(entry for entry in path.iterdir() if entry.is_dir())
    except OSError:
        return []


__all__ = ["PICTURES", "TO_RESTORE", "sets_of_pictures"]
