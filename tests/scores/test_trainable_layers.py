from nascence.scores import Probe
from nascence.scores.trainable_layers import TrainableLayers
from nascence.spaces import get_space


def test_counts_parameter_tensors(task):
    space = get_space("nas-bench-201")
    fixed = 3 + 2 * 7 + 2 + 2  # stem; two reductions of two ReLU-conv-norm and a shortcut; last norm; classifier
    for convolutions in range(7):
        cell = space.architecture(["nor_conv_3x3"] * convolutions + ["skip_connect"] * (6 - convolutions))
        assert TrainableLayers()(Probe(space, cell, task)) == fixed + 15 * 3 * convolutions
