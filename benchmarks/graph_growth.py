"""How time and memory of a step of a graph supernet grow with the edges: each size in a process of its own.

    python benchmarks/graph_growth.py --edges 10000 100000 1000000

A generated graph has a node for every ten edges, 16 features and three classes. A step is one forward and one backward
pass of the supernet under uniform mixing weights: of the whole graph, or, with --fanouts, of 512 nodes with sampled
neighbourhoods. What is told of the quicker of two steps is its processor time, that of the program and that of the
kernel apart (it fills every fresh page with zeros, and large tensors have fresh pages each time), and how far memory
rose above what the process had before it.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys

import torch

from nascence.relaxations import Softmax
from nascence.spaces import get_space
from nascence.spaces.relaxable import relaxable
from nascence.tasks.graphs import NodeClassification, make_graph, random_split


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edges", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--space", default="sane-1")
    parser.add_argument("--size", default="search-small")
    parser.add_argument("--fanouts", default=None, help="such as 15,10,5")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        return _measure(options)
    print("| edges | nodes in the batch | edges in the batch | CPU s a step, program | kernel | MiB above |")
    print("|---|---|---|---|---|---|", flush=True)
    for edges in options.edges:
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--one", str(edges)], check=True)
    return None


def _measure(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    draws = torch.Generator().manual_seed(0)
    nodes = options.one // 10
    features = torch.randn(nodes, 16, generator=draws)
    edges = torch.randint(nodes, (2, options.one), generator=draws)
    graph, _ = make_graph("generated", features, torch.arange(nodes) % 3, edges)
    fanouts = None if options.fanouts is None else tuple(map(int, options.fanouts.split(",")))
    task = NodeClassification("generated", graph, random_split(graph, 0), fanouts=fanouts)
    space = relaxable(get_space(options.space), "A supernet's step")
    supernet = space.supernet(space.networks[options.size], task.signature, seed=0)
    weights = Softmax(space, seed=0).mean()
    batches = task.part("train").batches(512, 0, "growth")
    before, times = _peak(), []
    for step in range(2):
        began = _cpu()
        batch = batches(step)
        task.loss(supernet(*batch.inputs, weights=weights), batch).backward()
        times.append(tuple(now - then for now, then in zip(_cpu(), began, strict=True)))
    x_NF, edges_2E = batch.inputs
    program, kernel = min(times, key=sum)
    row = (options.one, len(x_NF), edges_2E.shape[1], f"{program:.2f}", f"{kernel:.2f}", f"{_peak() - before:.0f}")
    print("|", " | ".join(map(str, row)), "|", flush=True)


def _cpu() -> tuple[float, float]:
    """Seconds of the program and of the kernel on its behalf, so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime, usage.ru_stime


def _peak() -> float:
    """MiB that the process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
