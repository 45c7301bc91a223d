"""Tasks: data, classes, normalisation, augmentation, batches."""

from nascence.tasks.image_classification import ImageClassification, ImageSet
from nascence.tasks.loading import find_data_dir, load_task

__all__ = ["ImageClassification", "ImageSet", "find_data_dir", "load_task"]
