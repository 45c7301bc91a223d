"""Memory of a search step by the number of options a width has: masks cost one network, whatever their number.

Peak resident memory of a fresh process that takes one step (forward, backward) on a chain of eight masked layers at
batch 64, less that of the same process before the step; beside it what one candidate convolution per option would take.

    python benchmarks/masked_width_memory.py
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys

CHANNELS, LAYERS, BATCH, SIZE = 128, 8, 64, 32


def step(options: int, masked: bool) -> float:
    """MiB that a step adds to the peak of this process."""
    import torch
    from torch import nn

    from nascence.supernets import MaskedWidth, MixedOperation, MixedSupernet

    torch.set_num_threads(1)
    widths = [CHANNELS * (option + 1) // options for option in range(options)]
    layers: list[nn.Module] = []
    for row in range(LAYERS):
        count = 1 if masked else options
        candidates = [nn.Conv2d(CHANNELS if row else 3, CHANNELS, 3, padding=1) for _ in range(count)]
        layers.append(candidates[0] if masked else MixedOperation("width", row, candidates))
        layers += [nn.BatchNorm2d(CHANNELS), nn.ReLU(), *([MaskedWidth("width", row, widths)] if masked else [])]
    supernet = MixedSupernet((), nn.Sequential(*layers))
    weights = {"width": torch.full((LAYERS, options), 1 / options, requires_grad=True)}
    x_BCHW = torch.randn(BATCH, 3, SIZE, SIZE)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    supernet(x_BCHW, weights=weights).square().mean().backward()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--one", nargs=2, metavar=("OPTIONS", "KIND"), help="one measurement in this process")
    arguments = parser.parse_args()
    if arguments.one:
        print(step(int(arguments.one[0]), arguments.one[1] == "masked"))
        return
    found = {}
    for options, kind in ((2, "masked"), (4, "masked"), (16, "masked"), (2, "candidates"), (4, "candidates")):
        call = [sys.executable, __file__, "--one", str(options), kind]
        found[options, kind] = float(subprocess.run(call, check=True, capture_output=True, text=True).stdout)
        print(f"{kind:10}  {options:2} options a width: {found[options, kind]:7.1f} MiB", flush=True)
    print(f"16 against 2 masked: {100 * (found[16, 'masked'] / found[2, 'masked'] - 1):+.2f} %")


if __name__ == "__main__":
    main()
