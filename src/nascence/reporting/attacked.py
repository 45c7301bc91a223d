"""The part of a report about attacks on the trained network."""

from __future__ import annotations

from nascence.reporting.contents import Contents
from nascence.reporting.markup import element, paragraph, table

_NAMES = {
    "none": "none",
    "fgsm": "FGSM, one step",
    "pgd": "PGD, random start",
    "apgd": "Auto-PGD, random start",
    "all": "worst of all",
}


def attacked(run: Contents) -> str:
    """How many test images are told right under every attack, and what speaks for masked gradients."""
    found = run.attacks
    if not found or not found.get("attacks"):
        return ""
    rows = [
        (
            _NAMES.get(row["attack"], row["attack"]),
            row.get("radius", "") if row["eps"] else "",
            f"{row['accuracy']:.2f} %",
            f"± {row['error']:.2f}",
            f"{row['images']:,}",
        )
        for row in found["attacks"]
    ]
    note = (
        "Random test images, moved by whoever knows the network's weights: every pixel by at most eps of its range of "
        "0 to 1. Measured; ± is the standard error over images."
    )
    parts = [paragraph(note, "note"), table(("attack", "eps", "told right", "", "images"), rows)]
    masking = found.get("masking")
    if masking is not None:
        signs = masking.get("signs", [])
        told = [f"Gradients may be masked: {sign}." for sign in signs]
        parts += [paragraph(text) for text in told]
        if not signs:
            parts.append(paragraph("No sign of masked gradients was found, which is no proof.", "note"))
    return element("section", element("h2", "Under attack", id="under-attack"), *parts, aria_labelledby="under-attack")


__all__ = ["attacked"]
