"""Confusion, macro-F1 and the area under the ROC curve from sums."""

import math

import pytest
import torch
from sklearn.metrics import confusion_matrix, f1_score, roc_auc_score

from nascence.tasks.graphs.measures import confusion_counts, macro_f1, margin_counts, roc_auc


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def test_confusion_agrees_with_scikit_learn():
    labels, classes = torch.randint(4, (2, 200), generator=draws())
    expected = confusion_matrix(labels, classes)
    assert confusion_counts(classes, labels, 4).tolist() == expected.tolist()


@pytest.mark.parametrize("classes", [3, 6])
def test_macro_f1_leaves_out_classes_that_never_occur(classes):
    labels, found = torch.randint(3, (2, 200), generator=draws(1))
    assert macro_f1(confusion_counts(found, labels, classes)) == pytest.approx(f1_score(labels, found, average="macro"))


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
def test_auc_agrees_with_scikit_learn(scale):
    labels = torch.randint(2, (20_000,), generator=draws(2))
    margins = scale * (torch.randn(20_000, generator=draws(3)) + labels)
    assert roc_auc(margin_counts(margins, labels)) == pytest.approx(roc_auc_score(labels, margins), abs=1e-5)


def test_auc_of_extremes():
    labels = torch.tensor([0, 0, 1, 1])
    assert roc_auc(margin_counts(torch.tensor([-2.0, -1.0, 1.0, 2.0]), labels)) == 1
    assert roc_auc(margin_counts(torch.tensor([2.0, 1.0, -1.0, -2.0]), labels)) == 0
    assert roc_auc(margin_counts(torch.zeros(4), labels)) == 0.5
    assert roc_auc(margin_counts(torch.tensor([-1.0, -2.0, -1.5, -0.5]), labels)) == 0.75, (
        "negative margins are in order"
    )
    assert math.isnan(roc_auc(margin_counts(torch.zeros(2), torch.zeros(2, dtype=torch.long))))
