from __future__ import annotations

import json
from typing import Any

import pytest

from nascence.errors import RunError
from nascence.reporting.attacked import attacked
from nascence.reporting.contents import Contents

ROWS = [
    {"attack": "none", "eps": 0.0, "radius": "0", "accuracy": 91.0, "error": 0.9, "images": 1000},
    {"attack": "pgd", "eps": 8 / 255, "radius": "8/255", "accuracy": 12.5, "error": 1.05, "images": 1000},
    {"attack": "mine <b>", "eps": 0.1, "radius": "0.1", "accuracy": 1.0, "error": 0.3, "images": 1000},
]


def section(fabricate: Any, value: Any) -> str:
    path = fabricate(training=True)
    (path / "attacks.json").write_text(json.dumps(value))
    return attacked(Contents.read(path))


def test_a_row_an_attack(fabricate: Any) -> None:
    text = section(fabricate, {"attacks": ROWS, "masking": {"signs": []}})
    assert "12.50 %" in text
    assert "8/255" in text
    assert "± 1.05" in text
    assert "mine &lt;b&gt;" in text
    assert "No sign of masked gradients" in text


def test_signs_of_masked_gradients(fabricate: Any) -> None:
    text = section(fabricate, {"attacks": ROWS, "masking": {"signs": ["the gradient is exactly zero at 40 %"]}})
    assert "may be masked: the gradient is exactly zero at 40 %." in text
    assert "No sign" not in text


def test_without_attacks_there_is_no_section(fabricate: Any) -> None:
    assert attacked(Contents.read(fabricate(training=True))) == ""


def test_a_damaged_file(fabricate: Any) -> None:
    with pytest.raises(RunError, match="damaged"):
        section(fabricate, {"attacks": [{"attack": "pgd"}]})
