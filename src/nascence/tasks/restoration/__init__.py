"""Tasks whose output is a picture: denoising and super-resolution."""

from nascence.tasks.restoration.degradations import Degradation, GaussianNoise, Given, Shrunk
from nascence.tasks.restoration.loading import load_restoration
from nascence.tasks.restoration.task import Picture, PicturePart, Restoration

__all__ = [
    "Degradation",
    "GaussianNoise",
    "Given",
    "Picture",
    "PicturePart",
    "Restoration",
    "Shrunk",
    "load_restoration",
]
