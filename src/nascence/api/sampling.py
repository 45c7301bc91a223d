"""An ensemble drawn from a finished search that ended in one architecture: from the distribution that its relaxation
became, judged with the weights of its supernet."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from nascence.api.ensembles import FOUND, describe_found
from nascence.api.inputs import reload_task
from nascence.api.searching import PreparedSearch, SearchResult
from nascence.configuration import from_json
from nascence.engine.threads import compute_threads
from nascence.errors import SettingError
from nascence.methods.ness import NESS
from nascence.runs import SEARCH, RunDirectory, check_free
from nascence.runs.execution import read_checkpoint
from nascence.runs.progress import tell
from nascence.strategies.descent.bilevel import BilevelDescent
from nascence.strategies.ensembles import SVGDRD, EnsembleSearch, MonteCarlo, Sampler
from nascence.strategies.filling import FilledStrategy
from nascence.strategies.svgd import Logits

_KEPT = ("kind", "method", "settings", "preset", "space", "data", "data_dir", "image_size", "loading", "seed", "budget")
_KEPT_TOO = ("runtime", "latency_table", "network", "threads", "task")


def draw_ensemble(
    run: str | Path | RunDirectory,
    out: str | Path,
    *,
    members: int = 3,
    draws: int = 10,
    sampler: Literal["svgd-rd", "mc"] = "svgd-rd",
    diversity: float = 0.5,
    sigma: float = 0.5,
    svgd_steps: int = 1000,
    seed: int = 0,
    overwrite: bool = False,
    progress: bool = True,
) -> SearchResult:
    """Draw ``draws`` ensembles of ``members`` networks from what the relaxation of a finished search (``darts``,
    ``drnas``, any method of gradients) says of every option, as NESS draws them from its posterior; the one whose mean
    of outputs has the smallest loss on the search's held-out data becomes the new run ``out``, for :func:`train`.

    The search's own settings of weights are untouched; ``sampler`` and what follows are settings of
    :class:`nascence.methods.ness.NESS`. Raises :class:`SettingError` where the search has no relaxation, or the space
    fewer architectures than members; :class:`RunError` where it is not finished.
    """
    given = {"members": members, "draws": draws, "sampler": sampler, "diversity": diversity, "sigma": sigma}
    given |= {"svgd_steps": svgd_steps}
    checked = from_json(NESS, given)
    run = run if isinstance(run, RunDirectory) else RunDirectory.open(run)
    run.require_architecture()
    check_free(out, overwrite)
    with compute_threads(run.config["threads"]), run.locked():
        prepared = PreparedSearch(run.config, reload_task(run))
        finished = prepared.strategy
        descent = finished.inner if isinstance(finished, FilledStrategy) else finished
        descent = descent.descent if isinstance(descent, EnsembleSearch) else descent
        if not isinstance(descent, BilevelDescent):
            raise SettingError(
                f"{run.config['method']} leaves no distribution over architectures from which an ensemble could be "
                "drawn; methods of gradients do, such as darts, drnas or gdas."
            )
        finished.load_state_dict(read_checkpoint(run, SEARCH)["state"])
        chosen: Sampler = MonteCarlo() if sampler == "mc" else SVGDRD(diversity, sigma, svgd_steps)

        def logits() -> list[Logits]:
            if isinstance(finished, EnsembleSearch):
                return [finished.logits()]
            return [{name: value.detach().log() for name, value in descent.relaxation.mean().items()}]

        strategy = EnsembleSearch(descent, logits, chosen, size=checked.members, draws=checked.draws, seed=seed)
        strategy.steps_done = descent.steps_done
        while not strategy.done:
            event = strategy.advance()
            if progress:
                tell(f"ensemble {event['draw']} of {draws}: loss {event['ensemble_loss']:.4f}")
        found = strategy.outcome()
        config = {name: run.config[name] for name in (*_KEPT, *_KEPT_TOO) if name in run.config}
        about = {"run": str(run.path), **given, "seed": seed}
        made = RunDirectory.create(Path(out), {**config, "ensemble_of": about}, overwrite)
        made.write_json(FOUND, describe_found(found, prepared.checker.model))
        own = run.read_json("architecture.json")
        record = {
            **{name: value for name, value in own.items() if name not in ("index", "latency_ms", "table", "policy")},
            **prepared.describe(found.picked),
            "search_seconds": own.get("search_seconds"),
            "ensemble": {"size": len(found.members), "index": found.pick},
            "ensemble_losses": [loss for loss, _ in strategy.ensembles],
        }
        made.write_json("architecture.json", record)
    return SearchResult(found.picked, made, record)


__all__ = ["draw_ensemble"]
