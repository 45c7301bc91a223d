"""``nascence attack``: how robust a trained network is."""

from __future__ import annotations

from typing import Annotated

import typer

from nascence.cli import options
from nascence.cli.output import emit, human, table


def command(
    run: options.Run,
    attacks: Annotated[
        str, typer.Option(help="Which ones, separated by commas: fgsm, pgd, apgd.", metavar="NAMES")
    ] = "fgsm,pgd,apgd",
    eps: Annotated[
        str,
        typer.Option(
            help="How far every pixel may move, of a range of 0 to 1, such as 8/255; or several, separated by commas.",
            metavar="RADII",
        ),
    ] = "8/255",
    images: Annotated[int, typer.Option(help="Random test images that are attacked.", metavar="N")] = 1000,
    steps: Annotated[
        int | None, typer.Option(help="Of attacks that take several [default: pgd 20, apgd 50].", metavar="N")
    ] = None,
    restarts: Annotated[int, typer.Option(help="Attempts from random points.", metavar="N")] = 1,
    batch_size: Annotated[int, typer.Option(help="Images attacked at once.", metavar="N")] = 128,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    device: options.Device = "cpu",
    trust: options.Trust = False,
    json: options.Json = False,
) -> None:
    """Attack a trained network: how many test images it still tells right when every pixel may move a little."""
    from nascence.api.attacking import attack

    console = human(json)
    found = attack(
        run,
        attacks,
        eps,
        images=images,
        steps=steps,
        restarts=restarts,
        batch_size=batch_size,
        seed=seed,
        threads=threads,
        device=device,
    )
    from nascence.attacks.robustness import EVERYTHING  # help needs no PyTorch

    names = {"none": "none", EVERYTHING: "worst of all"}
    rows = [
        (
            names.get(row["attack"], row["attack"]),
            row["radius"] if row["eps"] else "",
            f"{row['accuracy']:.2f} %",
            f"{row['error']:.2f}",
            f"{row['images']:,}",
        )
        for row in found["attacks"]
    ]
    table(console, ("attack", "eps", "accuracy", "standard error", "images"), rows)
    for sign in (found["masking"] or {}).get("signs", []):
        console.print(f"Gradients may be masked: {sign}.", markup=False)
    if json:
        emit({"run": str(run), **found})
