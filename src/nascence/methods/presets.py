"""Presets that methods share or vary: settings with which an ordinary computer finishes a search in minutes."""

from __future__ import annotations

from typing import Any

LAPTOP: dict[str, Any] = {
    "size": "search-small",
    "epochs": 40,
    "warmup_epochs": 25,
    "epoch_images": 5000,
    "architecture_learning_rate": 3e-3,
    "image_size": 16,
}
"""Of cells: a smaller network, smaller images and few steps, but all the images (passes over fewer of them teach the
weights those by heart, and what has no weights then looks better than it is); weights are trained alone first, as long
as it takes until convolutions have something to give, and then the architecture takes larger steps, since there are
fewer of them."""

LAPTOP_5000: dict[str, Any] = {
    **LAPTOP,
    "epochs": 34,
    "warmup_epochs": 24,
    "epoch_images": None,
    "train_images": 5000,
    "valid_images": 5000,
}
"""Passes over the same few images: what ``laptop`` was at first, for methods that found good cells with it."""

LAPTOP_DARTS: dict[str, Any] = {**LAPTOP, "epochs": 20, "warmup_epochs": 13}
"""The same for the space ``darts``, whose steps take five times as long."""

GRAPHS: dict[str, Any] = {
    "size": "search-small",
    "epochs": 60,
    "warmup_epochs": 30,
    "weights_optimizer": "adam",
    "learning_rate": 0.01,
    "weight_decay": 5e-4,
    "architecture_learning_rate": 0.05,
    "architecture_data": "validation",
}
"""The same for graph networks, where an epoch is a single step on the whole graph."""

WIDTHS: dict[str, Any] = {
    "size": "search-small",
    "epochs": 40,
    "warmup_epochs": 24,
    "epoch_images": 12800,
    "batch_size": 64,
    "image_size": 16,
    "warm_up": "single",
    "temperature": 2.0,
    "final_temperature": 0.3,
    "architecture_learning_rate": 0.05,
    "cost_form": "distance",
    "cost_weight": 0.05,
}
"""Of widths by masks: weights see single widths first, as long as it takes until widths make a difference; then the
cost is held at the budget, with a weight that leaves the task's loss a say (its slope in a width is small, and Adam
does not mind)."""

WIDTHS_FBNETV2: dict[str, Any] = {
    **WIDTHS,
    "draws": "hard",
    "image_size": 32,
    "epochs": 20,
    "warmup_epochs": 10,
    "epoch_images": 6400,
}
"""The same where blocks and resolutions are among the choices, too: one option of each is run."""

WIDTHS_OWN: dict[str, Any] = {
    **{name: value for name, value in WIDTHS.items() if name != "image_size"},
    "epochs": 12,
    "warmup_epochs": 4,
    "epoch_images": 5000,
    "learning_rate": 0.02,
    "fill": True,
}
"""For networks of one's own, whose weights are trained already: fewer epochs, smaller steps, images as they are, and no
part of the budget left over."""

PICTURES: dict[str, Any] = {
    "size": "search-small",
    "epoch_images": 160,
    "batch_size": 4,
    "check_images": 4,
    "channels_last": True,
    "cost_form": "above",
    "cost_weight": 3e-4,
    "fill": True,
}
"""Of networks that restore pictures: small patches, in the layout that is quicker on CPUs; what a network costs has a
price only above the budget (without one, above the mean), and no part of the budget is left over."""

DENOISERS: dict[str, Any] = {
    **PICTURES,
    "channels": None,
    "unfolding": None,
    "exclude": "conv5x5",
    "epochs": 20,
    "warmup_epochs": 6,
    "image_size": 24,
    "learning_rate": 4e-3,
    "final_learning_rate": 4e-4,
    "architecture_learning_rate": 1e-2,
}
"""Without the operation that takes longest, and without unfolding. The temperature is 1 after a third of the steps of
the architecture, when no logit has moved by more than two: what is chosen has some evidence."""

ENLARGERS: dict[str, Any] = {
    **PICTURES,
    "epochs": 16,
    "warmup_epochs": 6,
    "image_size": 16,
    "learning_rate": 2e-3,
    "final_learning_rate": 2e-4,
    "architecture_learning_rate": 5e-3,
}
"""For path-tree-small. No logit can travel further than two, as sparsemax is one-hot at a difference of one."""


__all__ = [
    "DENOISERS",
    "ENLARGERS",
    "GRAPHS",
    "LAPTOP",
    "LAPTOP_5000",
    "LAPTOP_DARTS",
    "PICTURES",
    "WIDTHS",
    "WIDTHS_FBNETV2",
    "WIDTHS_OWN",
]
