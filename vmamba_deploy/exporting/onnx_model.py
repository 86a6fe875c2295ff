"""An ONNX file: read once, checked once, and handed on."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from vmamba_deploy.artifacts.strict_json import parse_json
from vmamba_deploy.errors import InputFileError, printable
from vmamba_deploy.exporting.onnx_graph import our_nodes, tensors_of, texts_of
from vmamba_deploy.files import read_file, shown, understood
from vmamba_deploy.ops.op import Op, PluginKey
from vmamba_deploy.ops.registry import OPS
from vmamba_deploy.precisions import BASES, PRECISIONS, BaseName, PrecisionName
from vmamba_deploy.tasks import CLASSIFICATION, TASKS, Task
from vmamba_deploy.tasks.custom import CUSTOM

if TYPE_CHECKING:
    import onnx_ir

    from vmamba_deploy.artifacts.interface_facts import InterfaceFacts
    from vmamba_deploy.artifacts.manifest import TensorFacts
    from vmamba_deploy.artifacts.quantization_facts import CalibrationFacts, QuantizationFacts

_WHAT = "an ONNX file"
_MAX_BYTES = (2 << 30) - 1  # of a message of protobuf
Record = TypeVar("Record")


@dataclass(eq=False)
class OnnxModel:
    """An ONNX file, read once and handed on: its graph, its interface and what it says of itself.

    onnx_ir holds it, as it keeps every part of the file: onnx-graphsurgeon would drop the metadata
    of model and nodes, by which layers are found, and the types of the weights.

    Attributes:
        path: where it lies.
        ir: the whole file; the weights of `data_files` are read when something asks for them.
        inputs: of the graph.
        outputs: of the graph.
        data_files: names of the files beside it that hold weights.
    """

    path: Path
    ir: onnx_ir.Model
    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    data_files: tuple[str, ...] = ()
    _checked: bool = field(default=False, repr=False)

    @classmethod
    def read(cls, path: Path) -> OnnxModel:
        """Read an ONNX file, without the weights that lie in other files.

        Raises:
            InputFileError: no such file, not an ONNX model with inputs and outputs, or one whose
                weights lie outside of its folder.
        """
        if not path.exists():
            raise InputFileError(f"the ONNX file {shown(path)} does not exist")
        content = read_file(path, what=_WHAT, limit_bytes=_MAX_BYTES)
        with understood(path, what=_WHAT):
            model = _deserialised(content, path)
            inputs, outputs = model.graph.inputs, model.graph.outputs
            if not inputs or not outputs or "" not in model.opset_imports:
                raise InputFileError(f"{shown(path)} is not an ONNX model with inputs and outputs")
            if not all(isinstance(text, str) for text in texts_of(model)):
                raise InputFileError(f"{shown(path)} holds names that are not UTF-8")
            return cls(
                path=path,
                ir=model,
                inputs=tuple(_tensor_facts(value) for value in inputs),
                outputs=tuple(_tensor_facts(value) for value in outputs),
                data_files=_data_files(path, model),
            )

    def copied_to(self, path: Path) -> OnnxModel:
        """The model at another place, with its data files, which keep the names it knows."""
        shutil.copyfile(self.path, path)
        for name in self.data_files:
            shutil.copyfile(self.path.with_name(name), path.with_name(name))
        return replace(self, path=path, _checked=False)

    def check(
        self, open_session: Callable[[OnnxModel], object] | None = None, *, strictly: bool = False
    ) -> None:
        """Check the file as it lies on disk, once: later calls come back at once.

        Args:
            open_session: opens it in ONNX Runtime. Where weights lie in other files, onnx.checker,
                onnx.load and a session each find tricks that the others miss: give it for a file
                that is not ours.
            strictly: with strict shape inference.

        Raises:
            InputFileError: it is not a sound ONNX model.
        """
        import onnx

        if self._checked:
            return
        try:
            onnx.checker.check_model(str(self.path), full_check=strictly)
            if self.data_files:
                # The weights are only read, for its checks, and dropped at once.
                onnx.load(str(self.path))
        except Exception as error:
            text = f"{shown(self.path)} is not a sound ONNX model: {printable(str(error))}"
            raise InputFileError(text) from error
        if self.data_files and open_session is not None:
            open_session(self)
        self._checked = True

    @property
    def op_sets(self) -> dict[str, int]:
        """The version of each op set by its domain."""
        imports = self.ir.opset_imports
        return {domain or "ai.onnx": version for domain, version in imports.items()}

    @property
    def metadata(self) -> dict[str, str]:
        """What the file says of itself (`model_metadata`)."""
        return self.ir.metadata_props

    @property
    def nodes(self) -> int:
        """Nodes of the main graph."""
        return self.ir.graph.num_nodes()

    @property
    def our_nodes(self) -> list[onnx_ir.Node]:
        """The nodes that are ops of ours, those in subgraphs and functions among them."""
        return our_nodes(self.ir)

    @property
    def our_ops(self) -> list[Op]:
        """The ops of ours that it calls, each once."""
        called = {(node.domain, node.op_type) for node in self.our_nodes}
        return [op for key, op in OPS.items() if key in called]

    @property
    def nodes_by_op(self) -> dict[str, int]:
        """How many nodes are each op of ours, by its type, in the order of `OPS`."""
        counts = Counter((node.domain, node.op_type) for node in self.our_nodes)
        return {op.op_type: counts[op.key] for op in self.our_ops}

    @property
    def plugins(self) -> Counter[PluginKey]:
        """How many nodes each TensorRT plugin of ours is to take."""
        return Counter(OPS[each.domain, each.op_type].plugin for each in self.our_nodes)

    @property
    def has_function_body(self) -> bool:
        """Whether it carries the body of an op of ours."""
        return any(identifier[:2] in OPS for identifier in self.ir.functions)

    @property
    def size_bytes(self) -> int:
        """Of the file and its data files, on disk."""
        files = (self.path, *(self.path.with_name(name) for name in self.data_files))
        return sum(file.stat().st_size for file in files)

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
        """As the metadata says; of a file that others quantized, what its nodes say.

        Raises:
            InputFileError: it names another precision than ours.
        """
        named = self.metadata.get("precision", "fp32")
        if named not in PRECISIONS:
            raise InputFileError(f"{self.path} says it has precision {named!r}")
        return self._quantized_by_others or PRECISIONS[named].name

    @property
    def base(self) -> BaseName:
        """The precision of all that is not quantized.

        Raises:
            InputFileError: as `precision`.
        """
        named = self.metadata.get("precision", "fp32")
        if named in BASES:
            return BASES[named]
        facts = self.quantization
        if facts is None:
            raise InputFileError(f"{shown(self.path)} does not say how it was quantized")
        return facts.base

    @property
    def quantization(self) -> QuantizationFacts | None:
        """What the file says of its quantization; None where it says nothing.

        Raises:
            InputFileError: it says nothing of sense.
        """
        if "quantization" not in self.metadata:
            return None
        from vmamba_deploy.artifacts.quantization_facts import QuantizationFacts

        return self._record("quantization", QuantizationFacts, "quantized")

    @property
    def calibration(self) -> CalibrationFacts | None:
        """What a file in fp16 says of its calibration; None where it says nothing.

        Raises:
            InputFileError: it says nothing of sense.
        """
        if "calibration" not in self.metadata:
            return None
        from vmamba_deploy.artifacts.quantization_facts import CalibrationFacts

        return self._record("calibration", CalibrationFacts, "calibrated")

    def _record(self, key: str, kind: type[Record], done: str) -> Record:
        import msgspec

        try:
            return msgspec.convert(self.structured(key), kind)
        except msgspec.ValidationError as error:
            text = f"{shown(self.path)} does not say how it was {done}: {error}"
            raise InputFileError(text) from error

    @property
    def _quantized_by_others(self) -> PrecisionName | None:
        from vmamba_deploy.exporting.dequantize import quantized_as

        if self.metadata.get("precision", "fp32") not in BASES:
            return None
        return quantized_as(self.ir)

    @property
    def task(self) -> Task:
        """What the file is for; without metadata, classification.

        Raises:
            InputFileError: a task that this release does not know.
        """
        named = self.metadata.get("task", CLASSIFICATION.name)
        if named == CUSTOM:
            return self._custom_task()
        if named not in TASKS:
            raise InputFileError(f"{self.path} is for the task {named!r}, unknown to this release")
        task = TASKS[named]
        # Other outputs than those of the task are for the checks to tell.
        return task.with_outputs([output.name for output in self.outputs]) or task

    @property
    def interface(self) -> InterfaceFacts:
        """What the file of a user's network says of itself beside its tensors.

        Raises:
            InputFileError: nothing, or nothing of sense.
        """
        import msgspec

        from vmamba_deploy.artifacts.interface_facts import InterfaceFacts

        try:
            return msgspec.convert(self.structured("interface"), InterfaceFacts)
        except msgspec.ValidationError as error:
            raise InputFileError(
                f"{shown(self.path)} does not say what its inputs and outputs are: {error}"
            ) from error

    def _custom_task(self) -> Task:
        try:
            return self.interface.task(self.inputs, self.outputs)
        except ValueError as error:
            text = f"{shown(self.path)} contradicts itself: {printable(str(error))}"
            raise InputFileError(text) from error

    def structured(self, key: str) -> Any:
        """A metadata value that is JSON; None when absent or not JSON."""
        try:
            return parse_json(self.metadata[key].encode())
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
        sides = axes if all(isinstance(axis, int) for axis in axes) else traced
        match sides:
            case [int(height), int(width)] if height > 0 and width > 0:
                return height, width
        raise InputFileError(f"{shown(self.path)} does not say for which image size it is")

    def longest_side(self) -> int | None:
        """What the longer side of a picture has to fit in; None where pictures need not fit."""
        preprocessing = self.structured("preprocessing")
        fit = preprocessing.get("fit") if isinstance(preprocessing, dict) else None
        match fit:
            case [int(longest), int()]:
                return longest
        return None

    def takes_bytes(self) -> bool:
        """Whether the graph does the preprocessing: uint8 [B,H,W,C] instead of float [B,C,H,W]."""
        return self.inputs[0].dtype == "uint8"

    def channels(self) -> int:
        """C, the channels of the input.

        Raises:
            InputFileError: the input's shape does not say.
        """
        shape = self.inputs[0].shape
        channels = shape[3 if self.takes_bytes() else 1] if len(shape) == 4 else None
        if not isinstance(channels, int):
            raise InputFileError(f"{self.path} does not say how many channels an image has")
        return channels

    def has_free_size(self) -> bool:
        """Whether height or width is left free."""
        return any(isinstance(axis, str) for axis in self._size_axes())

    def _size_axes(self) -> tuple[int | str, ...]:
        shape = self.inputs[0].shape
        return shape[1:3] if self.takes_bytes() else shape[2:4]


def _deserialised(content: bytes, path: Path) -> onnx_ir.Model:
    import onnx
    import onnx_ir
    from google.protobuf.message import DecodeError

    try:
        proto = onnx.load_from_string(content)
    except DecodeError as error:
        raise InputFileError(f"{shown(path)} is not an ONNX file") from error
    model = onnx_ir.serde.deserialize_model(proto)
    onnx_ir.external_data.set_base_dir(model.graph, path.parent)
    return model


def _data_files(path: Path, model: onnx_ir.Model) -> tuple[str, ...]:
    import onnx_ir

    names = {
        str(tensor.location)
        for tensor in tensors_of(model)
        if isinstance(tensor, onnx_ir.ExternalTensor)
    }
    for name in names:
        if name in {"", path.name} or Path(name).name != name or (path.parent / name).is_symlink():
            raise InputFileError(
                f"{shown(path)} takes weights from {name!r}, which is not beside it, or a symbolic "
                "link: ONNX's checker refuses both",
                hint="copy the folder with the files themselves: `cp -rL`",
            )
        if not (path.parent / name).is_file():
            raise InputFileError(
                f"{shown(path)} needs the file {printable(name)} beside it",
                hint="copy both files together",
            )
    return tuple(sorted(names))


def _tensor_facts(value: onnx_ir.Value) -> TensorFacts:
    # Here, for a machine that measures on a GPU imports this module and has no msgspec.
    from vmamba_deploy.artifacts.manifest import TensorFacts

    try:
        dtype = "unknown" if value.dtype is None else value.dtype.numpy().name
    except TypeError:
        dtype = "unknown"
    axes = () if value.shape is None else value.shape
    shape = tuple(axis if isinstance(axis, int) else axis.value or "?" for axis in axes)
    return TensorFacts(name=value.name or "", dtype=dtype, shape=shape)
