from __future__ import annotations

import json
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
    twice = pa.StructArray.from_arrays([pa.array([image]), pa.array([image])], ["bytes", "bytes"])
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
        ({"img": [image], "label": [float("inf")]}, "of type double, such as inf; expected whole numbers"),
        ({"img": [image] * 2, "label": [0.0, 1e300]}, "has a label of more than 64 bits"),
        ({"img": [image] * 2, "label": [Decimal(0), Decimal(10**30)]}, "has a label of more than 64 bits"),
        ({"img": twice, "label": [0]}, "have the field 'bytes' 2 times; keep one"),
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


def named(names: list[str]) -> dict[str, str]:
    return {"huggingface": json.dumps({"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}})}


def classes(task: Any) -> dict[str, list[int]]:
    """By class, what the images show."""
    found: dict[str, list[int]] = {}
    for part in filter(None, (task.train, task.validation, task.test)):
        for image, label in zip(part.images, part.labels.tolist(), strict=True):
            found.setdefault(task.class_names[label], []).append(int(image[0, 3, 3]))
    return {name: sorted(values) for name, values in found.items()}


def test_labels_of_several_files_are_matched_by_name(tmp_path: Path, write: Write) -> None:
    write(tmp_path / "toy" / "train.parquet", [0, 1, 0], metadata=named(["cat", "dog"]))
    write(tmp_path / "toy" / "train2.parquet", [2, 1], metadata=named(["cow", "cat", "dog"]))
    write(tmp_path / "toy" / "val.parquet", ["dog", "cat"])
    write(tmp_path / "toy" / "test.parquet", [1, 1, 0], metadata=named(["dog", "cat"]))
    task = load_task(str(tmp_path / "toy"))
    assert sorted(task.class_names) == ["cat", "dog"]
    assert classes(task)["cat"] == sorted([0, 2, 1, 1, 0, 1])
    assert classes(task)["dog"] == sorted([1, 0, 0, 2])


def test_numbers_and_texts_are_not_mixed(tmp_path: Path, write: Write) -> None:
    write(tmp_path / "train-0.parquet", [0, 1, 0, 1])
    write(tmp_path / "train-1.parquet", ["cat", "dog", "cat", "dog"])
    with pytest.raises(DataError, match=r"train-0\.parquet has labels such as 0, and .*train-1\.parquet such as 'cat'"):
        load_task(str(tmp_path))


def test_numbers_without_names_are_taken_as_the_others_and_told(tmp_path: Path, write: Write) -> None:
    write(tmp_path / "toy" / "train.parquet", [0, 1, 0], metadata=named(["cat", "dog"]))
    write(tmp_path / "toy" / "test.parquet", [1, 1, 0])
    task = load_task(str(tmp_path / "toy"))
    assert task.test.labels.tolist() == [1, 1, 0]
    assert any("test.parquet does not name its classes" in remark for remark in task.remarks)


def test_names_that_cannot_serve_are_refused(tmp_path: Path, write: Write) -> None:
    with pytest.raises(DataError, match=r"has the label -1, but names only the labels 0 to 1"):
        load_task(str(write(tmp_path / "a.parquet", [0, -1] * 5, metadata=named(["cat", "dog"]))))
    with pytest.raises(DataError, match=r"names the class 'cat' twice"):
        load_task(str(write(tmp_path / "a.parquet", [0, 1] * 5, metadata=named(["cat", "cat"]))))


def test_names_with_half_characters_are_spelled_out(tmp_path: Path, write: Write) -> None:
    task = load_task(str(write(tmp_path / "a.parquet", [0, 1] * 5, metadata=named(["\ud800", "dog"]))))
    assert task.describe()["class_names"] == ["\\ud800", "dog"]


# Any schema -----------------------------------------------------------------------------------------------------------

_LABELS: dict[str, Callable[[list[int]], Any]] = {
    "int8": lambda truth: pa.array(truth, pa.int8()),
    "uint64": lambda truth: pa.array(truth, pa.uint64()),
    "float": lambda truth: pa.array([float(label) for label in truth], pa.float32()),
    "double": lambda truth: pa.array([float(label) for label in truth]),
    "bool": lambda truth: pa.array([bool(label) for label in truth]),
    "decimal": lambda truth: pa.array([Decimal(label) for label in truth], pa.decimal128(9, 2)),
    "string": lambda truth: pa.array([str(label) for label in truth]),
    "large_string": lambda truth: pa.array([str(label) for label in truth], pa.large_string()),
    "string_view": lambda truth: pa.array([str(label) for label in truth], pa.string_view()),
    "dictionary": lambda truth: pa.array([str(label) for label in truth]).dictionary_encode(),
    "integer dictionary": lambda truth: pa.array(truth).dictionary_encode(),
    "with a hole": lambda truth: pa.array([None, *truth[1:]], pa.int64()),
    "halves": lambda truth: pa.array([label + 0.5 for label in truth]),
    "not a number": lambda truth: pa.array([float("nan"), *truth[1:]]),
    "infinite": lambda truth: pa.array([float("inf"), *truth[1:]]),
    "list": lambda truth: pa.array([[label] for label in truth]),
    "date": lambda truth: pa.array(truth, pa.int32()).cast(pa.date32()),
}
_GOOD = list(_LABELS)[:11]
_IMAGES: dict[str, Callable[[list[bytes]], Any]] = {
    "binary": lambda images: pa.array(images, pa.binary()),
    "large_binary": lambda images: pa.array(images, pa.large_binary()),
    "binary_view": lambda images: pa.array(images, pa.binary_view()),
    "dictionary": lambda images: pa.array(images, pa.binary()).dictionary_encode(),
    "struct": lambda images: pa.array([{"path": "x", "bytes": image} for image in images]),
    "struct of views": lambda images: pa.array(
        [{"bytes": image} for image in images], pa.struct([("bytes", pa.binary_view())])
    ),
    "with a hole": lambda images: pa.array([None, *images[1:]], pa.binary()),
    "text": lambda images: pa.array(["a.png"] * len(images)),
    "lists": lambda images: pa.array([list(image) for image in images], pa.list_(pa.uint8())),
}
_GOOD_IMAGES = list(_IMAGES)[:6]


@settings(
    max_examples=int(os.environ.get("NASCENCE_CASES", "60")), deadline=None, suppress_health_check=list(HealthCheck)
)
@given(
    labels=st.sampled_from(list(_LABELS)),
    images=st.sampled_from(list(_IMAGES)),
    truth=st.lists(st.integers(0, 1), min_size=6, max_size=12),
    reverse=st.booleans(),
    rows=st.integers(1, 12),
)
def test_any_schema_gives_the_images_their_labels_or_one_sentence(
    labels: str, images: str, truth: list[int], reverse: bool, rows: int, tmp_path_factory: Any, encode: Encode
) -> None:
    truth = [0, 0, 1, 1, *truth]
    encoded = [encode(50 + 100 * label) for label in truth]
    names = ["one", "zero"] if reverse else ["zero", "one"]
    numbers = [1 - label for label in truth] if reverse else truth
    table = pa.table({"image": _IMAGES[images](encoded), "label": _LABELS[labels](numbers)})
    whole = labels not in ("string", "large_string", "string_view", "dictionary")
    folder = tmp_path_factory.mktemp("schema")
    if reverse and not whole:  # texts are their own names
        names = ["1", "0"]
    metadata = named(names) if whole else None
    rows = len(truth) if "views" in images else rows  # Arrow cannot cut these when it writes
    pq.write_table(table.replace_schema_metadata(metadata), folder / "toy.parquet", row_group_size=rows)
    if labels not in _GOOD or images not in _GOOD_IMAGES:
        with pytest.raises(DataError) as caught:
            load_task(str(folder / "toy.parquet"))
        assert "\n" not in str(caught.value)
        return
    found = classes(load_task(str(folder / "toy.parquet")))
    zero = "zero" if whole else ("1" if reverse else "0")
    assert set(found[zero]) == {50}
    assert sum(len(values) for values in found.values()) == len(truth)
