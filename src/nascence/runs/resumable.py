"""Work in steps that can be killed between any two of them."""

from __future__ import annotations

from typing import Any, Protocol


class Resumable(Protocol):
    """A search or a training. Between steps, :meth:`state_dict` is all there is to know about it.

    The state and the events hold only what JSON or ``torch.load(weights_only=True)`` can carry: numbers, text, lists,
    dictionaries, tensors. Randomness comes from :mod:`nascence.seeding`, by the number of the step, so a resumed object
    continues exactly as an undisturbed one.
    """

    @property
    def total_steps(self) -> int:
        """The expected number of steps, for the progress display."""
        ...

    @property
    def steps_done(self) -> int: ...

    @property
    def done(self) -> bool: ...

    def advance(self) -> dict[str, Any]:
        """Do one step and return its event: a flat JSON object that says what happened."""
        ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...
