"""Tasks: data, classes, normalisation, augmentation, batches."""

from nascence.tasks.base import Batch, Batches, Metric, Part, Signature, Task
from nascence.tasks.image_classification import ImageClassification, ImageSet
from nascence.tasks.loading import DATASETS, describe_datasets, find_data_dir, is_named, load_task

__all__ = [
    "DATASETS",
    "Batch",
    "Batches",
    "ImageClassification",
    "ImageSet",
    "Metric",
    "Part",
    "Signature",
    "Task",
    "describe_datasets",
    "find_data_dir",
    "is_named",
    "load_task",
]
