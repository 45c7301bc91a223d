"""``nascence train``: train a found architecture."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from nascence.cli import options
from nascence.cli.output import commands, count, emit, facts, human
from nascence.runs.directory import metric_of
from nascence.runs.progress import duration

_EXPORTS = {"onnx": "a file for ONNX Runtime", "python": "one Python file and its weights"}


def command(
    target: options.Target,
    pick: Annotated[
        str | None,
        typer.Option(
            help="Which network of a search's front: knee, an index, or limits such as max-params=5e5.", metavar="WHICH"
        ),
    ] = None,
    space: options.MaybeSpace = None,
    data: options.Data = None,
    data_dir: options.DataDir = None,
    out: Annotated[Path | None, typer.Option(help="The run directory to make, when TARGET is not one itself.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the data [default: by the amount of data].")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images a step [default: by the amount of data].")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="The highest learning rate [default: 0.1].")] = None,
    validation: Annotated[
        float | None,
        typer.Option(
            help="Part of the training images (of every class) to watch epochs by; the best one is kept, and the test"
            " images judge once. Folders train/, val/ and test/ need no such part.",
            metavar="PART",
        ),
    ] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop when so many epochs bring no better one on the validation part.")
    ] = None,
    class_weights: Annotated[
        str | None,
        typer.Option(
            help="For unequal classes: balanced, or a file of lines CLASS,WEIGHT (or a JSON object).",
            metavar="balanced|FILE",
        ),
    ] = None,
    adversarial: Annotated[
        str | None,
        typer.Option(help="Robust training: attack every batch first, by pgd (or fgsm); --set adversarial_eps=R."),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(
            help="Augment training images by a policy: a file, a run that found or used one, autoaugment, random or"
            " none [default: what the run's own search found].",
            metavar="FILE|RUN|autoaugment|random|none",
        ),
    ] = None,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Leave aside the weights that your own network brought.")
    ] = False,
    teacher: Annotated[
        bool, typer.Option("--teacher", help="Learn from the outputs of your whole network, as much as from the data.")
    ] = False,
    tune: Annotated[
        int | None,
        typer.Option(
            help="Try so many hyperparameters first, on the validation part alone, and train with the best (extra"
            " tuning).",
            metavar="TRIALS",
            min=1,
        ),
    ] = None,
    preset: Annotated[str | None, typer.Option(help="A published recipe: nas-bench-201 or darts.")] = None,
    settings: options.Settings = None,
    seed: Annotated[int | None, typer.Option(help="Of weights and batches [default: the search's].")] = None,
    channels: options.Channels = None,
    depth: options.Depth = None,
    image_size: options.ImageSize = None,
    task: options.Task = None,
    task_settings: options.TaskSettings = None,
    sigma: options.Sigma = None,
    scale: options.Scale = None,
    threads: options.Threads = None,
    device: options.Device = "cpu",
    precision: options.Precision = "fp32",
    processes: options.Processes = 1,
    channels_last: Annotated[
        bool, typer.Option("--channels-last", help="Images and features with their channels last in memory.")
    ] = False,
    compile: Annotated[bool, typer.Option("--compile", help="The network by torch.compile.")] = False,
    overwrite: options.Overwrite = False,
    download: options.Download = False,
    trust: options.Trust = False,
    json: options.Json = False,
) -> None:
    """Train an architecture. Stopped at any moment, the same command or 'nascence runs resume' goes on."""
    from nascence.api.training import train

    console = human(json)
    result = train(
        target,
        space=space,
        pick=pick,
        data=data,
        out=out,
        seed=seed,
        data_dir=data_dir,
        image_size=image_size,
        task=task,
        task_settings=options.task_settings(task_settings, sigma, scale),
        channels=channels,
        depth=depth,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        validation=validation,
        patience=patience,
        class_weights=class_weights,
        adversarial=adversarial,
        policy=policy,
        from_scratch=from_scratch,
        teacher=teacher,
        preset=preset,
        settings=settings or [],
        tune=tune,
        threads=threads,
        device=device,
        precision=precision,
        processes=processes,
        channels_last=channels_last,
        compile=compile,
        overwrite=overwrite,
        download=download,
    )
    show(console, result.run.path, dict(result.metrics))
    if json:
        emit({"run": str(result.run.path), **result.metrics})


def show(console: Any, path: Path, metrics: dict[str, Any]) -> None:
    """A finished training in a few lines, and what to type next."""
    from nascence.api.exporting import formats
    from nascence.runs import RunDirectory

    metric, examples = metric_of(metrics), metrics.get("examples", "images")
    watched = metrics.get("validation")
    facts(
        console,
        "Trained",
        [
            (
                metric["name"],
                f"{metrics[metric['name']]:.2f} {metric['unit']} on {metrics[f'test_{examples}']:,} test {examples}",
            ),
            ("balanced accuracy", _balanced(metrics)),
            ("augmented by", _augmented(metrics)),
            ("members", _members(metrics)),
            ("together", _together(metrics)),
            ("best epoch", None if watched is None else _best(watched, examples)),
            ("without edges", _alone(metrics, examples)),
            ("tuned", _tuned(metrics.get("tuning"))),
            ("parameters", count(metrics["params"])),
            ("computed on", metrics.get("device")),
            ("epochs", metrics["epochs"]),
            ("time", f"{duration(metrics['seconds'])}, {metrics[f'{examples}_per_second']:,.0f} {examples}/s"),
            ("kept in", path),
        ],
    )
    place = shlex.quote(str(path))
    commands(
        console,
        *((f"nascence export {place} --format {name}", _EXPORTS[name]) for name in formats(RunDirectory.open(path))),
        (f"nascence report {place}", "one page about the search and the network"),
    )


def _augmented(metrics: dict[str, Any]) -> str | None:
    """Where there was a policy."""
    policy = metrics["training"].get("policy")
    return None if policy is None else f"a policy of {count(len(policy['sub_policies']))} sub-policies"


def _members(metrics: dict[str, Any]) -> str | None:
    """Of an ensemble, each by itself."""
    if "members" not in metrics:
        return None
    name, unit = metrics["metric"]["name"], metrics["metric"]["unit"]
    return ", ".join(f"{row[name]:.2f}" for row in metrics["members"]) + f" {unit}"


def _together(metrics: dict[str, Any]) -> str | None:
    if "disagreement" not in metrics:
        return None
    told = f"NLL {metrics['nll']:.4f} nats, ECE {metrics['ece']:.2f} %"
    return f"{told}; pairs disagree on {metrics['disagreement']:.2f} % of {metrics['examples']}"


def _balanced(metrics: dict[str, Any]) -> str | None:
    """Where classes were weighted."""
    weighted = metrics["training"]["settings"].get("class_weights") is not None
    return f"{metrics['balanced_accuracy']:.2f} %, the mean of the classes'" if weighted else None


def _alone(metrics: dict[str, Any], examples: str) -> str | None:
    """Of graphs: what a network of the same width reaches that looks at every node by itself."""
    found, metric = metrics.get("without_edges"), metrics.get("metric")
    if found is None or metric is None:
        return None
    return f"{found['value']:.2f} {metric['unit']}, a network that sees each of the {examples} by itself"


def _tuned(found: dict[str, Any] | None) -> str | None:
    if found is None:
        return None
    values = ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in found["values"].items()
    )
    return f"trial {found['best_trial']} of {found['trials']}: {values}"


def _best(watched: dict[str, Any], examples: str) -> str:
    value = f"{watched['metric'].replace('_', ' ')} {watched['best']:.2f}"
    return f"{watched['best_epoch']} of {watched['of_epochs']}, {value} on {watched[examples]:,} validation {examples}"
