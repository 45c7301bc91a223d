"""``nascence scores``: which training-free scores there are."""

from __future__ import annotations

from nascence.cli import options
from nascence.cli.listings import listed
from nascence.cli.output import emit, human, table


def command(json: options.Json = False) -> None:
    """List the scores that are computed without training."""
    found = listed("scores")
    if json:
        emit({"scores": found})
        return
    rows = [[e["name"], "larger" if e["larger_is_better"] else "smaller", e["description"], e["source"]] for e in found]
    table(human(json), ("score", "better", "about", "source"), rows)
