"""``nascence datasets``: which data can be named."""

from __future__ import annotations

from nascence.cli import options
from nascence.cli.output import emit, human, table


def command(data_dir: options.DataDir = None, json: options.Json = False) -> None:
    """List the data sets that --data takes by name."""
    from nascence.tasks import describe_datasets, find_data_dir

    found = describe_datasets(data_dir)
    if json:
        emit({"data_dir": str(find_data_dir(data_dir)), "datasets": found})
        return
    console = human(json)
    rows = [
        [entry["name"], entry["kind"], "yes" if entry["available"] else "no", entry["path"], entry["note"]]
        for entry in found
    ]
    table(console, ("data set", "kind", "there", "path", ""), rows)
    console.print(f"Named data are looked for in {find_data_dir(data_dir)}; --data also takes a path.", markup=False)
