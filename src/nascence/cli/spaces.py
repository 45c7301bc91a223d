"""``nascence spaces``: which search spaces there are."""

from __future__ import annotations

from nascence.cli import options
from nascence.cli.output import emit, human, table


def command(json: options.Json = False) -> None:
    """List the search spaces, their sizes and choices."""
    from nascence.configuration import to_json
    from nascence.spaces import SPACES, get_space

    found = []
    for name in SPACES.names():
        space = get_space(name)
        choices = [{"name": choice.name, "options": list(choice.options)} for choice in space.choices]
        networks = {size: to_json(network) for size, network in space.networks.items()}
        found.append({"name": name, "size": space.size, "choices": choices, "networks": networks})
    if json:
        emit({"spaces": found})
        return
    rows = []
    for entry in found:
        size = entry["size"]
        assert isinstance(size, int)
        summary = (space := get_space(str(entry["name"]))).__doc__ or ""
        large = f"{size:,}" if size < 1e9 else f"{size:.2g}"
        rows.append([entry["name"], large, len(space.choices), " ".join(summary.split())])
    table(human(json), ("space", "architectures", "choices", "about"), rows)
