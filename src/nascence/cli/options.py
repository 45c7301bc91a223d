"""Options that several commands share: each is declared here, and only here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nascence.configuration import number
from nascence.trusting import trust_everything

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout; words go to stderr.")]
_DATA = "digits, cifar10, a name under --data-dir, or a path: class folders, parquet, npz"
Data = Annotated[str | None, typer.Option("--data", help=f"{_DATA}.", metavar="DATA")]
DataOrDigits = Annotated[str | None, typer.Option("--data", help=f"{_DATA} [default: digits].", metavar="DATA")]
ASSUMED = "digits"


def tell_assumed(json: bool) -> None:
    """The sentence of a command that took :data:`ASSUMED`, since no data were named."""
    from nascence.cli.output import human

    human(json).print(f"No data were named, so this is about {ASSUMED}; name yours with --data.", markup=False)


DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Where named data lie [default: $NASCENCE_DATA, else the user's cache folder]."),
]
ImageSize = Annotated[
    int | None,
    typer.Option(
        "--image-size",
        help="Bring images to this many pixels square [default: as they are; of several sizes, one that suits most].",
        metavar="N",
    ),
]
Task = Annotated[
    str | None,
    typer.Option(
        "--task", help="What the data are for, such as classify [default: what they look like].", metavar="KIND"
    ),
]
TaskSettings = Annotated[
    list[str] | None,
    typer.Option("--task-set", help="A setting of the task, name=value; may be repeated.", metavar="NAME=VALUE"),
]
Sigma = Annotated[
    str | None, typer.Option("--sigma", help="Short for --task-set sigma=..., of denoising.", metavar="S")
]
Scale = Annotated[
    int | None, typer.Option("--scale", help="Short for --task-set scale=..., of super-resolution.", metavar="N")
]
Space = Annotated[str, typer.Option("--space", help="The search space; 'nascence spaces' lists them.")]
SearchSpace = Annotated[
    str | None,
    typer.Option(
        "--space",
        help="The search space; 'nascence spaces' lists them [default by data: nas-bench-201; for graphs sane].",
    ),
]
MaybeSpace = Annotated[str | None, typer.Option("--space", help="The space of an architecture that is given as text.")]
Seed = Annotated[int, typer.Option("--seed", help="Everything random follows from it.", min=-(2**63), max=2**63 - 1)]
Threads = Annotated[
    int | None, typer.Option("--threads", help="Compute threads [default: PyTorch's choice].", metavar="N")
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        help="Where networks compute: auto (a GPU where there is one), cpu, cuda, cuda:N or mps.",
        metavar="DEVICE",
    ),
]
MaybeDevice = Annotated[
    str | None,
    typer.Option(
        "--device", help="Go on elsewhere than where it was begun: cpu, cuda, cuda:N or mps.", metavar="DEVICE"
    ),
]
Precision = Annotated[
    str, typer.Option("--precision", help="fp32, or bf16 for convolutions and matrices.", metavar="fp32|bf16")
]
Processes = Annotated[
    int,
    typer.Option(
        "--processes",
        help="So many processes take a share of every batch each, and average their gradients; on GPUs, one each.",
        metavar="N",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what an earlier run left in the same place.")]
OverwriteFile = Annotated[bool, typer.Option("--overwrite", help="Replace the file given by --out.")]


def amount(text: str) -> float:
    """A number as limits are typed: 1e6, 300k."""
    try:
        return number(text)
    except ValueError:
        raise typer.BadParameter(f"expected a positive number, such as 1e6 or 300k, not '{text}'") from None


MaxParams = Annotated[
    float | None,
    typer.Option("--max-params", help="At most this many parameters, such as 1e6 or 300k.", metavar="N", parser=amount),
]
MaxFLOPs = Annotated[
    float | None,
    typer.Option("--max-flops", help="At most this many FLOPs (2 x MACs) for one image.", metavar="N", parser=amount),
]
MaxLatencyMs = Annotated[
    float | None,
    typer.Option(
        "--max-latency-ms",
        help="At most this many milliseconds for one image on this machine, in the --runtime.",
        metavar="MS",
    ),
]
Runtime = Annotated[
    str | None,
    typer.Option(
        "--runtime",
        help="What latencies are of: onnx, the exported file in ONNX Runtime, or torch, the module in PyTorch "
        "[default: onnx, or what --latency-table was measured in].",
        metavar="NAME",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", help="Processes of one compute thread each [default: 1].", metavar="N", max=4096),
]
Download = Annotated[bool, typer.Option("--download", help="Fetch CIFAR-10 when it is missing.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="A setting, name=value, by its flat or nested name; may be repeated.",
        metavar="NAME=VALUE",
    ),
]
Preset = Annotated[
    str | None,
    typer.Option(
        help="The method's settings that --set leaves open: paper, laptop, ... [default: laptop, where there is one].",
    ),
]
_SIZE = (
    "[default by data: the space's own evaluation size (nas-bench-201: 16 channels, depth 5); for images of at most 16"
    " pixels, or fewer than 5,000, at most 16 channels and a fifth of the depth]."
)
Channels = Annotated[
    int | None,
    typer.Option("--channels", help=f"Channels of the first stage of the network to be trained {_SIZE}", metavar="N"),
]
Depth = Annotated[
    int | None,
    typer.Option(
        "--depth", help="Cells of the network to be trained, per stage (nas-bench-201) or in all (darts).", metavar="N"
    ),
]
Method = Annotated[str, typer.Option("--method", help="How to search; 'nascence methods' lists them.")]
MaybeMethod = Annotated[
    str | None,
    typer.Option(
        "--method",
        help="How to search; 'nascence methods' lists them [default: te-nas, for graphs sane, with --model dmasking].",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="Make your own network thinner: a Python file, which is run, and the function in it that returns a "
        "torch.nn.Module, such as mynet.py:build.",
        metavar="FILE.py:FUNCTION",
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option("--weights", help="The state dictionary of the --model's network, from torch.save.", metavar="FILE"),
]
_TARGET = typer.Argument(help="A run directory, an architecture.json, or an architecture's text.", metavar="TARGET")
Target = Annotated[str, _TARGET]
MaybeTarget = Annotated[str | None, _TARGET]
Objectives = Annotated[
    str | None,
    typer.Option(
        "--objectives",
        help="What a front is between, such as error,params,latency-ms: error, any cost, any score.",
        metavar="NAMES",
    ),
]
LatencyTable = Annotated[
    Path | None,
    typer.Option(
        "--latency-table",
        help="Predict latencies from this file, made by 'nascence measure', instead of measuring parts now.",
        metavar="FILE",
    ),
]
Run = Annotated[Path, typer.Argument(help="A run directory.", metavar="DIR")]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        callback=trust_everything,
        help="Run the Python file in the run of a network of somebody's own, where it is needed to make the network.",
    ),
]


def task_settings(given: list[str] | None, sigma: str | None, scale: int | None) -> list[str]:
    """All settings of a task as ``name=value`` texts."""
    short = {"sigma": sigma, "scale": scale}
    return [*(given or []), *(f"{name}={value}" for name, value in short.items() if value is not None)]
