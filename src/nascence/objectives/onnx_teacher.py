"""Learning from the outputs of a network in an ONNX file, whatever it was made with."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from nascence.errors import SettingError
from nascence.libraries import onnx_runtime
from nascence.objectives.base import Evaluated, Objective
from nascence.schedules import Schedule


@final
class OnnxTeacher(Objective):
    """:meth:`nascence.tasks.Task.distance` from the outputs of the network in ``file``, which must take the task's
    inputs in batches of any size; no gradient reaches it. Raises :class:`SettingError` where the file holds no such
    network."""

    name: ClassVar[str] = "teacher"

    def __init__(self, file: str | Path, schedule: Schedule) -> None:
        self.file, self.schedule = Path(file), schedule
        self._session: Any = None

    def __str__(self) -> str:
        return f"OnnxTeacher({self.file.name}, {self.schedule})"

    def term(self, evaluated: Evaluated) -> Tensor:
        teacher = self.outputs(evaluated.batch.inputs)
        if teacher.shape != evaluated.output.shape:
            raise SettingError(
                f"The teacher {self.file} says {tuple(teacher.shape)} where the search wants "
                f"{tuple(evaluated.output.shape)}; expected a network of the same task."
            )
        return evaluated.task.distance(evaluated.output, teacher, evaluated.batch)

    def outputs(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """What the teacher says, on the inputs' device."""
        session = self._opened()
        names = [each.name for each in session.get_inputs()]
        if len(names) != len(inputs):
            raise SettingError(f"The teacher {self.file} takes {len(names)} inputs, and this task has {len(inputs)}.")
        given = {name: each.detach().float().cpu().numpy() for name, each in zip(names, inputs, strict=True)}
        try:
            (said, *_) = session.run(None, given)
        except Exception as error:  # noqa: BLE001 - ONNX Runtime raises classes of its own
            raise SettingError(f"The teacher {self.file} cannot be run on this task's batches ({error}).") from None
        return torch.from_numpy(said).to(inputs[0].device)

    def _opened(self) -> Any:
        if self._session is None:
            onnxruntime = onnx_runtime()
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = torch.get_num_threads()
            options.log_severity_level = 3
            try:
                self._session = onnxruntime.InferenceSession(
                    str(self.file), options, providers=["CPUExecutionProvider"]
                )
            except Exception as error:  # noqa: BLE001 - likewise
                raise SettingError(f"The teacher {self.file} is no ONNX file that can be run ({error}).") from None
        return self._session


__all__ = ["OnnxTeacher"]
