"""What the messages say."""

from importlib.metadata import PackageNotFoundError

from nascence import errors
from nascence.errors import MissingExtraError, NascenceError, UnknownNameError


def test_every_error_is_the_users(monkeypatch):
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and kind.__module__ == errors.__name__]
    assert len(kinds) > 5
    assert all(issubclass(kind, NascenceError) for kind in kinds)


def test_an_unknown_name_is_told_with_what_there_is():
    assert str(UnknownNameError("colour", "rde", ["red", "blue"])) == (
        "Unknown colour 'rde'. Did you mean 'red'? Known: blue, red."
    )


def test_a_missing_library_by_the_name_that_pip_finds(monkeypatch):
    known = ["torch>=2", 'torch-geometric>=2.6; extra == "graphs"', "optuna>=4 ; extra == 'tuning'", 'x; extra == "gr"']
    monkeypatch.setattr(errors, "requires", lambda name: known)
    told = str(MissingExtraError("PyTorch Geometric", "graphs"))
    assert "pip install 'torch-geometric>=2.6' " in told
    assert "pip install '.[graphs]'" in told
    assert "pip install 'optuna>=4' " in str(MissingExtraError("Optuna", "tuning"))
    assert "\n" not in told


def test_without_metadata_the_library_is_named(monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(errors, "requires", missing)
    assert "pip install ray " in str(MissingExtraError("Ray", "ray"))
