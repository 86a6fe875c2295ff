"""manifest.json: what the files of an artefact folder are, and whether they still are that.

The types below are its shape; `python -m vmamba_deploy.reports.schema manifest` prints it as a JSON
schema. What passes can be used: samples/cpp reads it by the same rules, and both are held to
tests/data/bad_manifests.json. `verification` compares the files with it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from vmamba_deploy.artifacts.atomic import PARTIAL_PREFIX, atomic_write
from vmamba_deploy.artifacts.contradictions import fault_of
from vmamba_deploy.artifacts.engine_facts import EngineFacts, Positive
from vmamba_deploy.artifacts.interface_facts import InterfaceFacts
from vmamba_deploy.artifacts.quantization_facts import CalibrationFacts, QuantizationFacts
from vmamba_deploy.artifacts.strict_json import parse_json, require_plain_texts
from vmamba_deploy.errors import IntegrityError, UsageError, VmambaError, printable
from vmamba_deploy.files import open_file, read_file, shown, understood
from vmamba_deploy.precisions import PrecisionName
from vmamba_deploy.preprocessing import Preprocessing
from vmamba_deploy.preprocessing.specification import MAX_SIDE
from vmamba_deploy.tasks import CLASSIFICATION, TASKS, Task
from vmamba_deploy.tasks.classification import Activation
from vmamba_deploy.tasks.custom import CUSTOM

MANIFEST_NAME = "manifest.json"
ONNX_NAME, ENGINE_NAME = "model.onnx", "model.engine"
ORT_LIBRARY_NAME, TRT_LIBRARY_NAME = "libvmamba_ort.so", "libvmamba_trt.so"
PACKAGE_NAME, TORCH_LIBRARY_NAME = "model.pt2", "libvmamba_torch.so"
OPENVINO_LIBRARY_NAME = "libvmamba_openvino.so"
REPORT_NAME = "report.json"
CODE_NAMES = (
    ENGINE_NAME,
    PACKAGE_NAME,
    ORT_LIBRARY_NAME,
    TRT_LIBRARY_NAME,
    TORCH_LIBRARY_NAME,
    OPENVINO_LIBRARY_NAME,
)
"""What a runtime loads by its name, and executes."""
SCHEMA_VERSION = 1

MAX_MANIFEST_BYTES = 16 << 20
_MAX_FILES = 4096
_MAX_FILE_BYTES = 1 << 40
_MAX_CLASSES = 1 << 20
_LEAST_STD = 1e-6
_LARGEST = 2**63 - 1

Count = Annotated[int, Meta(ge=0, le=_LARGEST)]
_Side = Annotated[int, Meta(ge=1, le=MAX_SIDE)]
_Name = Annotated[str, Meta(min_length=1)]
# What an application feeds or gets; NumPy knows each by this name.
_Dtype = Annotated[str, Meta(pattern="^(uint8|int32|int64|float16|float32|float64)$")]
_Colour = tuple[Annotated[int, Meta(ge=0, le=255)], ...]
# `$` alone would take a newline behind the last digit.
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
Status = Literal["complete", "unproven", "failed"]
# Where a listed file leads is judged by `path_inside`.
_FileName = Annotated[str, Meta(pattern=r"^[^/\\:\x00][^\\:\x00]*$")]


class FileFacts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file as it was written."""

    sha256: Sha256
    size_bytes: Count


class WeightsFacts(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Where the weights came from (a path, an address, `random ...`), and their sha256.

    Attributes:
        key: under which they were in the file, where it has keys.
        other_keys: under which the file has others like them.
        architecture: where it is known from, for a person.
    """

    source: str
    sha256: Sha256
    key: str | None = None
    other_keys: tuple[str, ...] = ()
    architecture: str | None = None


class TensorFacts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Name, NumPy dtype name and shape of an input or output; free axes are strings.

    Of a foreign ONNX file the dtype may be `unknown` and axes 0; in a manifest they may not.
    """

    name: _Name
    dtype: _Dtype
    shape: tuple[Positive | _Name, ...]


class OnnxInterface(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the ONNX file takes and gives: the standard op set, all op sets, and the tensors."""

    opset: Positive
    op_sets: dict[str, Positive]
    inputs: Annotated[tuple[TensorFacts, ...], Meta(min_length=1, max_length=64)]
    outputs: Annotated[tuple[TensorFacts, ...], Meta(min_length=1, max_length=64)]


class PreprocessingFacts(Struct, frozen=True, kw_only=True):
    """How an image becomes `pixel_values`, by this or another specification.

    Old manifests lack what has a default here; later ones may hold more.
    """

    mean: tuple[Annotated[float, Meta(ge=0, le=1)], ...]
    std: tuple[Annotated[float, Meta(ge=_LEAST_STD)], ...]
    crop_pixels: tuple[_Side, _Side]
    resize_pixels: _Side
    interpolation: str
    specification: Positive = 1
    normalisation_in_graph: bool = False
    stretched: bool | UnsetType = UNSET
    fit: tuple[_Side, _Side] | UnsetType = UNSET
    pad: _Side | UnsetType = UNSET
    fixed: bool | UnsetType = UNSET
    layout: str | None = None

    def __post_init__(self) -> None:
        if not self.mean or len(self.mean) != len(self.std):
            raise ValueError("mean and std must have one value for each channel")
        if not all(map(math.isfinite, (*self.mean, *self.std))):
            raise ValueError("mean and std must be finite")

    def by_this_release(self) -> Preprocessing:
        """What this release can do.

        Raises:
            IntegrityError: it follows a later specification, or holds what none allows.
        """
        return Preprocessing.from_manifest(msgspec.to_builtins(self))


class Description(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a run knows of its artefacts before their files are described.

    Attributes:
        preset: `custom` for an architecture that is none.
        task: what the network is for, a name of `vmamba_deploy.tasks.TASKS`.
        versions: of the tools that shaped the ONNX file.
        labels: one a class; None where nobody knows them.
        palette: the colour (red, green, blue) of each class; None where nobody knows them.
        num_classes: logits of the network, one for two classes of pixels; None where the outputs
            show it.
        activation: of a classifier; None in older manifests: the usual one
            (`vmamba_deploy.tasks.classification.chosen_activation`).
        preprocessing: None where the network is a user's and nobody said how images become its
            first input.
        interface: of a network of a user's, task `custom`.
        quantization: of a file in a quantized precision that this package wrote.
        calibration: of one in fp16 that was calibrated.
    """

    status: Status
    status_reason: str | None = None
    preset: str
    precision: PrecisionName
    weights: WeightsFacts
    versions: dict[str, str]
    onnx: OnnxInterface
    engine: EngineFacts
    preprocessing: PreprocessingFacts | None
    labels: Annotated[tuple[str, ...], Meta(max_length=_MAX_CLASSES)] | None
    task: _Name = CLASSIFICATION.name
    activation: Activation | None = None
    palette: Annotated[tuple[_Colour, ...], Meta(max_length=_MAX_CLASSES)] | None = None
    num_classes: Annotated[int, Meta(ge=1, le=_MAX_CLASSES)] | None = None
    interface: InterfaceFacts | None = None
    quantization: QuantizationFacts | None = None
    calibration: CalibrationFacts | None = None

    def __post_init__(self) -> None:
        if (fault := fault_of(self)) is not None:
            raise ValueError(fault)

    @property
    def known_task(self) -> Task | None:
        """What the network is for, with the outputs that the file has.

        None where this release does not know the task.
        """
        if self.interface is not None:
            return self.interface.task(self.onnx.inputs, self.onnx.outputs)
        task = TASKS.get(self.task)
        return task and task.with_outputs([each.name for each in self.onnx.outputs])

    def prepared(self) -> Preprocessing:
        """How an image becomes the first input.

        Raises:
            UsageError: nobody said so, of a user's network.
            IntegrityError: see `PreprocessingFacts.by_this_release`.
        """
        if self.preprocessing is None:
            raise UsageError(
                f"nothing says how images become {self.onnx.inputs[0].name}, an input of a network "
                "of a user's",
                hint="make the arrays yourself, or export with --mean and --std",
            )
        return self.preprocessing.by_this_release()

    def require_classifier(self, folder: Path) -> None:
        """Raise UsageError unless the artefacts of `folder` give logits."""
        if self.task != CLASSIFICATION.name:
            outputs = ", ".join(output.name for output in self.onnx.outputs)
            other = "" if self.task == CUSTOM else f", or export with --task {CLASSIFICATION.name}"
            raise UsageError(
                f"{folder} is no classifier: its task is {self.task}, its outputs are {outputs}",
                hint=f"open it with vmamba_deploy.inference.load{other}",
            )


class Manifest(Description, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """manifest.json; `files` lists every other file of the folder by its name there."""

    schema_version: Literal[1] = 1
    created: str
    files: Annotated[dict[_FileName, FileFacts], Meta(max_length=_MAX_FILES)]

    def __repr__(self) -> str:
        what = f"{self.preset} {self.precision}, {self.task}, {self.status}"
        return f"Manifest({what}: {', '.join(self.files)})"

    @property
    def classes(self) -> int:
        """How many classes the network tells apart, by its logits."""
        logits = self.num_classes or int(self.onnx.outputs[0].shape[-1])
        task = TASKS.get(self.task)
        return logits if task is None else task.classes(logits)

    def listed(self, folder: Path, name: str) -> FileFacts:
        """What the manifest says of a file that a runtime needs.

        Raises:
            IntegrityError: nothing.
        """
        if name not in self.files:
            raise IntegrityError(f"the manifest of {shown(folder)} does not list {name}")
        return self.files[name]

    def as_json(self) -> dict[str, Any]:
        """The document, as plain values; a classifier's is the one that older releases read."""
        fields: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        if self.task == CLASSIFICATION.name:
            del fields["task"]
        if self.activation in (None, "softmax"):
            del fields["activation"]
        for key in ("palette", "num_classes", "interface", "quantization", "calibration"):
            if fields[key] is None:
                del fields[key]
        return fields | {"engine": self.engine.as_json()}


def write_manifest(folder: Path, description: Description) -> Manifest:
    """Describe every file of `folder` in its manifest.json.

    Args:
        folder: holds the artefacts; each gets its sha256 and size.
        description: the other fields.

    Returns:
        The manifest as it will be read.

    Raises:
        IntegrityError: the description holds what a reader would refuse.
    """
    described = Manifest(
        **{name: getattr(description, name) for name in Description.__struct_fields__},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        files={name: describe_file(folder / name) for name in _artefacts(folder)},
    )
    path, document = folder / MANIFEST_NAME, described.as_json()
    manifest = _checked(path, document)
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Read and validate the manifest of a folder; the files it names are not looked at.

    Raises:
        IntegrityError: absent, not JSON, another schema version, what no reader could use, or a
            file name that leaves the folder.
    """
    path = folder / MANIFEST_NAME
    if not os.path.lexists(path):
        raise IntegrityError(f"{shown(folder)} has no {MANIFEST_NAME}")
    content = read_file(
        path, what="a manifest", limit_bytes=MAX_MANIFEST_BYTES, error=IntegrityError
    )
    try:
        document = parse_json(content)
    except ValueError as error:
        raise IntegrityError(f"{shown(path)} cannot be read: {printable(str(error))}") from error
    # Before the rest, for another version may have other fields.
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise IntegrityError(
            f"{shown(path)} has schema version {printable(repr(version)[:80])}, this release reads "
            f"{SCHEMA_VERSION}",
            hint="use the release that wrote it, or export again",
        )
    manifest = _checked(path, document)
    for name in manifest.files:
        path_inside(folder, name)
    return manifest


def describe_file(path: Path, error: type[VmambaError] = IntegrityError) -> FileFacts:
    """The sha256 and the size of a regular file.

    Raises:
        VmambaError: of class `error`: it is none, or cannot be read.
    """
    with open_file(path, what="an artefact", limit_bytes=_MAX_FILE_BYTES, error=error) as file:
        return FileFacts(
            sha256=content_sha256(path, file), size_bytes=os.fstat(file.fileno()).st_size
        )


def path_inside(folder: Path, name: str) -> Path:
    """The path of a listed file.

    Only its name is judged: what links in the folder lead to, the sha256 vouches for.

    Raises:
        IntegrityError: the name leads out of the folder.
    """
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\\" in name:
        raise IntegrityError(f"the manifest names a file outside its folder: '{printable(name)}'")
    return folder / name


def _checked(path: Path, document: Any) -> Manifest:
    try:
        require_plain_texts(document)
        return msgspec.convert(document, Manifest)
    except ValueError as error:
        raise IntegrityError(f"{shown(path)} does not fit its schema: {error}") from error


def content_sha256(path: Path, file: BufferedReader) -> str:
    """The sha256 of an open artefact.

    Raises:
        IntegrityError: it cannot be read.
    """
    with understood(path, what="an artefact", error=IntegrityError):
        return hashlib.file_digest(file, "sha256").hexdigest()


def _artefacts(folder: Path) -> list[str]:
    names = (
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(PARTIAL_PREFIX)
    )
    return sorted(name for name in names if name != MANIFEST_NAME)
