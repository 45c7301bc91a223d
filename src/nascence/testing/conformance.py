"""Checks that every space, score and method must pass. A test class inherits them::

    class TestMySpace(SpaceConformance):
        space = MySpace()

pytest then collects one test per property. The space must be known by its name (:data:`nascence.spaces.SPACES`), since
an architecture's text and JSON go by it.
"""

from __future__ import annotations

import io
import json
import math
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nascence.architecture import Architecture
from nascence.configuration import describe, from_json, to_json
from nascence.costs import Budget
from nascence.costs.budget import BudgetChecker
from nascence.engine.compute import Compute, devices
from nascence.errors import ArchitectureError, NascenceError, UnknownNameError
from nascence.methods import METHODS, Method, Problem
from nascence.scores import SCORES, Score, evaluate
from nascence.seeding import generator
from nascence.spaces import CellSpace, NetworkConfig, Space, get_space
from nascence.spaces.base import ENUMERATION_LIMIT, Size
from nascence.strategies import Strategy
from nascence.tasks import ImageClassification

_FEW = 20_000


class SpaceConformance:
    """Inherit, set :attr:`space`, and let pytest collect."""

    space: Space
    image_size: int = 8
    """Height and width of the images that networks are tried on."""

    def architectures(self, number: int, seed: int = 0) -> list[Architecture]:
        draws = generator(seed, "conformance")
        return [self.space.sample(draws) for _ in range(number)]

    def images(self, config: Size, batch: int = 2) -> Tensor:
        """[batch, C, image_size, image_size]; a network without a stem gets as many channels as its first stage."""
        channels = config.channels if getattr(config, "stem_channels", None) == 0 else 3
        shape = (batch, channels, self.image_size, self.image_size)
        return torch.randn(shape, generator=generator(0, "images"))

    def test_choices_and_networks_are_well_formed(self) -> None:
        names = [choice.name for choice in self.space.choices]
        assert names, "a space asks at least one choice"
        assert len(set(names)) == len(names)
        for choice in self.space.choices:
            assert choice.options, choice
            assert len(set(choice.options)) == len(choice.options), choice
        assert {"evaluation", "score"} <= set(self.space.networks)
        assert type(get_space(self.space.name)) is type(self.space), "known by its name"

    def test_sampling_is_deterministic_and_valid(self) -> None:
        sampled = self.architectures(50)
        assert sampled == self.architectures(50)
        assert sampled != self.architectures(50, seed=1)
        for architecture in sampled:
            assert self.space.architecture(architecture.answers) == architecture

    def test_sampling_is_uniform(self) -> None:
        """Pearson's chi-square of every choice's options, and of every two consecutive choices, below 6 sigma."""
        sampled = self.architectures(2000)
        for at, choice in enumerate(self.space.choices):
            counts = Counter(architecture.answers[at] for architecture in sampled)
            _assert_uniform([counts[option] for option in choice.options], choice.name)
        for at, (one, two) in enumerate(pairwise(self.space.choices)):
            pairs = Counter(architecture.answers[at : at + 2] for architecture in sampled)
            cells = [pairs[a, b] for a in one.options for b in two.options]
            _assert_uniform(cells, f"{one.name} and {two.name}")

    def test_text_round_trip(self) -> None:
        for architecture in self.architectures(100):
            text = self.space.format(architecture)
            assert str(architecture) == text
            assert self.space.parse(text) == architecture
            assert self.space.parse(f" {text}\n") == architecture, "as a line of a file"
            assert Architecture.from_string(text, self.space.name) == architecture

    def test_json_round_trip(self) -> None:
        for architecture in self.architectures(50):
            value = json.loads(json.dumps(architecture.to_dict()))
            assert Architecture.from_dict(value) == architecture
            assert list(value["choices"].values()) == list(architecture.answers)

    def test_bad_text_is_refused(self) -> None:
        text = self.space.format(self.architectures(1)[0])
        huge = re.sub("[0-9]", "1" * 5000, text, count=1)
        for bad in ["", " ", "\0", "9" * 5000, "nonsense", f"{text}{text}", text[:-1], f"{text}{text[-1]}", f"x{text}"]:
            _refusal(self.space.parse, bad)
        if huge != text:
            _refusal(self.space.parse, huge)

    def test_edited_text_is_valid_or_refused(self) -> None:
        draw = random.Random(0)
        texts = [self.space.format(architecture) for architecture in self.architectures(20)]
        letters = sorted({*"".join(texts), *" 0123456789~|+-;:,.x\n\0é²٣"})
        for _ in range(300):
            text = draw.choice(texts) if draw.random() < 0.7 else "".join(draw.choices(letters, k=draw.randint(0, 20)))
            for _ in range(draw.randint(0, 4)):
                at, kind = draw.randint(0, len(text)), draw.choice(("insert", "delete", "replace"))
                letter = "" if kind == "delete" else draw.choice(letters)
                text = text[:at] + letter + text[at + (kind != "insert") :]
            try:
                architecture = self.space.parse(text)
            except ArchitectureError:
                pass
            else:
                assert self.space.architecture(architecture.answers) == architecture
                assert self.space.parse(self.space.format(architecture)) == architecture

    def test_wrong_answers_are_refused(self) -> None:
        answers = self.architectures(1)[0].answers
        _refusal(self.space.architecture, answers[:-1])
        _refusal(self.space.architecture, (*answers, answers[-1]))
        message = _refusal(self.space.architecture, (*answers[:-1], "no such option"))
        assert "no such option" in message, "quotes the answer"
        assert self.space.choices[-1].name in message, "names the choice"

    def test_mutation_changes_exactly_one_answer(self) -> None:
        draws = generator(0, "mutate")
        changed = Counter[int]()
        for architecture in self.architectures(100):
            mutant = self.space.mutate(architecture, draws)
            assert self.space.architecture(mutant.answers) == mutant
            (place,) = _differences(architecture, mutant)
            changed[place] += 1
        free = [at for at, choice in enumerate(self.space.choices) if len(choice.options) > 1]
        assert set(changed) <= set(free)
        assert len(changed) >= min(len(free), 3), "not always the same choice"

    def test_crossover_takes_every_answer_from_a_parent(self) -> None:
        draws = generator(0, "crossover")
        parents = self.architectures(100)
        taken = Counter[bool]()
        for first, second in pairwise(parents):
            child = self.space.crossover(first, second, draws)
            assert self.space.architecture(child.answers) == child
            for a, b, c in zip(first.answers, second.answers, child.answers, strict=True):
                assert c in (a, b)
                if a != b:
                    taken[c == a] += 1
        assert 1 / 3 < taken[True] / taken.total() < 2 / 3
        assert self.space.crossover(parents[0], parents[0], draws) == parents[0]

    def test_neighbours_are_all_that_differ_once(self) -> None:
        for architecture in self.architectures(5):
            neighbours = list(self.space.neighbours(architecture))
            assert len(set(neighbours)) == len(neighbours) == sum(len(c.options) - 1 for c in self.space.choices)
            for neighbour in neighbours:
                assert self.space.architecture(neighbour.answers) == neighbour
                assert len(_differences(architecture, neighbour)) == 1

    def test_size_is_the_number_of_architectures(self) -> None:
        assert self.space.size == math.prod(len(choice.options) for choice in self.space.choices)
        if self.space.size > ENUMERATION_LIMIT:
            _refusal(next, self.space.enumerate())
        elif self.space.size <= _FEW:
            everything = list(self.space.enumerate())
            assert len(set(everything)) == len(everything) == self.space.size
            assert set(self.architectures(100)) <= set(everything)
            texts = {self.space.format(architecture) for architecture in everything}
            assert len(texts) == self.space.size, "different architectures have different texts"
            if self.space.index(everything[0]) is not None:
                assert {self.space.index(architecture) for architecture in everything} == set(range(self.space.size))

    def test_canonical_is_idempotent(self) -> None:
        for architecture in self.architectures(300):
            canonical = self.space.canonical(architecture)
            assert self.space.architecture(canonical.answers) == canonical
            assert self.space.canonical(canonical) == canonical

    def test_canonical_computes_the_same_function(self) -> None:
        """With weights that depend on nothing but their shape, since the two may hold different numbers of them."""
        config = self.space.networks["score"]
        images = self.images(config, batch=3).double()
        pairs = [(one, self.space.canonical(one)) for one in self.architectures(300)]
        for one, two in [pair for pair in pairs if pair[0] != pair[1]][:20]:
            builds = [
                self.space.build(a, network=config, in_channels=images.shape[1], initialisation="kaiming-fan-in")
                for a in (one, two)
            ]
            outputs = [_tied(network).double().eval()(images) for network in builds]
            torch.testing.assert_close(*outputs, msg=f"{one} and its canonical {two} compute different functions")

    def test_every_network_maps_images_to_outputs(self) -> None:
        for name, config in self.space.networks.items():
            images = self.images(config)
            for architecture in self.architectures(2, seed=3):
                network = self.space.build(architecture, network=name, in_channels=images.shape[1], num_classes=7)
                with torch.no_grad():
                    output = network.eval()(images)
                assert output.shape == (2, 7), (name, str(architecture))
                assert output.isfinite().all(), (name, str(architecture))
                assert torch.equal(output, network(images)), "evaluation mode is deterministic"

    def test_a_network_takes_the_images_own_channels(self) -> None:
        config = self.space.networks["score"]
        for channels in (1, 3, 4):
            network = self.space.build(self.architectures(1)[0], network=config, in_channels=channels, num_classes=2)
            images = torch.zeros(2, channels, self.image_size, self.image_size)
            assert network.eval()(images).shape == (2, 2)

    def test_weights_depend_on_the_seed_alone(self) -> None:
        for architecture in self.architectures(3):
            one, same, other = (self.space.build(architecture, network="score", seed=seed) for seed in (5, 5, 6))
            assert one.state_dict().keys() == same.state_dict().keys()
            assert all(torch.equal(value, same.state_dict()[key]) for key, value in one.state_dict().items())
            assert any(not torch.equal(value, other.state_dict()[key]) for key, value in one.state_dict().items())

    def test_global_random_state_is_left_alone(self) -> None:
        with _untouched_random_state():
            first, second = self.architectures(2)
            draws = generator(0, "state")
            self.space.mutate(first, draws)
            self.space.crossover(first, second, draws)
            self.space.canonical(first)
            self.space.build(first, network="score")

    def test_unknown_network_size_is_refused(self) -> None:
        architecture = self.architectures(1)[0]
        message = _refusal(lambda: self.space.build(architecture, network="no such size"), error=UnknownNameError)
        assert "evaluation" in message, "lists the sizes"


class CellSpaceConformance(SpaceConformance):
    """The same for spaces of cells, with the two ways to say which operation stands where."""

    space: CellSpace

    def test_edge_operations_round_trip(self) -> None:
        for architecture in self.architectures(100):
            chosen = self.space.edge_operations(architecture)
            assert set(chosen) == set(self.space.kinds)
            assert self.space.from_edge_operations(chosen) == architecture

    def test_wrong_edges_are_refused(self) -> None:
        chosen = {kind: dict(cell) for kind, cell in self.space.edge_operations(self.architectures(1)[0]).items()}
        kind = self.space.kinds[-1]
        at, operation = next(iter(chosen[kind].items()))
        _refusal(self.space.from_edge_operations, {})
        _refusal(self.space.from_edge_operations, {k: cell for k, cell in chosen.items() if k != kind})
        missing = {k: v for k, v in chosen[kind].items() if k != at}
        _refusal(self.space.from_edge_operations, {**chosen, kind: missing})
        too_many = {**chosen[kind], len(self.space.shape.edges): operation}
        _refusal(self.space.from_edge_operations, {**chosen, kind: too_many})
        _refusal(self.space.from_edge_operations, {**chosen, kind: {**chosen[kind], at: "no such operation"}})

    def test_one_hot_weights_pick_the_operations(self) -> None:
        edges, operations = len(self.space.shape.edges), self.space.operations
        for architecture in self.architectures(50):
            weights = self.space.one_hot(architecture)
            assert set(weights) == set(self.space.kinds)
            picked = {}
            for kind, rows in weights.items():
                assert rows.shape == (edges, len(operations))
                assert set(rows.unique().tolist()) <= {0.0, 1.0}
                assert rows.sum(dim=1).max() <= 1
                picked[kind] = {int(at): operations[int(o)] for at, o in rows.nonzero()}
            assert self.space.from_edge_operations(picked) == architecture


def _refusal(
    function: Callable[..., object], *arguments: object, error: type[NascenceError] = ArchitectureError
) -> str:
    """The message with which ``function`` refuses its arguments by ``error``."""
    try:
        result = function(*arguments)
    except error as refusal:
        return str(refusal)
    raise AssertionError(f"{arguments!r} was accepted, as {result!r}")


def _differences(one: Architecture, two: Architecture) -> list[int]:
    return [at for at, (a, b) in enumerate(zip(one.answers, two.answers, strict=True)) if a != b]


def _assert_uniform(counts: list[int], what: str) -> None:
    expected, freedom = sum(counts) / len(counts), len(counts) - 1
    chi_square = sum((count - expected) ** 2 / expected for count in counts)
    assert chi_square <= freedom + 6 * math.sqrt(2 * freedom) + 6, f"{what}: {counts} is not uniform"


def _tied(network: nn.Module) -> nn.Module:
    """Give every weight the values that its shape determines (biases and normalisation start equal anyway)."""
    with torch.no_grad():
        for weight in network.parameters():
            if weight.dim() > 1:
                weight.normal_(std=(2 / weight[0].numel()) ** 0.5, generator=generator(0, *weight.shape))
    return network


@contextmanager
def _untouched_random_state() -> Iterator[None]:
    before = torch.get_rng_state(), random.getstate(), repr(np.random.get_state())
    yield
    assert torch.equal(torch.get_rng_state(), before[0]), "PyTorch's global generator was used"
    assert random.getstate() == before[1], "Python's global generator was used"
    assert repr(np.random.get_state()) == before[2], "NumPy's global generator was used"


class ScoreConformance:
    """The same for scores: set :attr:`score`, :attr:`space` and :attr:`task` (small settings keep it quick).

    ``degenerate``: architectures whose output does not depend on the image; a random score must give them its worst.
    """

    score: Score
    space: Space
    task: ImageClassification
    degenerate: Sequence[Architecture] = ()

    def values(self, seed: int = 0, draws: int = 1, number: int = 3) -> list[list[float]]:
        """Per architecture the value at each draw."""
        sampled = [self.space.sample(generator(at, "conformance")) for at in range(number)]
        return [
            evaluate([self.score], self.space, architecture, self.task, seed=seed, draws=draws)[self.score.name]
            for architecture in sampled
        ]

    def test_says_what_it_is(self) -> None:
        for name in ("name", "description", "source"):
            assert getattr(self.score, name).strip(), name
        assert isinstance(self.score.larger_is_better, bool)
        assert not math.isnan(self.score.worst)
        assert SCORES.get(self.score.name) is type(self.score), "known by its name"

    def test_values_are_finite_or_the_worst(self) -> None:
        values = [value for row in self.values(draws=2) for value in row]
        assert all(type(value) is float for value in values)
        assert all(math.isfinite(value) or value == self.score.worst for value in values)
        assert any(math.isfinite(value) for value in values)
        for value in values:
            better = value >= self.score.worst if self.score.larger_is_better else value <= self.score.worst
            assert better, "nothing is worse than the worst"

    def test_values_depend_on_seed_and_draw_alone(self) -> None:
        with _untouched_random_state():
            first = self.values(draws=2)
        assert first == self.values(draws=2)
        assert [row[:1] for row in first] == self.values(draws=1), "whatever the number of draws"
        if self.score.random:
            assert any(row[0] != row[1] for row in first), "another draw gives another value"
            assert first != self.values(seed=1, draws=2), "another seed gives another value"
        else:
            assert all(row[0] == row[1] for row in first)
            assert first == self.values(seed=1, draws=2)

    def test_different_architectures_differ(self) -> None:
        assert len({row[0] for row in self.values()}) > 1

    def test_degenerate_networks_get_the_worst(self) -> None:
        for architecture in self.degenerate if self.score.sees_paths else ():
            values = evaluate([self.score], self.space, architecture, self.task, draws=2)[self.score.name]
            assert values == [self.score.worst] * 2, str(architecture)


class MethodConformance:
    """The same for methods: set :attr:`method` (settings that take a second), :attr:`space` and :attr:`task`."""

    method: Method
    space: Space
    task: ImageClassification
    network: NetworkConfig = NetworkConfig(channels=4, depth=2)
    """The size of the network that the budget is about."""
    dear_steps: int = 0
    """So many first steps take too long to be done twice."""

    def checker(self, budget: Budget | None = None) -> BudgetChecker:
        shape = (self.task.in_channels, *self.task.image_size)
        return (budget or Budget()).bind(
            self.space, self.network, input_shape=shape, num_classes=self.task.num_classes, threads=1
        )

    def strategy(self, seed: int = 0, budget: Budget | None = None) -> Strategy:
        return self.method.strategy(Problem(self.space, self.task, self.network, self.checker(budget), seed))

    def test_says_what_it_is(self) -> None:
        for name in ("name", "title", "paper"):
            assert getattr(self.method, name).strip(), name
        assert METHODS.get(self.method.name) is type(self.method), "known by its name"

    def test_settings_are_documented_and_survive_json(self) -> None:
        undocumented = [entry["name"] for entry in describe(type(self.method)) if not entry["doc"]]
        assert not undocumented, f"settings without a word in the docstring: {undocumented}"
        assert from_json(type(self.method), _json(to_json(self.method))) == self.method

    def test_a_search_is_exact(self) -> None:
        """It ends in a valid architecture and leaves global randomness alone; a fresh object that is given the state
        after any step does the same next step and has the same state after it; another seed does another step."""
        whole = self.strategy()
        assert whole.steps_done == 0
        states, events = [_through_a_file(whole.state_dict())], []
        with _untouched_random_state():
            while not whole.done:
                events.append(_json(whole.advance()))
                states.append(_through_a_file(whole.state_dict()))
        assert whole.steps_done == whole.total_steps == len(events)
        architecture = whole.derive()
        assert self.space.architecture(architecture.answers) == architecture
        for done, event in list(enumerate(events))[self.dear_steps :]:
            resumed = self.strategy()
            resumed.load_state_dict(states[done])
            assert resumed.steps_done == done
            assert _json(resumed.advance()) == event, f"the step after {done}"
            assert _equal(resumed.state_dict(), states[done + 1]), f"the state after {done + 1}"
        finished = self.strategy()
        finished.load_state_dict(states[-1])
        assert finished.done
        assert finished.derive() == architecture
        if not self.dear_steps:
            assert _json(self.strategy(seed=1).advance()) != events[0], "another seed, another step"

    def test_it_begins_on_every_device(self) -> None:
        """Beside the CPU, which the other checks are about; a method that computes there alone is not asked."""
        for device in devices()[1:] if self.method.on_device else ():
            about = (self.space, self.task.on(device), self.network, self.checker(), 0, None, Compute(device=device))
            strategy = self.method.strategy(Problem(*about))
            strategy.advance()
            strategy.load_state_dict(strategy.state_dict())

    def test_ends_within_a_budget(self) -> None:
        low, high = self.checker().model.range("params")
        budget = Budget(max_params=low + 0.1 * (high - low))
        strategy = self.strategy(budget=budget)
        while not strategy.done:
            strategy.advance()
        assert self.checker(budget).allows(strategy.derive())


def _equal(one: Any, two: Any) -> bool:
    if isinstance(one, Tensor):
        return torch.equal(one, two)
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(_equal(one[key], two[key]) for key in one)
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(_equal(a, b) for a, b in zip(one, two, strict=True))
    return bool(one == two)


def _json(value: Any) -> Any:
    """``value`` written to JSON and read again; what is not finite is kept apart, NaN equals itself."""
    return json.loads(json.dumps(value), parse_constant=str)


def _through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    loaded: dict[str, Any] = torch.load(buffer, weights_only=True)
    return loaded
