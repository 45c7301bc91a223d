"""Tasks: data in parts and batches, loss, metric; one folder or file for each kind of data."""

from typing import TYPE_CHECKING

from nascence.importing import later

if TYPE_CHECKING:
    from nascence.tasks.base import Batch, Batches, Metric, Part, Signature, Task
    from nascence.tasks.classify import DATASETS
    from nascence.tasks.image_classification import ImageClassification, ImageSet, image_classes
    from nascence.tasks.loaders import TASKS, Loader
    from nascence.tasks.loading import at_home, describe_datasets, find_data_dir, is_named, load_task
else:
    __getattr__ = later(
        __name__,
        {
            "base": ("Batch", "Batches", "Metric", "Part", "Signature", "Task"),
            "classify": ("DATASETS",),
            "image_classification": ("ImageClassification", "ImageSet", "image_classes"),
            "loaders": ("TASKS", "Loader"),
            "loading": ("at_home", "describe_datasets", "find_data_dir", "is_named", "load_task"),
        },
    )

__all__ = [
    "DATASETS",
    "TASKS",
    "Batch",
    "Batches",
    "ImageClassification",
    "ImageSet",
    "Loader",
    "Metric",
    "Part",
    "Signature",
    "Task",
    "at_home",
    "describe_datasets",
    "find_data_dir",
    "image_classes",
    "is_named",
    "load_task",
]
