"""The class-summed neural tangent kernel at initialisation, and two numbers of it.

For one number per image, f_n = sum of its outputs, the kernel is K[n, m] = <d f_n / d theta, d f_m / d theta>
over all parameters called ``weight``: kernels of convolutions, scales of batch normalisation, the classifier's matrix
(TE-NAS, Chen et al., ICLR 2021, and its code). It is 1^T Theta(x_n, x_m) 1 of the full kernel Theta.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from nascence.scores.batch_norm import ScoringBatchNorm, calibrate
from nascence.supernets.cells.fused import FusedConv2d

Forward = Callable[[Tensor], Tensor]


def class_summed_kernel(
    network: nn.Module, forward: Forward, x_BCHW: Tensor, *, groups: int = 1, chunk: int = 16
) -> Tensor:
    """K [M, N, N] in float64 for a batch of M * N images (``groups`` = M networks side by side; see batch_norm).

    ``network`` holds the parameters (its normalisation replaced by :func:`replace_batch_norm`), ``forward`` maps the
    images to outputs. Where samples are coupled by batch statistics (mode ``train``) every sample costs a backward pass
    of its own, ``chunk`` of them vectorised at a time; otherwise one backward pass yields all per-sample gradients.
    """
    norms = [module for module in network.modules() if isinstance(module, ScoringBatchNorm)]
    for norm in norms:
        norm.groups = groups
    calibrate(network, forward, x_BCHW)
    if any(norm.mode == "train" for norm in norms):
        jacobian_NP = _jacobian_by_cotangents(network, forward, x_BCHW, groups, chunk).double()
        return (jacobian_NP @ jacobian_NP.mT)[None]
    return _kernel_by_layers(network, forward, x_BCHW, groups)


def _jacobian_by_cotangents(network: nn.Module, forward: Forward, x_BCHW: Tensor, groups: int, chunk: int) -> Tensor:
    """[N, P]: one vectorised backward pass per chunk of cotangents; exact however the samples are coupled."""
    assert groups == 1, "coupled samples are scored one network at a time"
    parameters = [p for name, p in network.named_parameters() if "weight" in name]
    outputs = forward(x_BCHW).sum(1)
    rows = []
    for cotangents in torch.eye(len(outputs), dtype=outputs.dtype, device=outputs.device).split(chunk):
        gradients = torch.autograd.grad(
            outputs, parameters, cotangents, retain_graph=True, allow_unused=True, is_grads_batched=True
        )
        rows.append(torch.cat([g.flatten(1) for g in gradients if g is not None], dim=1))
    return torch.cat(rows)


def _kernel_by_layers(network: nn.Module, forward: Forward, x_BCHW: Tensor, groups: int) -> Tensor:
    """K [M, N, N]: one backward pass; each layer's input and output gradient give its per-sample gradients, and their
    products are added as soon as the backward pass reaches the layer, so that neither kind of gradient is kept.

    Exact only where no sample's output depends on another sample.
    """
    kernel = x_BCHW.new_zeros(groups, len(x_BCHW) // groups, len(x_BCHW) // groups, dtype=torch.float64)
    uses_left: Counter[nn.Module] = Counter()
    sums: dict[nn.Module, Tensor] = {}

    def collect(module: nn.Module, inputs: Tensor, gradient: Tensor) -> None:
        with torch.no_grad():  # a module used several times sums its uses before any product
            jacobian = _per_sample_weight_gradient(module, inputs, gradient).flatten(1)
            jacobian = sums.pop(module) + jacobian if module in sums else jacobian
            uses_left[module] -= 1
            if uses_left[module]:
                sums[module] = jacobian
            else:
                add(jacobian)

    def add(jacobian: Tensor) -> None:
        jacobian_MNP = jacobian.double().unflatten(0, (groups, -1))
        kernel.baddbmm_(jacobian_MNP, jacobian_MNP.mT)

    def record(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen = inputs[0].detach()
        if isinstance(module, ScoringBatchNorm):
            assert module.normalised is not None
            seen, module.normalised = module.normalised.detach(), None
        uses_left[module] += 1
        output.register_hook(partial(collect, module, seen))

    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear | ScoringBatchNorm)]
    handles = [m.register_forward_hook(record) for m in layers if m.weight is not None]
    x_BCHW = x_BCHW.detach().requires_grad_()  # so that the backward pass goes through every layer
    try:
        outputs = forward(x_BCHW).sum()
    finally:
        for handle in handles:
            handle.remove()
    torch.autograd.grad(outputs, x_BCHW, allow_unused=True)
    for jacobian in sums.values():  # of whose uses some lead nowhere
        add(jacobian)
    return kernel


def _per_sample_weight_gradient(module: nn.Module, inputs: Tensor, gradient: Tensor) -> Tensor:
    """[B, ...]: the gradient of each sample's output with respect to ``module.weight``."""
    if isinstance(module, nn.Linear):
        return gradient[:, :, None] * inputs[:, None, :]
    if isinstance(module, ScoringBatchNorm):
        return (inputs * gradient).sum((2, 3))
    assert isinstance(module, nn.Conv2d)
    if module.kernel_size != (1, 1) and module.weight.shape[1] == 1 and _outputs_per_group(module) == 1:
        return _depthwise_weight_gradient(module, inputs, gradient)
    if module.kernel_size == (1, 1) and module.padding == (0, 0):
        patches = inputs[:, :, :: module.stride[0], :: module.stride[1]].flatten(2)
    else:
        assert isinstance(module.padding, tuple)
        patches = nn.functional.unfold(inputs, module.kernel_size, module.dilation, module.padding, module.stride)
    if isinstance(module, FusedConv2d):
        groups = module.template_groups
        if groups == 1 and module.shared_input:  # one product for all edges
            return gradient.flatten(2) @ patches.mT
        fan_in = module.weight[0].numel()
        patches_BTGIL = patches.unflatten(1, (-1, groups, fan_in))
        gradient_BTGOL = gradient.flatten(2).unflatten(1, (-1, groups, module.out_channels // (module.copies * groups)))
        return gradient_BTGOL @ patches_BTGIL.mT  # a shared input is broadcast over the edges
    patches_BGIL = patches.unflatten(1, (module.groups, -1))
    return gradient.flatten(2).unflatten(1, (module.groups, -1)) @ patches_BGIL.mT


def _outputs_per_group(module: nn.Conv2d) -> int:
    if isinstance(module, FusedConv2d):
        return module.out_channels // (module.copies * module.template_groups)
    return module.out_channels // module.groups


def _depthwise_weight_gradient(module: nn.Conv2d, inputs: Tensor, gradient: Tensor) -> Tensor:
    """[B, C, k * k]: every channel of every sample correlated with its own gradient, as one depthwise convolution whose
    kernels are the gradients (stride and dilation change places). No patches are stored: far faster than unfolding."""
    batch, channels = gradient.shape[:2]
    if inputs.shape[1] != channels:  # edges that share their input
        inputs = inputs.repeat(1, channels // inputs.shape[1], 1, 1)
    assert isinstance(module.padding, tuple)
    height, width = module.kernel_size
    correlated = nn.functional.conv2d(
        inputs.reshape(1, batch * channels, *inputs.shape[2:]),
        gradient.reshape(batch * channels, 1, *gradient.shape[2:]),
        padding=module.padding,
        stride=module.dilation,
        dilation=module.stride,
        groups=batch * channels,
    )
    return correlated[:, :, :height, :width].reshape(batch, channels, -1)


def condition_number(kernel: Tensor, *, precision: torch.dtype = torch.float32) -> Tensor:
    """lambda_max / lambda_min of symmetric kernels [..., N, N]; infinity where singular, zero or not finite.

    Singular is what cannot be told from it: lambda_min of K = J J^T carries the squared relative error of J, which was
    computed in ``precision`` and of which up to a thousand units in the last place are allowed for (float32: a
    condition number above 7e7 is noise; two equal images gave 1e10 to 1e14).
    """
    n = kernel.shape[-1]
    noise = max(n * torch.finfo(kernel.dtype).eps, (1000 * torch.finfo(precision).eps) ** 2)
    finite = kernel.isfinite().all(-1).all(-1)
    values = torch.linalg.eigvalsh(
        torch.where(finite[..., None, None], kernel, torch.eye(n, dtype=kernel.dtype, device=kernel.device))
    )
    smallest, largest = values[..., 0], values[..., -1]
    usable = finite & (smallest > noise * largest) & (largest > 0)
    return torch.where(usable, largest / smallest, torch.full_like(largest, math.inf))
