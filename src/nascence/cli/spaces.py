"""``nascence spaces``: which search spaces there are."""

from __future__ import annotations

from nascence.cli import options
from nascence.cli.listings import listed
from nascence.cli.output import emit, human, table


def command(json: options.Json = False) -> None:
    """List the search spaces, their sizes and choices."""
    found = listed("spaces")
    if json:
        emit({"spaces": found})
        return
    rows = []
    for entry in found:
        size = entry["size"]
        large = f"{size:,}" if size < 1e9 else f"{size:.2g}"
        rows.append([entry["name"], large, len(entry["choices"]), entry["about"]])
    table(human(json), ("space", "architectures", "choices", "about"), rows)
