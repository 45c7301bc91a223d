from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nascence.streams import Forgiving, plain


def nascence(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A line of bash in which ``nascence`` is the program with the toy method."""
    script = folder / "nascence"
    script.write_text(
        f"#!{sys.executable}\nimport sys\nfrom nascence.cli import main\nfrom nascence.methods import METHODS\n"
        "METHODS.register('toy', 'nascence.testing.toy_method:ToyMethod')\nsys.exit(main())\n"
    )
    script.chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        ["/bin/bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )


TOY = "nascence search --method toy --channels 2 --depth 1 --out a"


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("nascence methods | true; exit ${PIPESTATUS[0]}", 141, ""),
        ("nascence spaces --json >/dev/full", 2, "No space is left on the device"),
        ("nascence spaces >/dev/full", 2, "No space is left on the device"),
        (f"{TOY} 2>/dev/full", 0, ""),
        (f"{TOY} 2>&-", 0, ""),
        (f"{TOY} >&-", 0, "Random"),
        (f"{TOY} 2>&1 | true; exit ${{PIPESTATUS[0]}}", 141, ""),
        (f"{TOY} --json >/dev/full", 2, "No space is left"),
    ],
)
def test_streams_that_take_nothing(tmp_path: Path, line: str, code: int, told: str) -> None:
    done = nascence(line, tmp_path)
    assert done.returncode == code, done
    assert "Traceback" not in done.stderr
    assert told in done.stderr or told == "Random"
    if TOY in line:
        assert (tmp_path / "a" / "architecture.json").is_file()


def test_a_terminal_does_not_obey_names() -> None:
    assert plain("a\x1b[31mb\x07\x9b\n\tc") == "a␛[31mb␇\ufffd\n\tc"
    assert plain("é\U0001f600") == "é\U0001f600"


def test_what_cannot_be_written_is_lost() -> None:
    with open("/dev/full", "w") as full:
        stream = Forgiving(full)
        print("text", file=stream, flush=True)
        print("text", file=stream, flush=True)
    print("text", file=Forgiving(None), flush=True)
    assert not Forgiving(None).isatty()
