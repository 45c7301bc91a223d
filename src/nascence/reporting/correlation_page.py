"""One self-contained page about a judgement of scores: a table, and a scatter plot for every score."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascence.benchmarks.correlation import NDCG_AT
from nascence.benchmarks.judging import Judgement

Floats = NDArray[np.float64]
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 340, 250, 46, 36, 26
_SHADES = ((1, 0.18), (2, 0.35), (4, 0.6), (9, 0.95))
"""From how many points at a place on: the opacity of its dot."""
_STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --soft: #5b6472; --grid: #dde1e8; --paper: #ffffff; --dot: #3578d4 }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ebf0; --soft: #a3acba; --grid: #39414e; --paper: #14181f } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 76rem;
  margin: 2rem auto; padding: 0 1rem }
.scroll { overflow-x: auto } table { border-collapse: collapse; white-space: nowrap }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--grid); text-align: right }
th:first-child, td:first-child { text-align: left }
.plots { display: flex; flex-wrap: wrap; gap: 1rem } p { max-width: 60rem } .soft { color: var(--soft) }
svg { max-width: 100%; height: auto }
"""


def correlation_page(judgement: Judgement) -> str:
    """The page as HTML. It loads nothing from elsewhere."""
    title = f"Scores of {judgement.space} against {judgement.column}"
    left_out = f" {judgement.left_out:,} scored architectures have no number there." if judgement.left_out else ""
    about = (
        f"{judgement.count:,} architectures, judged by the column {judgement.column} of {judgement.table}.{left_out} "
        f"Scores: seed {judgement.settings['seed']}, draws {judgement.settings['draws']}, data "
        f"{judgement.settings['data']['name']}."
    )
    plots = "".join(scatter(row, judgement.values[row["score"]], judgement) for row in judgement.rows)
    title_of_draws, rows = single_draws(judgement)
    drawn = f"<h2>{escape(title_of_draws)}</h2>\n{_table(('score', *SINGLE_DRAWS), rows)}\n" if rows else ""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n'
        f"<body><h1>{escape(title)}</h1><p>{escape(about)}</p>\n{_table(HEAD, map(cells, judgement.rows))}\n"
        f'<p class="soft">{escape(explanation())}</p>\n{drawn}<div class="plots">{plots}</div></body></html>\n'
    )


def explanation() -> str:
    """What the columns mean, in words."""
    return (
        "Intervals: 95 %, bootstrap over architectures. Best tenth: Kendall among the tenth of architectures that are "
        f"best in the table. nDCG: of the {NDCG_AT:,} best-ranked, gain 2^value - 1 in percent. Given params: partial "
        "correlation. Top k: the table's mean of the k best-ranked, and regret, by how much the best of them falls "
        "short of the best there is. A value that is not finite ranks last; equal scores count in random order."
    )


HEAD = (
    "score",
    "Kendall",
    "",
    "Spearman",
    "",
    "best tenth",
    "nDCG",
    "Kendall given params",
    "Spearman given params",
    "top 1",
    "regret",
    "top 10",
    "regret",
    "top 100",
    "regret",
)


SINGLE_DRAWS = {
    "Kendall": "kendall",
    "Spearman": "spearman",
    "best tenth": "kendall_best_tenth",
    "nDCG": "ndcg",
}
"""Of the table about single draws: the heads after the score's name, and the keys below ``single_draws``."""


def cells(row: dict[str, Any]) -> list[str]:
    """A row of the judgement as text, under :data:`HEAD`."""

    def decimal(value: float | None) -> str:
        return "–" if value is None else f"{value:.3f}"

    def interval(ends: tuple[float, float] | None) -> str:
        return "" if ends is None else f"{ends[0]:.3f} to {ends[1]:.3f}"

    found = [_name(row), decimal(row["kendall"]), interval(row["kendall_interval"])]
    found += [decimal(row["spearman"]), interval(row["spearman_interval"]), decimal(row["kendall_best_tenth"])]
    found += [decimal(row[key]) for key in ("ndcg", "kendall_given_params", "spearman_given_params")]
    for top in ("1", "10", "100"):
        best = row["best_ranked"].get(top)
        found += ["–", "–"] if best is None else [f"{best['mean']:.2f}", f"{best['regret']:.2f}"]
    return found


def single_draws(judgement: Judgement) -> tuple[str, list[list[str]]]:
    """A title and rows under ``score`` and :data:`SINGLE_DRAWS`; no rows where nothing was drawn more than once."""
    rows = []
    for row in judgement.rows:
        if row["single_draws"]:
            found = [row["single_draws"][key] for key in SINGLE_DRAWS.values()]
            rows.append([_name(row), *("–" if one is None else f"{one[0]:.3f} ± {one[1]:.3f}" for one in found)])
    return f"One draw at a time: mean ± standard deviation over {judgement.settings['draws']} draws", rows


def _name(row: dict[str, Any]) -> str:
    return row["score"] if row["larger_is_better"] else f"{row['score']} (smaller is better)"


def _table(names: Iterable[str], rows: Iterable[list[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def scatter(row: dict[str, Any], values: Floats, judgement: Judgement) -> str:
    """The table's value over the rank of the score, best right; where points coincide the dot is darker.

    Its size does not grow with the number of architectures: places are two pixels apart.
    """
    from scipy.stats import rankdata

    x = (rankdata(values) - 0.5) / len(values)
    low, high = float(judgement.truth.min()), float(judgement.truth.max())
    y = (judgement.truth - low) / ((high - low) or 1)
    across = 2 * np.rint((LEFT + x * (WIDTH - LEFT - 8)) / 2).astype(int)
    down = 2 * np.rint((HEIGHT - BOTTOM - y * (HEIGHT - BOTTOM - TOP)) / 2).astype(int)
    places, counts = np.unique(np.stack([across, down], 1), axis=0, return_counts=True)
    dots = ""
    for at, (least, opacity) in enumerate(_SHADES):
        most = _SHADES[at + 1][0] if at + 1 < len(_SHADES) else np.inf
        chosen = places[(counts >= least) & (counts < most)]
        if len(chosen):
            path = "".join(f"M{a} {b}h0" for a, b in chosen.tolist())
            dots += (
                f'<path d="{path}" stroke="var(--dot)" stroke-opacity="{opacity}" stroke-width="3" '
                'stroke-linecap="round" fill="none"/>'
            )
    tau = "undefined" if row["kendall"] is None else f"{row['kendall']:.3f}"
    title = f"{row['score']}: Kendall {tau}"
    ticks = ""
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        height = HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)
        ticks += (
            f'<line x1="{LEFT}" x2="{WIDTH - 8}" y1="{height:.1f}" y2="{height:.1f}" stroke="var(--grid)"/>'
            f'<text x="{LEFT - 6}" y="{height + 4:.1f}" text-anchor="end">{low + share * (high - low):.4g}</text>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" aria-label="{escape(title)}" font-family="system-ui, sans-serif" font-size="11" '
        f'fill="var(--soft)"><text x="{LEFT}" y="15" font-size="13" font-weight="600" fill="var(--ink)">'
        f"{escape(title)}</text>{ticks}{dots}"
        f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 10}" text-anchor="middle">rank of the score, best right</text>'
        "</svg>"
    )


__all__ = ["HEAD", "cells", "correlation_page", "explanation", "scatter"]
