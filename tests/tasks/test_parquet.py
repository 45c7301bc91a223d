from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from nascence.errors import DataError
from nascence.tasks import decoding, load_task

Encode = Callable[..., bytes]
Write = Callable[..., Path]


@pytest.fixture
def write(encode: Encode) -> Write:
    """Writes a table whose image ``i`` has the value ``i``."""

    def write(path: Path, labels: list[Any], *, image: str = "img", struct: bool = True, metadata: Any = None) -> Path:
        images: list[Any] = [encode(at) for at in range(len(labels))]
        if struct:
            images = [{"bytes": data, "path": None} for data in images]
        path.parent.mkdir(parents=True, exist_ok=True)
        table = pa.table({"id": list(range(len(labels))), image: images, "label": labels})
        pq.write_table(table.replace_schema_metadata(metadata), path, row_group_size=3)
        return path

    return write


@pytest.mark.parametrize("struct", [True, False])
@pytest.mark.parametrize("image", ["img", "image"])
def test_a_single_file_is_split(tmp_path: Path, image: str, struct: bool, write: Write) -> None:
    task = load_task(str(write(tmp_path / "toy.parquet", [0, 1] * 10, image=image, struct=struct)))
    assert task.name == "toy"
    assert (len(task.train), len(task.test)) == (16, 4)
    assert task.train.images.shape[1:] == (3, 6, 6)
    assert (task.train.images[:, 0, 3, 3] % 2 == task.train.labels).all()


def test_a_folder_with_parts_by_name(tmp_path: Path, write: Write) -> None:
    write(tmp_path / "toy" / "train-00000-of-00002.parquet", [0, 1, 0])
    write(tmp_path / "toy" / "train-00001-of-00002.parquet", [1, 1])
    write(tmp_path / "toy" / "test-00000-of-00001.parquet", [1])
    task = load_task(str(tmp_path / "toy"))
    assert task.train.labels.tolist() == [0, 1, 0, 1, 1]
    assert task.train.images[:, 0, 3, 3].tolist() == [0, 1, 2, 0, 1]
    assert task.test.labels.tolist() == [1]


def test_text_labels_and_labels_with_gaps_are_mapped(tmp_path: Path, write: Write) -> None:
    task = load_task(str(write(tmp_path / "a.parquet", ["dog", "cat"] * 5)))
    assert task.label_mapping == {"cat": 0, "dog": 1}
    task = load_task(str(write(tmp_path / "b.parquet", [-1, 900] * 5)))
    assert task.label_mapping == {-1: 0, 900: 1}
    assert task.class_names == ("-1", "900")


def test_class_names_from_the_file_s_metadata(tmp_path: Path, write: Write) -> None:
    features = {"img": {"_type": "Image"}, "label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    task = load_task(str(write(tmp_path / "toy.parquet", [0, 1] * 5, metadata=metadata)))
    assert task.class_names == ("cat", "dog")
    metadata = {"huggingface": "{broken"}
    assert load_task(str(write(tmp_path / "toy.parquet", [0, 1] * 5, metadata=metadata))).class_names == ("0", "1")


def test_many_images_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write) -> None:
    path = write(tmp_path / "toy.parquet", [0, 1] * 10)
    monkeypatch.setattr(decoding, "STORED_FROM", 20)
    first = load_task(str(path))
    images = [first.train.images.clone(), first.test.images.clone()]
    once = decoding.decode_picture
    monkeypatch.setattr(decoding, "decode_picture", lambda *_: pytest.fail("decoded again"))
    monkeypatch.setattr(decoding, "_decode", lambda source, size: once(source[0], source[1], size))
    again = load_task(str(path))
    assert again.train.mapped
    assert torch.equal(again.train.images, images[0])
    assert torch.equal(again.test.images, images[1])


def rewrite(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_tables_that_cannot_serve_are_refused(tmp_path: Path, encode: Encode, write: Write) -> None:
    path = tmp_path / "toy.parquet"
    image = encode()
    cases: list[tuple[dict[str, Any], str]] = [
        (
            {"pixels": [image], "label": [0]},
            r"needs the columns 'img' \(or 'image'\) and 'label', but has: pixels, label",
        ),
        ({"img": [image], "target": [0]}, "but has: img, target"),
        ({"img": [image, image], "label": [0, None]}, "1 rows without a label; label or remove them"),
        ({"img": [image, None], "label": [0, 1]}, "1 rows without an image"),
        ({"img": [{"bytes": None}, {"bytes": image}], "label": [0, 1]}, "1 rows without an image"),
        ({"img": [{"path": "a.png"}], "label": [0]}, "hold no encoded bytes"),
        ({"img": ["a.png"], "label": [0]}, "of type string; expected the bytes"),
        ({"img": [image], "label": pa.array([b"\xff"]).view(pa.string())}, "labels that are not valid text"),
        ({"img": [image], "label": [0.5]}, "labels in .* are of type double, such as 0.5; expected whole numbers"),
        ({"img": [image, b"rubbish"], "label": [0, 1]}, r"toy\.parquet, row 1, is not an image"),
        ({"img": pa.array([], pa.binary()), "label": pa.array([], pa.int64())}, "has no rows"),
        ({"img": [image] * 4, "label": [3] * 4}, "only the class '3'"),
    ]
    for columns, message in cases:
        with pytest.raises(DataError, match=message):
            load_task(str(rewrite(path, **columns)))


@pytest.mark.parametrize("keep", [0, 10, -20])
def test_a_damaged_file_is_named(tmp_path: Path, keep: int, write: Write) -> None:
    path = write(tmp_path / "toy.parquet", [0, 1] * 5)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"toy\.parquet is no valid parquet file"):
        load_task(str(path))


def test_a_folder_without_training_files_is_refused(tmp_path: Path, write: Write) -> None:
    write(tmp_path / "toy" / "test.parquet", [0, 1])
    with pytest.raises(DataError, match=r"no parquet file with training images .*; expected train\.parquet"):
        load_task(str(tmp_path / "toy"))
