"""Weights of classes in a loss: balanced by how many examples each has, or from a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from nascence.errors import DataError, SettingError
from nascence.reading import parse_json, read_text


def balanced_weights(labels_N: Tensor, class_names: Sequence[str]) -> tuple[float, ...]:
    """N / (K n_k) for a class with n_k of N labels, of K classes (King & Zeng, Political Analysis 9(2), 2001): every
    class weighs the same in the sum, and the mean weight of an example is 1.

    Raises :class:`DataError` for a class without examples.
    """
    counts = labels_N.bincount(minlength=len(class_names)).tolist()
    for name, count in zip(class_names, counts, strict=True):
        if not count:
            raise DataError(f"The class '{name}' has no training examples, so it cannot be balanced.")
    return tuple(len(labels_N) / (len(counts) * count) for count in counts)


def weights_in_order(
    weights: Mapping[str, float] | Sequence[float], class_names: Sequence[str], data: str
) -> tuple[float, ...]:
    """One weight for each class; a class that a mapping leaves out weighs 1.

    Raises :class:`SettingError` for a class that is not there, and for weights that are no positive numbers.
    """
    if isinstance(weights, Mapping):
        for name in weights:
            if name not in class_names:
                known = ", ".join(class_names[:20]) + (", ..." if len(class_names) > 20 else "")
                raise SettingError(f"There is a weight for the class '{name}', but '{data}' has: {known}.")
        weights = [weights.get(name, 1.0) for name in class_names]
    if len(weights) != len(class_names):
        raise SettingError(f"There are {len(weights)} class weights for the {len(class_names)} classes of '{data}'.")
    for name, weight in zip(class_names, weights, strict=True):
        if not 0 < weight < float("inf"):
            raise SettingError(f"The weight of the class '{name}' must be a positive number, not {weight}.")
    return tuple(map(float, weights))


def read_class_weights(path: Path) -> dict[str, float]:
    """From a JSON object ``{"class": weight}``, or from lines ``class,weight``.

    Raises :class:`SettingError` when the file is not there, or is neither.
    """
    try:
        text = read_text(path, SettingError, what="the class weights in", pipe=True)
    except SettingError as error:
        raise SettingError(f"{str(error).rstrip('.')}; or type balanced.") from None
    try:
        found = (
            parse_json(text) if text.lstrip().startswith("{") else dict(map(_line, filter(str.strip, text.split("\n"))))
        )
        weights = {str(name): float(weight) for name, weight in found.items()}
        if not weights:
            raise ValueError("empty")
        return weights
    except (ValueError, TypeError, AttributeError, OverflowError):
        raise SettingError(
            f'{path} holds no class weights; expected a JSON object such as {{"cat": 2.0}}, or lines such as cat,2.0.'
        ) from None


def _line(text: str) -> tuple[str, str]:
    name, comma, weight = text.strip().rpartition(",")
    if not comma:
        raise ValueError(text)
    return name.strip(), weight


__all__ = ["balanced_weights", "read_class_weights", "weights_in_order"]
