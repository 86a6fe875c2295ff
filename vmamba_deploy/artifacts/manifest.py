"""manifest.json: what the files of an artefact folder are, and whether they still are that.

The types below are its shape; `python -m vmamba_deploy.reports.schema manifest` prints it as a JSON
schema. Loading starts with `verify`, so that a changed file, or an engine for another TensorRT or
GPU, is refused before TensorRT reads a byte of it.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from vmamba_deploy.artifacts.atomic import PARTIAL_PREFIX, atomic_write
from vmamba_deploy.errors import IntegrityError, UsageError
from vmamba_deploy.precisions import PrecisionName
from vmamba_deploy.preprocessing import Preprocessing
from vmamba_deploy.tasks import CLASSIFICATION

MANIFEST_NAME = "manifest.json"
ONNX_NAME, ENGINE_NAME = "model.onnx", "model.engine"
ORT_LIBRARY_NAME, TRT_LIBRARY_NAME = "libvmamba_ort.so", "libvmamba_trt.so"
SCHEMA_VERSION = 1

REBUILD_HINT = "export again, or build an engine for this machine with `vmamba-deploy build`"
_MAX_MANIFEST_BYTES = 16 << 20

Count = Annotated[int, Meta(ge=0)]
_Positive = Annotated[int, Meta(ge=1)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Shape = tuple[_Positive, ...]
FlavourName = Literal["tensorrt", "tensorrt_rtx"]
Status = Literal["complete", "unproven", "failed"]
# Where a listed file leads is judged by `_inside`.
_FileName = Annotated[str, Meta(pattern=r"^[^/\\:\x00][^\\:\x00]*$")]


class FileFacts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file as it was written."""

    sha256: Sha256
    size_bytes: Count


class WeightsFacts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the weights came from (a path, an address, `random ...`), and their sha256."""

    source: str
    sha256: Sha256


class TensorFacts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Name, NumPy dtype name and shape of an input or output; free axes are strings."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


class OnnxInterface(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the ONNX file takes and gives: the standard op set, all op sets, and the tensors."""

    opset: _Positive
    op_sets: dict[str, int]
    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]


class ShapeProfile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Shapes of the input that an engine takes: smallest, tuned for, largest."""

    min: Shape
    opt: Shape
    max: Shape


class PluginFacts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The plugin that an engine calls, `beside` it or `embedded`: then loading it runs the code."""

    name: str
    version: str
    namespace: str
    delivery: Literal["beside", "embedded"]


class EngineFacts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The engine; without one, `built` is false, `reason` says why and most of the rest is None.

    Attributes:
        flavour: that built it, or would have.
        version: of that TensorRT, "1.7.1.116".
        compute_capabilities: the GPUs that it was built for, "8.6"; empty: all that the flavour
            takes.
        version_compatible: the same or a later major version reads it too.
        hardware_compatible: GPUs newer than the oldest of `compute_capabilities` run it too.
        weights_stripped: it must be refitted from the ONNX file before it runs.
        plugin_layers: nodes that are layers of our plugin.
        profile: shapes of the input.
    """

    built: bool
    reason: str | None
    flavour: FlavourName | None = None
    version: str | None = None
    compute_capabilities: tuple[str, ...] | None = None
    version_compatible: bool = False
    hardware_compatible: bool = False
    weights_stripped: bool = False
    plugin_layers: _Positive | None = None
    build_seconds: Annotated[float, Meta(ge=0)] | None = None
    profile: ShapeProfile | None = None
    plugin: PluginFacts | None = None

    def __post_init__(self) -> None:
        if not self.built and self.reason is None:
            raise ValueError("an engine that was not built needs a `reason`")
        needed = (
            "flavour",
            "version",
            "compute_capabilities",
            "plugin_layers",
            "profile",
            "plugin",
        )
        missing = [name for name in needed if getattr(self, name) is None]
        if self.built and missing:
            raise ValueError(f"an engine that was built needs `{missing[0]}`")

    @property
    def plugin_embedded(self) -> bool:
        """Whether the engine carries the plugin's library, so that loading it runs that code."""
        return self.plugin is not None and self.plugin.delivery == "embedded"

    def fits(
        self,
        *,
        flavour: str | None = None,
        version: str | None = None,
        compute_capability: str | None = None,
    ) -> str | None:
        """Whether the engine can run on this TensorRT and this GPU; what is None is not asked.

        Args:
            flavour: the TensorRT that will load it: `tensorrt` or `tensorrt_rtx`.
            version: its version, "1.7.1.116".
            compute_capability: of the GPU that will run it, "8.6".

        Returns:
            None when it fits, else the reason why not as one sentence.
        """
        if not self.built:
            return f"this folder has no engine: {self.reason}"
        if flavour not in (None, self.flavour):
            return f"the engine is for {self.flavour}, not {flavour}"
        if version is not None and not self._reads(version):
            return (
                f"the engine was built by {self.flavour} {self.version}, this machine has {version}"
            )
        if compute_capability is not None and not self._runs_on(compute_capability):
            targets = ", ".join(self.compute_capabilities or ())
            return (
                f"the engine is for GPUs of compute capability {targets}, this one has "
                f"{compute_capability}"
            )
        return None

    def _reads(self, version: str) -> bool:
        built, here = _as_numbers(self.version or ""), _as_numbers(version)
        later = self.version_compatible and bool(built and here) and here[0] >= built[0]
        return later or version == self.version

    def _runs_on(self, compute_capability: str) -> bool:
        targets = self.compute_capabilities
        if not targets or compute_capability in targets:
            return True
        oldest = min(_as_numbers(target) for target in targets)
        return self.hardware_compatible and _as_numbers(compute_capability) >= oldest

    def as_json(self) -> dict[str, Any]:
        """The manifest's `engine`: what does not apply is left out."""
        fields: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        kept = fields if self.built else ("built", "reason", "flavour")
        return {key: fields[key] for key in kept if key == "reason" or fields[key] is not None}


class PreprocessingFacts(Struct, frozen=True, kw_only=True):
    """How an image becomes `pixel_values`, by this or another specification.

    Old manifests lack what has a default here; later ones may hold more.
    """

    mean: tuple[Annotated[float, Meta(ge=0, le=1)], ...]
    std: tuple[Annotated[float, Meta(gt=0)], ...]
    crop_pixels: tuple[_Positive, _Positive]
    resize_pixels: _Positive
    interpolation: str
    specification: _Positive = 1
    normalisation_in_graph: bool = False
    stretched: bool | UnsetType = UNSET
    layout: str | None = None

    def __post_init__(self) -> None:
        if not self.mean or len(self.mean) != len(self.std):
            raise ValueError("mean and std must have one value for each channel")

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
        labels: one a class; None where the checkpoint had none.
    """

    status: Status
    status_reason: str | None = None
    preset: str
    precision: PrecisionName
    weights: WeightsFacts
    versions: dict[str, str]
    onnx: OnnxInterface
    engine: EngineFacts
    preprocessing: PreprocessingFacts
    labels: tuple[str, ...] | None
    task: str = CLASSIFICATION.name

    def require_classifier(self, folder: Path) -> None:
        """Raise UsageError unless the artefacts of `folder` give logits."""
        if self.task != CLASSIFICATION.name:
            outputs = ", ".join(output.name for output in self.onnx.outputs)
            raise UsageError(
                f"{folder} is no classifier: its task is {self.task}, its outputs are {outputs}",
                hint="open it with vmamba_deploy.inference.load, or export with "
                f"--task {CLASSIFICATION.name}",
            )


class Manifest(Description, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """manifest.json; `files` lists every other file of the folder by its name there."""

    schema_version: Literal[1] = 1
    created: str
    files: dict[_FileName, FileFacts]

    @property
    def classes(self) -> int:
        """How many classes the logits have."""
        return int(self.onnx.outputs[0].shape[-1])

    def as_json(self) -> dict[str, Any]:
        """The document, as plain values; a classifier's is the one that older releases read."""
        fields: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        if self.task == CLASSIFICATION.name:
            del fields["task"]
        return fields | {"engine": self.engine.as_json()}


def write_manifest(folder: Path, description: Description) -> Manifest:
    """Describe every file of `folder` in its manifest.json.

    Args:
        folder: holds the artefacts; each gets its sha256 and size.
        description: the other fields.

    Raises:
        IntegrityError: the description holds what its types do not allow.
    """
    manifest = Manifest(
        **{name: getattr(description, name) for name in Description.__struct_fields__},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        files={name: describe_file(folder / name) for name in _artefacts(folder)},
    )
    path, document = folder / MANIFEST_NAME, manifest.as_json()
    try:
        msgspec.convert(document, Manifest)
    except msgspec.ValidationError as error:
        raise IntegrityError(f"{path} does not fit its schema: {error}") from error
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Read and validate the manifest of a folder; the files it names are not looked at.

    Raises:
        IntegrityError: absent, not JSON, another schema version, or a file name that leaves the
            folder.
    """
    path = folder / MANIFEST_NAME
    try:
        if path.stat().st_size > _MAX_MANIFEST_BYTES:
            raise IntegrityError(f"{path} is too large to be a manifest")
        text = path.read_bytes()
        # Before the rest, for another version may have other fields.
        document = msgspec.json.decode(text)
    except FileNotFoundError as error:
        raise IntegrityError(f"{folder} has no {MANIFEST_NAME}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise IntegrityError(f"{path} cannot be read: {error}") from error
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version != SCHEMA_VERSION:
        raise IntegrityError(
            f"{path} has schema version {version!r}, this release reads {SCHEMA_VERSION}",
            hint="use the release that wrote it, or export again",
        )
    try:
        manifest = msgspec.convert(document, Manifest)
    except msgspec.ValidationError as error:
        raise IntegrityError(f"{path} does not fit its schema: {error}") from error
    for name in manifest.files:
        _inside(folder, name)
    return manifest


def verify(
    folder: Path,
    *,
    flavour: str | None = None,
    version: str | None = None,
    compute_capability: str | None = None,
) -> Manifest:
    """Check the folder's files, and its engine against this machine where that is given.

    Args:
        folder: an artefact folder.
        flavour: the TensorRT that will load the engine: `tensorrt` or `tensorrt_rtx`.
        version: its version, "1.7.1.116".
        compute_capability: of the GPU that will run it, "8.6".

    Returns:
        The manifest.

    Raises:
        IntegrityError: a file is changed or missing, the export failed its own checks, or the
            engine is for another flavour, version or GPU; the message says which and what was
            expected.
    """
    manifest = read_manifest(folder)
    if manifest.status == "failed":
        raise IntegrityError(
            f"the artefacts in {folder} are marked as failed: {manifest.status_reason}",
            hint="look at report.html, and do not deploy them",
        )
    for name, expected in manifest.files.items():
        _verify_file(_inside(folder, name), name, expected)
    if any(asked is not None for asked in (flavour, version, compute_capability)):
        reason = manifest.engine.fits(
            flavour=flavour, version=version, compute_capability=compute_capability
        )
        if reason is not None:
            raise IntegrityError(reason, hint=REBUILD_HINT)
    return manifest


def listed_files(folder: Path) -> set[str]:
    """The names of the files that belong to the artefacts of `folder`, manifest.json included."""
    return {MANIFEST_NAME, *read_manifest(folder).files}


def describe_file(path: Path) -> FileFacts:
    """The sha256 and the size of a file."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return FileFacts(sha256=digest, size_bytes=path.stat().st_size)


def _artefacts(folder: Path) -> list[str]:
    names = (
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(PARTIAL_PREFIX)
    )
    return sorted(name for name in names if name != MANIFEST_NAME)


def _verify_file(path: Path, name: str, expected: FileFacts) -> None:
    if not path.is_file():
        raise IntegrityError(f"{name} is missing from {path.parent}", hint="export again")
    size = path.stat().st_size
    if size != expected.size_bytes:
        raise IntegrityError(
            f"{name} has {size} bytes, the manifest says {expected.size_bytes}",
            hint="the file was changed or cut short; copy the whole folder again, or export again",
        )
    digest = describe_file(path).sha256
    if digest != expected.sha256:
        raise IntegrityError(
            f"{name} has sha256 {digest[:16]}..., the manifest says {expected.sha256[:16]}...",
            hint="the file was changed after the export; do not load it",
        )


def _as_numbers(dotted: str) -> tuple[int, ...]:
    return tuple(int(part) for part in dotted.split(".") if part.isdigit())


def _inside(folder: Path, name: str) -> Path:
    """The path of a listed file; a name that leads out of the folder is refused."""
    pure = PurePosixPath(name)
    path = folder / name
    escapes = pure.is_absolute() or ".." in pure.parts or "\\" in name
    if escapes or not path.resolve().is_relative_to(folder.resolve()):
        raise IntegrityError(f"the manifest names a file outside its folder: {name!r}")
    return path
