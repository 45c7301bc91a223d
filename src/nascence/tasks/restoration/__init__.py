"""Tasks whose output is a picture: denoising and super-resolution."""

from typing import TYPE_CHECKING

from nascence.importing import later

if TYPE_CHECKING:
    from nascence.tasks.restoration.degradations import Degradation, GaussianNoise, Given, Shrunk
    from nascence.tasks.restoration.loading import load_restoration
    from nascence.tasks.restoration.task import Picture, PicturePart, Restoration
else:
    __getattr__ = later(
        __name__,
        {
            "degradations": ("Degradation", "GaussianNoise", "Given", "Shrunk"),
            "loading": ("load_restoration",),
            "task": ("Picture", "PicturePart", "Restoration"),
        },
    )

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
