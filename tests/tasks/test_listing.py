from __future__ import annotations

import inspect
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nascence.errors import DataError
from nascence.runs import RunDirectory
from nascence.tasks import image_classes, load_task
from nascence.tasks.listing import Passed, files_below, look

Encode = Callable[..., bytes]
CASES = int(os.environ.get("NASCENCE_CASES", "60"))
JUNK = [
    ".DS_Store",
    "._1.png",
    ".hidden/1.png",
    ".hidden/deeper/1.png",
    "__MACOSX/1.png",
    "@eaDir/1.png/thumb.jpg",
    "Thumbs.db",
    "desktop.ini",
    "Icon\r",
    "1.png:Zone.Identifier",
    "#recycle/1.png",
    "lost+found/1.png",
]


def write(path: Path, content: bytes = b"not a picture") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize("where", ["", "cat", "cat/young"])
@pytest.mark.parametrize("name", JUNK)
def test_what_is_no_data_is_passed_over_at_any_depth(class_folders: Path, name: str, where: str) -> None:
    write(class_folders / where / name)
    (class_folders / "cat" / "young").mkdir(exist_ok=True)
    task = image_classes(load_task(str(class_folders)), "It")
    assert len(task.train) + len(task.test) == 20
    assert task.class_names == ("cat", "dog")
    assert "1 file or folder was passed over" in task.remarks[0]


def test_what_is_passed_over_is_counted_by_kind(class_folders: Path) -> None:
    for name in (".a", ".b/c", "Thumbs.db"):
        write(class_folders / "cat" / name)
    os.mkfifo(class_folders / "cat" / "pipe.png")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(class_folders / "dog")  # the path of a socket is short
        try:
            listener.bind("socket.png")
        finally:
            os.chdir(here)
    (remark,) = load_task(str(class_folders)).remarks
    assert remark.startswith("5 files and folders were passed over in ")
    assert "2 hidden, 1 of the operating system or a storage device, 2 pipes, sockets or devices" in remark
    assert Passed().note(class_folders) is None


@pytest.mark.parametrize("place", ["runs/a", "a run", "cat/a run", ".runs/a"])
def test_runs_in_the_data_folder_are_no_data(class_folders: Path, place: str) -> None:
    before = image_classes(load_task(str(class_folders)), "It")
    run = RunDirectory.create(class_folders / place, {"kind": "search", "space": "nas-bench-201"})
    write(run.path / "picture.png")
    write(class_folders / "comparison" / "plan.json", b'{"space": "x", "trained": false, "settings": {}}')
    write(class_folders / "comparison" / "random" / "seed-0" / "entry.json")
    after = image_classes(load_task(str(class_folders)), "It")
    assert after.digest == before.digest
    assert after.class_names == ("cat", "dog")


def test_a_class_may_be_called_runs(class_folders: Path, encode: Encode) -> None:
    write(class_folders / "runs" / "1.png", encode(mode="L"))
    write(class_folders / "runs" / "config.json.png", encode(mode="L"))
    assert image_classes(load_task(str(class_folders)), "It").class_names == ("cat", "dog", "runs")


def test_a_table_of_scores_beside_class_folders_is_no_data(class_folders: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"architecture": ["a"]}).replace_schema_metadata({b"nascence.scores": b"{}"})
    pq.write_table(table, class_folders / "scores.parquet")
    assert image_classes(load_task(str(class_folders)), "It").class_names == ("cat", "dog")
    pq.write_table(pa.table({"id": [1]}), class_folders / "other.parquet")  # nor one of somebody else
    assert image_classes(load_task(str(class_folders)), "It").class_names == ("cat", "dog")


def test_links_are_followed_wherever_they_lead(class_folders: Path, encode: Encode) -> None:
    outside = class_folders.parent / "elsewhere"
    write(outside / "deep" / "1.png", encode(mode="L"))
    (class_folders / "cat" / "link.png").symlink_to(outside / "deep" / "1.png")
    (class_folders / "cat" / "more").symlink_to(outside)
    (class_folders / "owl").symlink_to(outside)
    task = image_classes(load_task(str(class_folders)), "It")
    assert task.class_names == ("cat", "dog", "owl")
    assert len(task.train) + len(task.test) == 23


@pytest.mark.parametrize("where", ["", "cat", "cat/young"])
def test_links_that_lead_nowhere_are_named(class_folders: Path, where: str) -> None:
    (class_folders / "cat" / "young").mkdir()
    link = class_folders / where / "link"
    link.symlink_to("missing.png")
    with pytest.raises(DataError, match=r"link is a link to missing\.png, which is not there; bring it back or remove"):
        load_task(str(class_folders))
    link.unlink()
    link.symlink_to("link")
    with pytest.raises(DataError, match=r"link is a link to link, which cannot be read"):
        load_task(str(class_folders))
    link.unlink()
    link.symlink_to(class_folders)
    with pytest.raises(DataError, match=r"link is a link to .*pets, a folder that it lies in itself"):
        load_task(str(class_folders))
    link.unlink()
    (link.parent / ".#link").symlink_to("missing")  # an editor's, and hidden
    assert load_task(str(class_folders)).name == "pets"


def test_folders_and_files_come_in_order(class_folders: Path) -> None:
    assert [folder.name for folder in look(class_folders).folders] == ["cat", "dog"]
    write(class_folders / "cat" / "a" / "0.txt")
    files = [str(file.relative_to(class_folders)) for file in files_below(class_folders)]
    assert files == sorted(files, key=lambda name: (Path(name).parent, Path(name).name))


def test_folders_may_lie_deeper_than_python_s_calls(class_folders: Path) -> None:
    deep = class_folders / "cat" / "/".join("d" * 250)
    write(deep / "1.png")
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 200)  # enough for what is imported on the way
    try:
        files = files_below(class_folders)
    finally:
        sys.setrecursionlimit(before)
    assert deep / "1.png" in files


# Any tree -------------------------------------------------------------------------------------------------------------

_NAMES = ["cat", "dog", "train", "test", "val", "train_station", ".git", "@eaDir", "runs", "a b", "caf\udce9"]
_FILES = ["1.png", "2.PNG", ".3.png", "Thumbs.db", "4.txt", "5"]
_TREES: Any = st.recursive(
    st.dictionaries(
        st.sampled_from(_FILES), st.sampled_from(["picture", "text", "link", "dangling", "pipe"]), max_size=4
    ),
    lambda inner: st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4),
    max_leaves=8,
)
_CLASS = st.fixed_dictionaries(
    {"1.png": st.just("picture")},
    optional={
        "2.PNG": st.sampled_from(["picture", "link"]),
        ".3.png": st.sampled_from(["picture", "dangling"]),
        "Thumbs.db": st.just("text"),
        "5": st.sampled_from(["picture", "pipe"]),
        "more": _TREES,
        ".git": _TREES,
    },
)
_CLASSES = st.dictionaries(st.sampled_from(_NAMES), _CLASS, min_size=2, max_size=5)
_SPLITS = st.dictionaries(st.sampled_from(["train", "test", "val", ".git", "extra"]), _CLASSES, min_size=1)


def build(folder: Path, tree: dict[str, Any], picture: bytes) -> int:
    """Writes a tree; returns how many pictures in it count."""
    folder.mkdir(parents=True)
    count = 0
    for name, what in tree.items():
        path = folder / name
        counts = not name.startswith(".") and name not in ("@eaDir", "Thumbs.db")
        if isinstance(what, dict):
            count += build(path, what, picture) * counts
        elif what == "picture":
            path.write_bytes(picture)
            count += counts
        elif what == "link":
            path.symlink_to(folder.parents[len(folder.parents) - 1] / PICTURE[0])
            count += counts
        elif what == "dangling":
            path.symlink_to("nothing")
        elif what == "pipe":
            os.mkfifo(path)
        else:
            path.write_text("text")
    return count


PICTURE: list[str] = []


@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(tree=st.one_of(_TREES, _CLASSES, _SPLITS))
def test_any_tree_gives_every_picture_that_counts_or_one_sentence(
    tree: dict[str, Any], tmp_path_factory: pytest.TempPathFactory, encode: Encode
) -> None:
    root = tmp_path_factory.mktemp("tree")
    source = root / "source.png"
    source.write_bytes(encode(mode="L"))
    PICTURE[:] = [str(source).lstrip("/")]
    count = build(root / "data", tree, encode(mode="L"))
    try:
        task = image_classes(load_task(str(root / "data")), "It")
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017 (either way is right)
    else:
        assert len(task.train) + len(task.test) + (len(task.validation) if task.validation else 0) == count
        for name in task.class_names:
            name.encode()
