"""Tasks: data, classes, normalisation, augmentation, batches."""

from nascence.tasks.image_classification import ImageClassification, ImageSet
from nascence.tasks.loading import DATASETS, describe_datasets, find_data_dir, is_named, load_task

__all__ = ["DATASETS", "ImageClassification", "ImageSet", "describe_datasets", "find_data_dir", "is_named", "load_task"]
