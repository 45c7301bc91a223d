from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascence import reading
from nascence.errors import ArchitectureError, RunError
from nascence.runs import files
from nascence.runs.schemas import Config, Event, Exports, FrontFile, Metrics


def test_a_plain_file_within_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert reading.read_bytes(path) == b"12345"
    assert reading.read_bytes(path, largest=5) == b"12345"
    with pytest.raises(ArchitectureError, match="5 bytes, more than the 4"):
        reading.read_bytes(path, ArchitectureError, largest=4)


def test_what_is_no_plain_file_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    for name, told in {
        str(tmp_path): "a directory",
        str(tmp_path / "pipe"): "a pipe, not a file",
        "/dev/zero": "a device",
        str(tmp_path / "nothing"): "No such file",
        str(tmp_path / "link"): "No such file",
        "n" * 300: "name too long",
    }.items():
        with pytest.raises(RunError, match=told) as caught:
            reading.read_bytes(name)
        assert "\n" not in str(caught.value)
        with pytest.raises(RunError, match=told):
            reading.check_plain(name)


def test_a_pipe_that_is_expected_is_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there, here = os.pipe()
    writer = threading.Thread(target=lambda: (os.write(here, b"a" * 100_000), os.close(here)))
    writer.start()
    assert reading.read_bytes(f"/dev/fd/{there}", pipe=True) == b"a" * 100_000
    writer.join()
    os.close(there)
    there, here = os.pipe()
    monkeypatch.setattr(reading, "PIPE_SECONDS", 0.05)
    with pytest.raises(RunError, match="nothing came through the pipe"):
        reading.read_bytes(f"/dev/fd/{there}", pipe=True)
    os.close(there)
    os.close(here)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"[" * 1_000_000, "nested more than 64"),
        (b"[" * 70 + b"]" * 70, "nested more than 64"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, "nested more than 64"),
        (b"\xff\xfe", "not valid JSON"),
        (b"", "not valid JSON"),
        (b"9" * 5000, "not valid JSON"),
        (b"9" * 100, "more than 64 bits"),
        (b"NaN", "not finite"),
        (b"[1e999]", "not finite"),
        (b'"\\ud800"', "half a character"),
        (b'{"\\ud800": 1}', "half a character"),
    ],
)
def test_json_that_is_none_of_ours(text: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        reading.parse_json(text)


def test_json_that_is_read() -> None:
    assert reading.parse_json(b"[" * 60 + b"]" * 60)
    assert reading.parse_json('"\\udce4"') == "\udce4"  # a name that is not UTF-8, as Python keeps it
    assert reading.parse_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}  # as some editors begin a file
    assert reading.parse_json("[Infinity]", infinite=True) == [float("inf")]


@pytest.mark.parametrize(
    ("schema", "value", "told"),
    [
        (Config, {"task": {"mean": ["0.5"]}}, "task.mean.0: input should be a valid number"),
        (Config, {"task": {"mean": [float("nan")]}}, "finite"),
        (Config, {"task": {"std": [0.0]}}, "greater than 0"),
        (Config, {"task": {"input_shape": [3, 10**9, 8]}}, "less than or equal"),
        (Config, {"seed": "one"}, "seed"),
        (Config, {"network": []}, "network"),
        (Config, {"threads": True}, "threads"),
        (Metrics, {"accuracy": "high"}, "accuracy"),
        (Metrics, {"confusion": [[1, 2]]}, "K rows"),
        (Event, [], "valid dictionary"),
        (Event, {"weights": {"cell": [1.0]}}, "weights.cell.0"),
        (Exports, {"onnx; rm": {}}, "pattern"),
        (Exports, {"onnx": {"latencies": [{}]}}, "onnx.latencies.0.runtime"),
        (FrontFile, {"objectives": [], "knee": 0, "front": []}, "objectives"),
    ],
)
def test_a_schema_names_the_place(schema: type, value: object, told: str) -> None:
    with pytest.raises(RunError, match=f"^a.json is damaged: .*{told}"):
        reading.check(value, schema, "a.json")


def test_lines_are_checked_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"epoch": 1}\n{"epoch": 2}\n{"epo')
    assert list(reading.read_json_lines(path, Event)) == [{"epoch": 1}, {"epoch": 2}]
    for line, told in (("[]", "line 2"), ("{", "line 2: it is not valid JSON"), ('{"epoch": -1}', "line 2.*epoch")):
        path.write_text(f"{{}}\n{line}\n")
        with pytest.raises(RunError, match=told):
            list(reading.read_json_lines(path, Event))


def test_a_changed_value_does_not_fit_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    files.write_json(path, {"accuracy": 91.5, "name": "\udce4", "places": [1, None]})
    assert reading.read_json(path, Metrics) == {"accuracy": 91.5, "name": "\udce4", "places": [1, None]}
    told = path.read_text().replace("91.5", "97.5")
    path.write_text(told)
    with pytest.raises(RunError, match=r"does not fit its checksum; .* delete its entry 'checksum'"):
        reading.read_json(path)
    value = reading.parse_json(told)
    del value["checksum"]
    path.write_text(json.dumps(value))
    assert reading.read_json(path)["accuracy"] == 97.5
    lines = [files.json_line({"epoch": epoch}) for epoch in (1, 2)]
    path.write_bytes(b"".join(lines))
    assert list(reading.read_json_lines(path)) == [{"epoch": 1}, {"epoch": 2}]
    path.write_bytes(lines[0] + lines[1].replace(b" 2", b" 3"))
    with pytest.raises(RunError, match="line 2: its content does not fit"):
        list(reading.read_json_lines(path))


@given(st.binary(max_size=200) | st.text(alphabet='[]{}",:0123456789eE+-.truefalsn\\u d8', max_size=80))
def test_any_bytes_are_a_value_or_one_reason(content: bytes | str) -> None:
    reason = ""
    try:
        reading.parse_json(content)
    except ValueError as error:
        reason = str(error)
    assert reason == "" or reason.startswith("it ")
    assert "\n" not in reason
