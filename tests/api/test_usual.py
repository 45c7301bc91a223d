"""Method and space by what the data are."""

import pytest
from PIL import Image

from nascence.api.inputs import data_source
from nascence.api.usual import OWN, USUAL, USUAL_OWN_METHOD, named, usual
from nascence.errors import NascenceError
from nascence.spaces import get_space
from nascence.tasks import load_task
from nascence.testing.toy_graph import toy_graph_task


def test_graphs_and_images():
    assert usual(load_task("digits"), None, None) == USUAL
    assert usual(toy_graph_task(), None, None) == ("sane", "sane")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"task": "denoise", "sigma": "25"}, ("mod-nas", "unfold-dense")),
        ({"task": "super-resolve", "scale": 2}, ("trilevel-sr", "path-tree-small")),
    ],
)
def test_pictures_to_restore(tmp_path, options, expected):
    for at in range(4):
        Image.new("L", (48, 48), 20 * at).save(tmp_path / f"{at}.png")
    task = load_task(str(tmp_path), patch=16, **options)
    assert usual(task, None, None) == expected
    get_space(expected[1]).check_signature(task.signature)


def test_what_is_named_is_kept():
    assert usual(toy_graph_task(), "random", None) == ("random", "sane")
    assert usual(toy_graph_task(), None, "sane-2") == ("sane", "sane-2")
    assert usual(load_task("digits"), "nasi", "darts") == ("nasi", "darts")


def test_data_are_read_only_where_they_decide():
    nowhere = data_source("/no/such/place", None, None)
    assert named("random", "darts", nowhere, own=False, download=False) == ("random", "darts", nowhere, None)
    assert named(None, None, nowhere, own=True, download=False) == (USUAL_OWN_METHOD, OWN, nowhere, None)
    with pytest.raises(NascenceError, match="nothing at"):
        named(None, "darts", nowhere, own=False, download=False)
    method, space, _, task = named(None, None, data_source("digits", None, None), own=False, download=False)
    assert (method, space) == USUAL
    assert task is not None
    assert task.name == "digits"
