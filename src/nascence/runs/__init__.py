"""Run directories: what a search or a training leaves behind, and how it goes on after an interruption."""

from nascence.runs.resumable import Resumable

__all__ = ["Resumable"]
