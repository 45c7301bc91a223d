"""``nascence score``: numbers for architectures, without training."""

from __future__ import annotations

from typing import Annotated

import typer

from nascence.cli import options
from nascence.cli.output import emit, human, table


def command(
    architectures: Annotated[
        list[str] | None,
        typer.Argument(help="Architectures as text, run directories or architecture.json files.", metavar="ARCH..."),
    ] = None,
    scores: Annotated[
        str, typer.Option(help="Names, separated by commas; 'nascence scores' lists them.")
    ] = "ntk-condition,linear-regions",
    space: options.Space = "nas-bench-201",
    data: options.Data = "digits",
    data_dir: options.DataDir = None,
    image_size: options.ImageSize = None,
    random: Annotated[int, typer.Option(help="Also score this many random architectures.", metavar="N")] = 0,
    draws: Annotated[int, typer.Option(help="Average over this many draws of weights and images.", metavar="N")] = 1,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    download: options.Download = False,
    json: options.Json = False,
) -> None:
    """Score architectures without training them."""
    from nascence.api.scoring import score

    assert data is not None
    names = [name.strip() for name in scores.split(",") if name.strip()]
    found = score(
        architectures or [],
        names,
        space=space,
        data=data,
        data_dir=data_dir,
        image_size=image_size,
        random=random,
        draws=draws,
        seed=seed,
        threads=threads,
        download=download,
    )
    if json:
        emit({"data": data, "seed": seed, "architectures": found})
        return
    names = list(found[0]["scores"])
    rows = [[entry["architecture"], *(f"{entry['scores'][name]:,.6g}" for name in names)] for entry in found]
    table(human(json), ("architecture", *names), rows)
