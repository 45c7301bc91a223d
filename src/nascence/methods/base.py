"""A method is a recipe: a frozen set of settings with the paper's values as defaults, that builds a strategy."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from nascence.costs.budget import BudgetChecker
from nascence.declaring import Settings, class_defaults, leaf_called
from nascence.engine.compute import ON_CPU, Compute
from nascence.errors import SettingError, UnknownNameError
from nascence.spaces import Size, Space
from nascence.strategies import Strategy
from nascence.tasks import ImageClassification, Task, image_classes


@dataclass(frozen=True)
class Problem:
    """What a method is asked to solve: everything but its own settings.

    ``network`` is the size of the network that will be trained in the end, and that the budget is about. ``data_dir``:
    where tables of benchmarks lie, for the baselines that read them. ``compute``: where networks compute.
    """

    space: Space
    task: Task
    network: Size
    budget: BudgetChecker
    seed: int
    data_dir: str | None = None
    compute: Compute = ON_CPU

    @property
    def images(self) -> ImageClassification:
        """The task, for a method that works on images with a class each. Raises :class:`SettingError` on other data."""
        return image_classes(self.task, "This method")


@dataclass(frozen=True, kw_only=True)
class Method(Settings):
    """Settings as fields (``--set name=value``), each declared with :func:`nascence.declaring.setting`, or parts of
    them; the recipe in :meth:`strategy`. ``DEFAULTS``: the paper's values of settings that are inherited.

    ``PRESETS``: settings by the name of a preset (``--preset``). A method that is dear has ``paper``, what its paper
    did, and ``laptop``, which an ordinary computer finishes in minutes and which is taken unless another is asked for.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    paper: ClassVar[str]
    caveat: ClassVar[str] = ""
    """One sentence on what of the method is a reconstruction; a search says it when it begins, and in its record."""
    on_device: ClassVar[bool] = False
    """Whether it computes on the problem's device; if not, on the CPU alone."""
    precisions: ClassVar[tuple[str, ...]] = ("fp32",)
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    EARLIER: ClassVar[Mapping[str, Any]] = {}
    """What settings stand for in runs that were begun before there were these settings."""
    DECIDES: ClassVar[Mapping[str, str]] = {}
    """Settings that it inherits and decides itself, and in what words: they cannot be given."""

    def __post_init__(self) -> None:
        for name, words in self.DECIDES.items():
            leaf = leaf_called(type(self), name)
            if leaf.of(self) != class_defaults(type(self)).get(leaf.name, leaf.default()):
                raise SettingError(f"{self.name} {words}; leave {leaf.flat} out.")

    @classmethod
    def preset(cls, name: str | None = None, form: str = "") -> tuple[str | None, Mapping[str, Any]]:
        """The name and the settings of a preset; without a name ``laptop``, where there is one. Where the method has it
        in the ``form`` that a space asks for (:attr:`nascence.spaces.Space.preset_form`), as ``laptop-darts`` is for
        ``darts``, in that one.

        Raises :class:`UnknownNameError`, and :class:`SettingError` where the method has no presets at all.
        """
        if name is None:
            if "laptop" not in cls.PRESETS:
                return None, {}
            name = "laptop"
        if not cls.PRESETS:
            raise SettingError(f"The method {cls.name} has no presets; leave --preset out.")
        if name not in cls.PRESETS:
            raise UnknownNameError(f"preset of {cls.name}", name, cls.PRESETS)
        if f"{name}-{form}" in cls.PRESETS:
            name = f"{name}-{form}"
        return name, cls.PRESETS[name]

    @property
    def reads_table(self) -> bool:
        """Whether a benchmark's table steers the search, which makes it a baseline."""
        return False

    @abstractmethod
    def strategy(self, problem: Problem) -> Strategy:
        """Raises :class:`nascence.errors.NascenceError` where the method cannot work on the problem."""
