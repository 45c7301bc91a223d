from __future__ import annotations

import hashlib
import io
import os
import pickle
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nascence.errors import DataError
from nascence.tasks import download as download_module
from nascence.tasks import load_task
from nascence.tasks.download import download, download_cifar10


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder; ``/short`` promises more bytes than it sends."""

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self.path != "/short":
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"x" * 10)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """(a folder, the address it is served at)."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def batch(first: int, count: int = 4) -> dict[bytes, Any]:
    """The official format: rows of 1024 red, 1024 green, 1024 blue values."""
    data = np.random.default_rng(first).integers(0, 256, (count, 3072), dtype=np.uint8)
    return {b"batch_label": b"a batch", b"labels": [(first + at) % 10 for at in range(count)], b"data": data}


def archive(path: Path, members: dict[str, Any]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, value in members.items():
            content = value if isinstance(value, bytes) else pickle.dumps(value, protocol=2)
            entry = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def official(path: Path) -> Path:
    batches = {f"data_batch_{at}": batch(4 * at) for at in range(1, 6)}
    return archive(path, {**batches, "test_batch": batch(0), "readme.html": b"<html>", "batches.meta": {b"a": [b"b"]}})


def test_the_archive_becomes_a_task(served: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, address = served
    file = official(folder / "cifar.tar.gz")
    told: list[tuple[int, int | None]] = []
    monkeypatch.setattr(
        download_module, "download_cifar10", partial(download_cifar10, url=f"{address}/{file.name}", sha256=None)
    )
    task = load_task(
        "cifar10", tmp_path / "data", download=True, progress=lambda done, total: told.append((done, total))
    )
    expected = torch.from_numpy(np.concatenate([batch(4 * at)[b"data"] for at in range(1, 6)])).view(-1, 3, 32, 32)
    assert torch.equal(task.train.images, expected)
    assert task.train.labels.tolist() == [at % 10 for at in range(4, 24)]
    assert len(task.test) == 4
    assert task.class_names[0] == "airplane"
    assert told[-1] == (file.stat().st_size,) * 2
    assert sorted(os.listdir(tmp_path / "data" / "cifar10")) == ["test.parquet", "train.parquet"]


def test_what_is_there_is_not_fetched_again(served: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = served
    download_cifar10(tmp_path / "cifar10", url=f"{address}/{official(folder / 'c.tar.gz').name}", sha256=None)
    assert len(load_task("cifar10", tmp_path, download=True).train) == 20


def test_the_hash_is_checked(served: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = served
    (folder / "file").write_bytes(b"content")
    right = hashlib.sha256(b"content").hexdigest()
    download(f"{address}/file", tmp_path / "copy", sha256=right)
    assert (tmp_path / "copy").read_bytes() == b"content"
    with pytest.raises(DataError, match="is not the expected file"):
        download(f"{address}/file", tmp_path / "copy", sha256=right[::-1])


@pytest.mark.parametrize(
    ("path", "message"), [("/nothing", "answered 404"), ("/short", "ended after 10 of 1000 bytes|cannot be fetched")]
)
def test_a_failed_fetch_leaves_nothing(served: tuple[Path, str], tmp_path: Path, path: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        download_cifar10(tmp_path / "cifar10", url=served[1] + path, sha256=None)
    assert list((tmp_path / "cifar10").iterdir()) == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x", "nonsense"])
def test_an_address_that_does_not_answer(tmp_path: Path, url: str) -> None:
    with pytest.raises(DataError, match="cannot be fetched"):
        download_cifar10(tmp_path / "cifar10", url=url)
    assert list((tmp_path / "cifar10").iterdir()) == []


class Evil:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("touch harm",)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"data_batch_1": Evil(), "test_batch": batch(0)}, "posix.system is not allowed|nt.system is not allowed"),
        ({"data_batch_1": batch(1)}, "lacks data_batch_1 or test_batch"),
        ({"data_batch_1": b"rubbish", "test_batch": batch(0)}, "is not the CIFAR-10 archive"),
        ({"data_batch_1": [1, 2], "test_batch": batch(0)}, "is not the CIFAR-10 archive"),
        ({"data_batch_1": {b"data": np.zeros((2, 5)), b"labels": [1, 2]}, "test_batch": batch(0)}, "is not the CIFAR"),
    ],
)
def test_a_foreign_archive_is_refused_and_never_executed(
    served: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, members: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    file = archive(served[0] / "c.tar.gz", members)
    with pytest.raises(DataError, match=message):
        download_cifar10(tmp_path / "cifar10", url=f"{served[1]}/{file.name}", sha256=None)
    assert not (tmp_path / "harm").exists()
    assert list((tmp_path / "cifar10").iterdir()) == []


def test_what_is_no_archive_is_refused(served: tuple[Path, str], tmp_path: Path) -> None:
    (served[0] / "page").write_text("<html>sorry</html>")
    with pytest.raises(DataError, match="is not the CIFAR-10 archive"):
        download_cifar10(tmp_path / "cifar10", url=f"{served[1]}/page", sha256=None)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot be stored in"):
        download_cifar10(tmp_path / "file" / "cifar10", url="http://127.0.0.1:1/")
