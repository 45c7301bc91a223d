"""What a training is asked to train."""

import json

import pytest

from nascence.api.trainable import given_record, run_of
from nascence.architecture import Architecture
from nascence.errors import ArchitectureError
from nascence.runs import RunDirectory

TEXT = "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|"


def test_a_run_a_file_and_a_text(tmp_path):
    run = RunDirectory.create(tmp_path / "run", {"kind": "search", "seed": 0})
    assert run_of(run) is run
    assert run_of(str(run.path)).path == run.path
    assert run_of(TEXT) is None
    architecture = Architecture.from_string(TEXT, "nas-bench-201")
    file = tmp_path / "architecture.json"
    file.write_text(json.dumps({**architecture.to_dict(), "data": "digits"}))
    assert run_of(file) is None
    assert given_record(file, None)["data"] == "digits"
    assert given_record(TEXT, "nas-bench-201") == given_record(architecture, None) == architecture.to_dict()


def test_what_is_neither_is_one_sentence(tmp_path):
    with pytest.raises(ArchitectureError, match="neither a run directory nor a file"):
        given_record("nothing", None)
    file = tmp_path / "architecture.json"
    file.write_text(json.dumps(Architecture.from_string(TEXT, "nas-bench-201").to_dict()))
    with pytest.raises(ArchitectureError, match="is an architecture of nas-bench-201, not of darts"):
        given_record(file, "darts")
