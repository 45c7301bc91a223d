"""One weight step and one architecture step of a supernet: fused against one module per edge.

    python benchmarks/supernet_step.py [--channels 16] [--depth 5] [--batch 64] [--steps 3] [--threads 1] [--bf16]

Three ways, in fp32 and on the same numbers: ``fused`` is ours, with channels last in memory (``--contiguous``: not)
and only the gradients that each step needs; ``obvious`` has one module per edge, and the same gradients; ``usual`` is
``obvious`` as it is commonly written, all gradients in both steps. Prints seconds per pair of steps (the median; of
computing time on one thread, so that other work on the machine counts less), the ratios, peak memory of the tensors
that autograd keeps, and the largest differences of logits and gradients in float64.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from nascence.seeding import generator
from nascence.supernets.cells import CellSupernet
from nascence.supernets.cells.fused import use_quick_gradients
from nascence.testing.reference import ObviousSupernet, per_edge
from supernets import images_of, space_and_size, timing

Result = tuple[Tensor, tuple[Tensor, ...]]


def main() -> None:
    parser = timing("One weight and one architecture step: fused against obvious.")
    parser.add_argument("--contiguous", action="store_true")
    parser.add_argument("--bf16", action="store_true")
    options = parser.parse_args()
    space, config = space_and_size(options)
    fused = CellSupernet(space, config, initialisation="kaiming-fan-in")
    obvious = ObviousSupernet.like(fused, space, config)
    shape = (len(space.shape.edges), len(space.operations))
    logits = {kind: 1e-3 * torch.randn(shape, generator=generator(0, kind)) for kind in space.kinds}
    images, labels = images_of(options)
    layout = torch.contiguous_format if options.contiguous else torch.channels_last
    use_quick_gradients(fused)
    fused.to(memory_format=layout)  # type: ignore[call-overload]
    own = images.to(memory_format=layout)

    def ours() -> Result:
        with torch.autocast("cpu", torch.bfloat16, enabled=options.bf16):
            return pair_of_steps(fused, logits, own, labels)

    ways: dict[str, Callable[[], Result]] = {
        "fused": ours,
        "obvious": lambda: pair_of_steps(obvious, logits, images, labels),
        "usual": lambda: usual_pair(obvious, logits, images, labels),
    }
    for name, difference in differences(fused, obvious, logits, images, labels).items():
        print(f"largest difference of the {name} in float64, batch 8: {difference:.1e} of its largest entry")
    for way in ways.values():  # warms up
        way()
    clock = time.process_time if options.threads == 1 else time.perf_counter
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.steps):  # alternating, so that all see the same machine
        for name, way in ways.items():
            began = clock()
            way()
            times[name].append(clock() - began)
    seconds = {name: statistics.median(values) for name, values in times.items()}
    print(
        f"{space.name}, C={options.channels}, N={options.depth}, batch {options.batch} of "
        f"{options.size} x {options.size}, threads: {torch.get_num_threads()}, median of {options.steps}"
    )
    for name, value in seconds.items():
        print(f"{name:8s} {value:8.3f} s for one weight step and one architecture step")
    for name in ("obvious", "usual"):
        print(f"ratio to {name:8s} {seconds[name] / seconds['fused']:6.2f}")
    for name, way in ways.items():
        print(f"{name:8s} keeps {kept_bytes(way) / 2**20:8.1f} MiB for its backward pass at most")


def differences(
    fused: CellSupernet, obvious: ObviousSupernet, logits: dict[str, Tensor], images: Tensor, labels: Tensor
) -> dict[str, float]:
    """Between both networks in float64, where rounding does not hide anything."""
    logits = {kind: value.double() for kind, value in logits.items()}
    one, two = copy.deepcopy(fused).double(), copy.deepcopy(obvious).double()
    results = [pair_of_steps(network, logits, images[:8].double(), labels[:8]) for network in (one, two)]
    gradients = per_edge(one, {name: p.grad for name, p in one.named_parameters() if p.grad is not None})
    pairs = [(gradients[name], p.grad) for name, p in two.named_parameters() if p.grad is not None]
    return {
        "logits": relative(results[0][0], results[1][0]),
        "architecture gradient": max(relative(a, b) for a, b in zip(results[0][1], results[1][1], strict=True)),
        "weight gradient": relative(*(torch.cat([p[at].flatten() for p in pairs]) for at in (0, 1))),
    }


def pair_of_steps(network: nn.Module, logits: dict[str, Tensor], images: Tensor, labels: Tensor) -> Result:
    """The gradients of the weights (left in ``grad``), then those of the architecture; nothing is moved."""
    network.requires_grad_().zero_grad()
    output = network(images, {kind: value.softmax(1) for kind, value in logits.items()})
    nn.functional.cross_entropy(output, labels).backward()
    leaves = {kind: value.clone().requires_grad_() for kind, value in logits.items()}
    network.requires_grad_(False)
    loss = nn.functional.cross_entropy(network(images, {k: v.softmax(1) for k, v in leaves.items()}), labels)
    return output.detach(), torch.autograd.grad(loss, list(leaves.values()))


def usual_pair(network: nn.Module, logits: dict[str, Tensor], images: Tensor, labels: Tensor) -> Result:
    """Every gradient in both steps."""
    network.requires_grad_()
    leaves = {kind: value.clone().requires_grad_() for kind, value in logits.items()}
    for _ in range(2):
        network.zero_grad()
        output = network(images, {k: v.softmax(1) for k, v in leaves.items()})
        nn.functional.cross_entropy(output, labels).backward()
    return output.detach(), tuple(leaf.grad for leaf in leaves.values() if leaf.grad is not None)


def kept_bytes(way: Callable[[], Result]) -> int:
    """Bytes of the distinct tensors that the larger of the two graphs saves."""
    sizes: list[dict[int, int]] = [{}]

    def pack(value: Tensor) -> Tensor:
        if value.untyped_storage().data_ptr() not in sizes[-1]:
            sizes[-1][value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()
        return value

    def unpack(value: Tensor) -> Tensor:
        if sizes[-1]:  # the backward pass began: what follows is another graph
            sizes.append({})
        return value

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        way()
    return max(sum(one.values()) for one in sizes)


def relative(one: Tensor, two: Tensor) -> float:
    return float((one - two).abs().max() / two.abs().max().clamp_min(1e-30))


if __name__ == "__main__":
    main()
