"""What an ONNX file of ours says about itself, read without running it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmamba_deploy.artifacts.manifest import TensorFacts
from vmamba_deploy.errors import InputFileError
from vmamba_deploy.ops.registry import OPS
from vmamba_deploy.precisions import PRECISIONS, PrecisionName
from vmamba_deploy.tasks import CLASSIFICATION, TASKS, Task


@dataclass(frozen=True)
class OnnxModel:
    """An ONNX file from outside: sets of operators, interface, metadata, number of scans.

    `data_files` are the names of the files beside it that hold weights.
    """

    path: Path
    op_sets: dict[str, int]
    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    metadata: dict[str, str]
    nodes: int
    scan_nodes: int
    has_function_body: bool
    data_files: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path) -> OnnxModel:
        """Read the structure of an ONNX file; external weights are not loaded.

        Raises:
            InputFileError: no such file, not an ONNX model with inputs and outputs, or one whose
                weights lie outside of its folder.
        """
        import onnx
        from google.protobuf.message import DecodeError

        try:
            model = onnx.load(str(path), load_external_data=False)
        except OSError as error:
            raise InputFileError(f"cannot read {path}: {error.strerror or error}") from error
        except DecodeError as error:
            raise InputFileError(f"{path} is not an ONNX file") from error
        graph = model.graph
        op_sets = {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}
        if not graph.input or not graph.output or "ai.onnx" not in op_sets:
            raise InputFileError(f"{path} is not an ONNX model with inputs and outputs")
        return cls(
            path=path,
            op_sets=op_sets,
            inputs=tuple(_tensor_facts(value) for value in graph.input),
            outputs=tuple(_tensor_facts(value) for value in graph.output),
            metadata={entry.key: entry.value for entry in model.metadata_props},
            nodes=len(graph.node),
            scan_nodes=sum((node.domain, node.op_type) in OPS for node in graph.node),
            has_function_body=any((body.domain, body.name) in OPS for body in model.functions),
            data_files=_data_files(path, graph),
        )

    @property
    def opset(self) -> int:
        """Version of the standard op set."""
        return self.op_sets["ai.onnx"]

    @property
    def preset(self) -> str | None:
        """The preset's name, None for another architecture or a file without metadata."""
        name = self.metadata.get("preset")
        return None if name == "custom" else name

    @property
    def precision(self) -> PrecisionName:
        """As the metadata says.

        Raises:
            InputFileError: it names another precision than ours.
        """
        named = self.metadata.get("precision", "fp32")
        if named not in PRECISIONS:
            raise InputFileError(f"{self.path} says it has precision {named!r}")
        return PRECISIONS[named].name

    @property
    def task(self) -> Task:
        """What the file is for; without metadata, classification.

        Raises:
            InputFileError: a task that this release does not know.
        """
        named = self.metadata.get("task", CLASSIFICATION.name)
        if named not in TASKS:
            raise InputFileError(f"{self.path} is for the task {named!r}, unknown to this release")
        return TASKS[named]

    def structured(self, key: str) -> Any:
        """A metadata value that is JSON; None when absent or not JSON."""
        try:
            return json.loads(self.metadata[key])
        except (KeyError, ValueError):
            return None

    def image_size(self) -> tuple[int, int]:
        """(height, width) that the file was traced with.

        Raises:
            InputFileError: neither the input's shape nor the metadata says.
        """
        axes = self._size_axes()
        preprocessing = self.structured("preprocessing")
        traced = preprocessing.get("crop_pixels") if isinstance(preprocessing, dict) else None
        sides = tuple(axes) if all(isinstance(axis, int) for axis in axes) else traced
        if not sides or len(sides) != 2:
            raise InputFileError(f"{self.path} does not say for which image size it is")
        return int(sides[0]), int(sides[1])

    def takes_bytes(self) -> bool:
        """Whether the graph does the preprocessing: uint8 [B,H,W,3] instead of float [B,3,H,W]."""
        return self.inputs[0].dtype == "uint8"

    def has_free_size(self) -> bool:
        """Whether height or width is left free."""
        return any(isinstance(axis, str) for axis in self._size_axes())

    def _size_axes(self) -> tuple[int | str, ...]:
        shape = self.inputs[0].shape
        return shape[1:3] if self.takes_bytes() else shape[2:4]


def _data_files(path: Path, graph: Any) -> tuple[str, ...]:
    from onnx.external_data_helper import ExternalDataInfo, uses_external_data

    names = {
        ExternalDataInfo(tensor).location
        for tensor in graph.initializer
        if uses_external_data(tensor)
    }
    for name in names:
        if Path(name).name != name or (path.parent / name).is_symlink():
            raise InputFileError(f"{path} takes weights from {name!r}, which is not beside it")
        if not (path.parent / name).is_file():
            raise InputFileError(
                f"{path} needs the file {name} beside it", hint="copy both files together"
            )
    return tuple(sorted(names))


def _tensor_facts(value: Any) -> TensorFacts:
    import onnx

    tensor = value.type.tensor_type
    try:
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
    except KeyError:
        dtype = "unknown"
    shape = tuple(
        axis.dim_value if axis.HasField("dim_value") else axis.dim_param or "?"
        for axis in tensor.shape.dim
    )
    return TensorFacts(name=value.name, dtype=dtype, shape=shape)
