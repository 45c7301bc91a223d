"""What shared modules save (TopoNAS, 2024): time and saved activations of one weight and one architecture step.

    python benchmarks/module_sharing.py [--space nas-bench-201] [--channels 16] [--depth 5] [--batch 64] [--steps 3]
        [--channels-last]

For DARTS (softmax) and DrNAS (Dirichlet samples), without sharing and with each kind of it. Saved activations are the
bytes of all distinct tensors that the forward pass keeps for the backward one, parameters aside; the larger of the two
steps counts, since they come one after the other. Times are the least of several steps: of the processor, which other
work on the machine disturbs least, with one thread; of the clock with several. All variants alternate.
"""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn

from nascence.relaxations import Dirichlet, Relaxation, Softmax, participants
from nascence.seeding import generator
from nascence.supernets.cells import CellSupernet
from nascence.supernets.cells.fused import use_quick_gradients
from nascence.supernets.cells.sharing import Sharing
from supernets import images_of, space_and_size, timing

KINDS: tuple[Sharing, ...] = ("none", "partial", "floating")


def main() -> None:
    parser = timing("Time and saved activations with and without shared modules.")
    parser.add_argument("--channels-last", action="store_true")
    options = parser.parse_args()
    space, config = space_and_size(options, track_running_stats=False)
    images, labels = images_of(options)
    layout = torch.channels_last if options.channels_last else torch.contiguous_format
    images = images.to(memory_format=layout)
    networks = {kind: CellSupernet(space, config, sharing=kind) for kind in KINDS}
    for network in networks.values():
        use_quick_gradients(network).to(memory_format=layout)  # type: ignore[call-overload]
    clock = time.process_time if options.threads == 1 else time.perf_counter
    methods: dict[str, Relaxation] = {
        "darts": Softmax(space, participants(space, everything=True)),
        "drnas": Dirichlet(space, participants(space)),
    }
    print(
        f"{space.name}, C={options.channels}, N={options.depth}, batch {options.batch} of {options.size} x "
        f"{options.size}, threads: {torch.get_num_threads()}, least of {options.steps}"
    )
    print(f"{'':16s}{'sharing':10s}{'parameters':>12s}{'saved MiB':>12s}{'of none':>9s}{'seconds':>10s}{'of none':>9s}")
    for method, relaxation in methods.items():
        saved = {kind: max(saved_bytes(networks[kind], relaxation, images, labels)) for kind in KINDS}
        times: dict[Sharing, list[float]] = {kind: [] for kind in KINDS}
        for _ in range(options.steps):
            for kind in KINDS:
                began = clock()
                for architecture in (False, True):
                    step(networks[kind], relaxation, images, labels, architecture)
                times[kind].append(clock() - began)
        seconds = {kind: min(values) for kind, values in times.items()}
        for kind in KINDS:
            parameters = sum(parameter.numel() for parameter in networks[kind].parameters())
            print(
                f"{method:16s}{kind:10s}{parameters:12,d}{saved[kind] / 2**20:12.1f}{saved[kind] / saved['none']:9.2f}"
                f"{seconds[kind]:10.3f}{seconds[kind] / seconds['none']:9.2f}"
            )


def step(network: CellSupernet, relaxation: Relaxation, images: Tensor, labels: Tensor, architecture: bool) -> None:
    """The gradients of a search step, of the weights or of the architecture; nothing is moved."""
    for parameter in network.parameters():
        parameter.requires_grad_(not architecture)
    with torch.set_grad_enabled(architecture):
        weights = relaxation.sample(generator(0, "sample"))
    loss = nn.functional.cross_entropy(network(images, weights, sparse=True), labels)
    wanted = list(relaxation.parameters.values()) if architecture else list(network.parameters())
    torch.autograd.grad(loss, wanted, allow_unused=True)


def saved_bytes(network: CellSupernet, relaxation: Relaxation, images: Tensor, labels: Tensor) -> list[int]:
    """Of the weight step and of the architecture step."""
    known = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    found = []
    for architecture in (False, True):
        storages: dict[int, tuple[int, Tensor]] = {}

        def pack(value: Tensor, storages: dict[int, tuple[int, Tensor]] = storages) -> Tensor:
            storage = value.untyped_storage()
            if storage.data_ptr() not in known:
                storages[storage.data_ptr()] = storage.nbytes(), value  # kept alive, so that no address comes twice
            return value

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
            step(network, relaxation, images, labels, architecture)
        found.append(sum(size for size, _ in storages.values()))
    return found


if __name__ == "__main__":
    main()
