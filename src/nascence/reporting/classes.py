"""The part of a report that is about classes: which are taken for which."""

from __future__ import annotations

from nascence.reporting.charts import heat_map
from nascence.reporting.contents import Contents
from nascence.reporting.markup import element, paragraph, table
from nascence.reporting.sections import section

_MOST_CLASSES, _MOST_PAIRS = 30, 8


def confusion(run: Contents) -> str:
    """Which classes are taken for which, and the pairs most often confused."""
    counts = (run.metrics or {}).get("confusion")
    if not counts:
        return ""
    names = run.class_names if len(run.class_names) == len(counts) else [str(at) for at in range(len(counts))]
    totals = [sum(row) or 1 for row in counts]
    parts = [paragraph(f"Rows: what one is. Columns: what it was called. Counts of test {run.examples}.", "note")]
    if len(names) <= _MOST_CLASSES:
        shades = [[value / total for value in row] for row, total in zip(counts, totals, strict=True)]
        texts = [[str(value) if value else "" for value in row] for row in counts]
        drawing = heat_map(
            "Confusion of classes", names, names, shades, texts, row_label="is", column_label="was called"
        )
        parts.append(
            element("div", drawing, class_="scroll", tabindex=0, role="region", aria_label="confusion of classes")
        )
    pairs = [(counts[i][j], i, j) for i in range(len(counts)) for j in range(len(counts)) if i != j and counts[i][j]]
    pairs.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    if pairs:
        rows = [(names[i], names[j], value, f"{100 * value / totals[i]:.1f} %") for value, i, j in pairs[:_MOST_PAIRS]]
        parts.append(element("h3", "Most often confused"))
        parts.append(table(("is", "was called", run.examples, "of its class"), rows))
    else:
        parts.append(paragraph(f"None of the test {run.examples} was taken for another class."))
    shares = sorted((100 * counts[i][i] / totals[i], names[i]) for i in range(len(names)) if sum(counts[i]))
    mean = sum(value for value, _ in shares) / len(shares)
    parts.append(paragraph(f"Balanced accuracy, the mean of the classes' own (their recall): {mean:.2f} %."))
    accuracies = table(("class", "accuracy"), [(name, f"{value:.1f} %") for value, name in shares])
    parts.append(element("details", element("summary", "Accuracy of each class"), accuracies))
    return section("Which classes are confused", *parts)


__all__ = ["confusion"]
