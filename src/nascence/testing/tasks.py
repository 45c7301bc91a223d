"""Checks that every task must pass. A test class inherits them::

class TestMyTask(TaskConformance):
    task = MyTask(...)
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable

import pytest
import torch
from torch import Tensor

from nascence.configuration import to_json
from nascence.errors import DataError
from nascence.seeding import generator
from nascence.tasks.base import Batch, Split, Task


class TaskConformance:
    """Inherit, set :attr:`task`, and let pytest collect. ``batch``: of a training. ``inputs_have_free_sizes``: batches
    need not have the signature's size, as parts of graphs and patches of pictures. ``larger_batches``: than there are
    examples are possible, since a batch is the whole graph, or is drawn with replacement."""

    task: Task
    batch: int = 4
    inputs_have_free_sizes: bool = False
    larger_batches: bool = False

    def training(self, seed: int = 0) -> Iterable[Batch]:
        batches = self.task.part("train").batches(self.batch, seed, "conformance")
        return (batches(number) for number in range(2))

    def output(self, batch: Batch, seed: int = 0) -> Tensor:
        """Random numbers of the form that a network for the signature gives."""
        signature, draws = self.task.signature, generator(seed, "output")
        count = len(batch.inputs[0])
        if not signature.dense:
            return torch.randn(count, signature.outputs, generator=draws)
        height, width = (side * signature.scale for side in batch.inputs[0].shape[-2:])
        return torch.randn(count, signature.outputs, height, width, generator=draws)

    def test_it_says_what_it_is(self) -> None:
        assert self.task.name.strip()
        assert self.task.loss_name.isidentifier()
        assert self.task.metric.name.isidentifier()
        assert self.task.examples.strip()

    def test_what_it_describes_is_json(self) -> None:
        described = to_json(self.task.describe())
        assert json.loads(json.dumps(described)) == described
        assert described["input_shape"]
        assert all(type(side) is int for side in described["input_shape"])

    def test_batches_fit_the_signature(self) -> None:
        example = self.task.signature.example(self.batch)
        for batch in self.training():
            assert len(batch.inputs) == len(example)
            for given, expected in zip(batch.inputs, example, strict=True):
                assert given.dtype == expected.dtype
                assert given.dim() == expected.dim()
                if not self.inputs_have_free_sizes:
                    assert given.shape == expected.shape
            assert math.isfinite(float(self.task.loss(self.output(batch), batch)))

    def test_a_batch_follows_from_seed_and_number_alone(self) -> None:
        batches = self.task.part("train").batches(self.batch, 0, "conformance")
        last = batches(len(batches) + 1)
        for number in (0, len(batches) + 1):
            again = self.task.part("train").batches(self.batch, 0, "conformance")(number)
            known = last if number else batches(0)
            assert all(torch.equal(*pair) for pair in zip(again.inputs, known.inputs, strict=True))
            assert torch.equal(again.target, known.target)

    @pytest.mark.parametrize("split", ["train", "test"])
    def test_a_pass_is_the_same_whatever_its_batches(self, split: Split) -> None:
        part = self.task.part(split)
        assert len(part) >= 1
        totals = []
        for size in (2, 256):
            batches = list(part.passing(size))
            sums = [self.task.sums(torch.zeros_like(self.output(each)), each) for each in batches]
            totals.append({name: sum(float(each[name].double().sum()) for each in sums) for name in sums[0]})
        assert totals[0]["count"] == totals[1]["count"] > 0
        assert totals[0] == pytest.approx(totals[1], rel=1e-4)

    def test_sums_make_the_metric(self) -> None:
        for batch in self.training():
            measures = self.task.measures(self.task.sums(self.output(batch), batch))
            assert math.isfinite(float(measures[self.task.metric.name]))
            judged = self.task.judge(self.output(batch), batch)
            assert {"loss", "count"} <= set(judged)

    def test_the_loss_has_a_gradient_where_outputs_count(self) -> None:
        for batch in self.training():
            output = self.output(batch).requires_grad_()
            self.task.loss(output, batch).backward()
            assert output.grad is not None
            assert output.grad.isfinite().all()
            assert output.grad.abs().sum() > 0
            if batch.mask is not None:
                assert output.grad[~batch.mask].abs().sum() == 0

    def test_two_parts_of_the_training_part(self) -> None:
        whole = len(self.task.part("train"))
        one, two = self.task.divided(0.5, 3)
        assert len(one) + len(two) == whole
        assert min(len(one), len(two)) >= 1
        assert len(self.task.narrowed(one).part("train")) == len(one)
        assert len(self.task.union([one, two])) == whole
        assert len(self.task.part("train")) == whole, "the task itself is as before"
        assert len(one.first(1)) == 1
        assert len(one.first(None)) == len(one)

    def test_distance_and_combination(self) -> None:
        for batch in self.training():
            one, two = self.output(batch), self.output(batch, seed=1).requires_grad_()
            assert float(self.task.distance(one, one, batch)) == pytest.approx(0, abs=1e-5)
            distance = self.task.distance(one.clone().requires_grad_(), two, batch)
            assert distance.item() > 0
            distance.backward()
            assert two.grad is None, "no gradient reaches the teacher"
            combined = self.task.combine([one, two.detach()])
            assert combined.shape == one.shape
            same = self.task.measures(self.task.sums(self.task.combine([one, one]), batch))
            own = self.task.measures(self.task.sums(one, batch))
            assert same[self.task.metric.name] == pytest.approx(own[self.task.metric.name], rel=1e-4)

    def test_a_batch_larger_than_the_data_is_refused_where_it_must(self) -> None:
        part = self.task.part("train")
        larger = 10 * len(part) + 1
        if self.larger_batches:
            assert part.batches(larger, 0, "conformance")(0).inputs
            return
        with pytest.raises(DataError):
            part.batches(larger, 0, "conformance")


__all__ = ["TaskConformance"]
