"""Weights of classes: balanced, in order, from files of two forms."""

import os

import pytest
import torch

from nascence.errors import DataError, SettingError
from nascence.tasks.class_weights import balanced_weights, read_class_weights, weights_in_order


def test_balanced_weights_by_hand():
    labels = torch.tensor([0] * 6 + [1] * 3 + [2])
    assert balanced_weights(labels, ("a", "b", "c")) == (10 / 18, 10 / 9, 10 / 3)
    mean = sum(10 / (3 * count) * count for count in (6, 3, 1)) / 10
    assert mean == pytest.approx(1), "the mean weight of an example"
    with pytest.raises(DataError, match="The class 'c' has no training examples"):
        balanced_weights(labels[:-1], ("a", "b", "c"))


def test_names_are_put_in_order_and_what_is_left_out_weighs_one():
    assert weights_in_order({"dog": 3}, ("cat", "dog"), "pets") == (1.0, 3.0)
    assert weights_in_order([2, 0.5], ("cat", "dog"), "pets") == (2.0, 0.5)
    for weights, said in [
        ({"horse": 2}, "weight for the class 'horse', but 'pets' has: cat, dog"),
        ([1, 2, 3], "3 class weights for the 2 classes of 'pets'"),
        ({"dog": 0}, "weight of the class 'dog' must be a positive number, not 0"),
        ({"dog": float("inf")}, "positive number, not inf"),
    ]:
        with pytest.raises(SettingError, match=said):
            weights_in_order(weights, ("cat", "dog"), "pets")


@pytest.mark.parametrize("text", ['{"cat": 2, "a, b": 0.5}', "cat,2\n\n a, b, 0.5\n"])
def test_files_of_two_forms(tmp_path, text):
    path = tmp_path / "weights"
    path.write_text(text)
    assert read_class_weights(path) == {"cat": 2.0, "a, b": 0.5}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "{",
        "cat 2",
        "cat,heavy",
        '{"cat": [1]}',
        '{"cat": NaN}',
        '{"a": ' * 100_000,
        '{"cat": 1' + "0" * 400 + "}",
    ],
)
def test_other_files_are_refused(tmp_path, text):
    path = tmp_path / "weights"
    path.write_text(text)
    with pytest.raises(SettingError, match="holds no class weights; expected a JSON object"):
        read_class_weights(path)
    with pytest.raises(SettingError, match=r"Cannot read the class weights in .*No such file.*; or type balanced"):
        read_class_weights(tmp_path / "none")


def test_a_pipe_that_nobody_writes_into_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SettingError, match=r"holds no class weights|nothing came through the pipe"):
        read_class_weights(tmp_path / "pipe")
