"""Graphs after ``--data``: Planetoid folders and ``.npz`` files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, final

from nascence.errors import DataError
from nascence.tasks.graphs.recognising import is_graph_file, planetoid_folder
from nascence.tasks.graphs.settings import NodeSettings
from nascence.tasks.loaders import Loader, no_image_size
from nascence.tasks.predicting import Columns, Question
from nascence.tasks.sources import Request

if TYPE_CHECKING:
    from torch import Tensor

    from nascence.tasks.base import Task


@final
class NodesLoader(Loader):
    """Node classification."""

    kind: ClassVar[str] = "nodes"
    settings: ClassVar[type] = NodeSettings

    def recognises(self, path: Path) -> bool:
        return planetoid_folder(path) is not None if path.is_dir() else is_graph_file(path)

    def load(self, data: str, path: Path | None, settings: Any, request: Request) -> Task:
        from nascence.tasks.graphs.arrays import read_graph_file
        from nascence.tasks.graphs.planetoid import read_planetoid
        from nascence.tasks.graphs.raw import assemble

        no_image_size(request, self.kind)
        if path is None:
            raise DataError(f"'{data}' is no graph; give a Planetoid folder or an .npz with features, labels, edges.")
        if path.is_dir():
            raw = read_planetoid(path)
        elif path.suffix.lower() == ".npz":
            raw = read_graph_file(path)
        else:
            raise DataError(f"{path} is no graph; expected a Planetoid folder or an .npz with features, labels, edges.")
        return assemble(raw, settings, request.seed)

    def predict(self, question: Question) -> Columns:
        """Without paths: of all nodes of the graph that the network was trained on."""
        from nascence.tasks.graphs.predicting import predict_nodes
        from nascence.tasks.loading import locate

        config = question.config
        paths = question.some_paths("graphs") if question.paths else ()
        own = Path() if paths else locate(config["data"], Path(config["data_dir"]))
        return predict_nodes(question, own)

    def combine(self, outputs: Sequence[Tensor]) -> Tensor:
        from nascence.tasks.combining import mean_probability

        return mean_probability(outputs)


__all__ = ["NodesLoader"]
