"""Names that a package imports when they are first asked for."""

import importlib
import pkgutil
import sys

import pytest

from nascence.importing import later

PACKAGES = ("nascence.tasks", "nascence.tasks.graphs", "nascence.tasks.restoration")


def test_a_module_is_imported_with_its_first_name(tmp_path, monkeypatch):
    (tmp_path / "own_package").mkdir()
    (tmp_path / "own_package" / "__init__.py").write_text(
        "from nascence.importing import later\n__getattr__ = later(__name__, {'own': ('ONE', 'TWO')})\n"
    )
    (tmp_path / "own_package" / "own.py").write_text("ONE, TWO, THREE = 1, 2, 3\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    package = importlib.import_module("own_package")
    assert "own_package.own" not in sys.modules
    assert (package.ONE, package.TWO) == (1, 2)
    with pytest.raises(AttributeError, match="module 'own_package' has no attribute 'THREE'"):
        _ = package.THREE
    for name in ("own_package", "own_package.own"):
        monkeypatch.delitem(sys.modules, name)


def test_an_unknown_name_is_refused_as_python_does():
    with pytest.raises(AttributeError, match="module 'somewhere' has no attribute 'else_'"):
        later("somewhere", {"module": ("name",)})("else_")


@pytest.mark.parametrize("name", PACKAGES)
def test_every_name_is_there_and_no_module_has_it(name):
    package = importlib.import_module(name)
    assert {each for each in package.__all__ if getattr(package, each, None) is None} == set()
    assert not set(package.__all__) & {module.name for module in pkgutil.iter_modules(package.__path__)}
