"""What schemas of files are made of (:mod:`nascence.reading` checks files against them)."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(max_length=100_000)]
Name = Annotated[str, Field(max_length=1_000)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Amount = Annotated[int, Field(ge=1, le=2**20)]
"""Of a network, of pictures, of a number of threads: a million is absurd for each."""


class FileEntry(BaseModel):
    """An object in a file. Numbers are finite, nothing is converted (a text is no number), and there may be more."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)


__all__ = ["Amount", "Count", "FileEntry", "Name", "Text"]
