from __future__ import annotations

import typing
from collections import defaultdict
from typing import Any

import pytest
import typer

from nascence.cli import options
from nascence.cli.app import app

OWN = {"batch_size", "data", "device", "out", "seed", "space", "epochs", "overwrite", "scores", "preset"}
"""Names that mean different things in different commands, and say so in their help."""


def commands(group: Any = app, prefix: str = "") -> dict[str, Any]:
    """Every command's function, by what is typed."""
    found = {prefix + info.name: info.callback for info in group.registered_commands}
    for info in group.registered_groups:
        found |= commands(info.typer_instance, f"{prefix}{info.name} ")
    return found


def declarations() -> dict[str, dict[str, Any]]:
    """By parameter's name, each command's declaration of it."""
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for command, function in commands().items():
        for name, hint in typing.get_type_hints(function, include_extras=True).items():
            for declared in getattr(hint, "__metadata__", ()):
                found[name][command] = declared
    return found


SHARED = {name: uses for name, uses in declarations().items() if len(uses) > 1}


def test_there_are_commands_and_shared_options() -> None:
    assert {"search", "train", "compare", "runs list", "datasets"} <= set(commands())
    assert {"data", "data_dir", "max_params", "workers", "threads", "json", "run"} <= set(SHARED)


@pytest.mark.parametrize("name", sorted(set(SHARED) - OWN))
def test_an_option_of_several_commands_is_declared_once(name: str) -> None:
    (declared,) = {id(one): one for one in SHARED[name].values()}.values()
    assert declared.help
    assert any(declared in getattr(value, "__metadata__", ()) for value in vars(options).values())


@pytest.mark.parametrize("name", sorted(OWN & set(SHARED)))
def test_the_same_name_for_another_thing_has_another_help(name: str) -> None:
    distinct = list({id(one): one for one in SHARED[name].values()}.values())
    assert len(distinct) > 1
    assert len({one.help for one in distinct}) == len(distinct)


@pytest.mark.parametrize(
    ("command", "flag", "words"),
    [
        ("search", "--max-params", "At most this many parameters, such as 1e6 or 300k."),
        ("compare", "--max-flops", "(2 x MACs) for one image."),
        ("compare", "--max-latency-ms", "milliseconds for one image on this machine, in the --runtime."),
        ("score", "--workers", "Processes of one compute thread each [default: 1]."),
        ("compare", "--workers", "Processes of one compute thread each [default: 1]."),
        ("export", "--overwrite", "Replace the file given by --out."),
        ("correlate", "--overwrite", "Replace the file given by --out."),
        ("train", "--overwrite", "Replace what an earlier run left in the same place."),
        ("export", "--untrained", "freshly initialised, not trained."),
    ],
)
def test_the_help_shows_it(nascence_command: Any, command: str, flag: str, words: str) -> None:
    shown = nascence_command(command, "--help")
    assert shown.code == 0
    text = " ".join(shown.out.split())
    assert flag in text
    assert words in text


def test_a_command_line_parses_as_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: dict[str, Any] = {}

    def command(max_params: options.MaxParams = None, workers: options.Workers = None) -> None:
        parsed.update(max_params=max_params, workers=workers)

    toy = typer.Typer()
    toy.command()(command)
    toy(args=["--max-params", "1e6"], standalone_mode=False)
    assert parsed == {"max_params": 1e6, "workers": None}
