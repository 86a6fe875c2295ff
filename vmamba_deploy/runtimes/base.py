"""What a runtime is: something that says whether it can run here and opens a session on a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from vmamba_deploy.artifacts.manifest import MANIFEST_NAME, ORT_LIBRARY_NAME, read_manifest
from vmamba_deploy.artifacts.verification import verify_file
from vmamba_deploy.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import onnx_ir as ir
    from torch import nn

    from vmamba_deploy.artifacts.engine_facts import EngineFacts
    from vmamba_deploy.artifacts.manifest import Manifest
    from vmamba_deploy.exporting.onnx_model import OnnxModel

    Outputs = dict[str, npt.NDArray[Any]]


MAX_BATCH = 4096


def check_batches(batches: tuple[int, ...]) -> None:
    """Raise UsageError unless the batch sizes are positive, distinct and ascending."""
    if not batches:
        raise UsageError("no batch size given", hint="for example --batch 1,8,32")
    for batch in batches:
        if not 1 <= batch <= MAX_BATCH:
            raise UsageError(f"a batch size must be between 1 and {MAX_BATCH}, got {batch}")
    if list(batches) != sorted(set(batches)):
        raise UsageError(
            f"batch sizes must ascend without repetition, got {','.join(map(str, batches))}",
            hint=f"write --batch {','.join(map(str, sorted(set(batches))))}",
        )


@dataclass(frozen=True)
class RuntimeStatus:
    """Whether a runtime can execute on this machine, and in one sentence why (not)."""

    available: bool
    reason: str


class Session(Protocol):
    """A loaded model, ready to be called."""

    def __call__(
        self, pixel_values: npt.NDArray[np.generic], **others: npt.NDArray[Any]
    ) -> Outputs:
        """Map pixel_values and the task's other inputs to the model's outputs by name.

        Args:
            pixel_values: in the layout that was exported: [B,C,H,W] float32 or [B,H,W,C] uint8.
            others: every other input of the task, `sizes` [B,2] int64.

        Returns:
            Each output with the batch first, float32 where it is a float, else in its own dtype.

        Raises:
            UsageError: an input too few or too many.
        """
        ...

    def close(self) -> None:
        """Give back what the session holds; it must not be called afterwards."""
        ...


class Runtime(Protocol):
    """One way to execute an exported model."""

    @property
    def name(self) -> str:
        """`pytorch`, `onnxruntime-body`, `onnxruntime-library`, `aotinductor`, `tensorrt`, ..."""
        ...

    def status(self) -> RuntimeStatus:
        """Whether `open` can succeed on this machine; cheap, loads no model."""
        ...

    def open(self) -> Session:
        """Load the model from disk, as a user would."""
        ...


class AbsentRuntime:
    """Stands for a runtime that has nothing to open anywhere, so that the report says why."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self._reason = reason

    def status(self) -> RuntimeStatus:
        """Never available."""
        return RuntimeStatus(False, self._reason)

    def open(self) -> Session:
        """There is nothing to open; `status` says so first."""
        raise FileNotFoundError(self._reason)


@runtime_checkable
class Concurrent(Protocol):
    """A runtime whose sessions can be called side by side, each by a thread of its own."""

    def open_streams(self, count: int) -> Sequence[Session]:
        """Load the model once where the runtime can, for so many sessions.

        They are closed in the reverse order: the first may hold what all share. Raises like `open`.
        """
        ...


def fed(
    names: Sequence[str], pixel_values: npt.NDArray[Any], others: Mapping[str, npt.NDArray[Any]]
) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a call, in the order in which a network takes them.

    Args:
        names: of the network's inputs, the image first, whatever it is called.
        pixel_values: the image.
        others: the other inputs by name.

    Raises:
        UsageError: one too few or too many.
    """
    image, *wanted = names
    if others.keys() != set(wanted):
        takes = " and ".join(wanted) or "nothing"
        raise UsageError(
            f"beside {image} the model takes {takes}, got {', '.join(others) or 'nothing'}"
        )
    return {image: pixel_values} | {name: others[name] for name in wanted}


def given(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """An output as a session gives it: float32 of any float, integers as they are."""
    import numpy as np

    return np.asarray(array, dtype=None if array.dtype.kind in "iub" else np.float32)


@dataclass(frozen=True)
class ModelFiles:
    """What a runtime is opened on: an ONNX file, what lies beside it, and the network of both.

    Attributes:
        onnx: the ONNX file, read.
        network: PyTorch's, in the file's precision; it takes what the file takes. None leaves
            PyTorch out.
        engine: of `model.engine` beside the file; None leaves engines out.
        threads: of a session on the CPU; 0 leaves the number to the runtime.
        cuda_graphs: capture the network, where a runtime can.
        written_here: by this process, so that the code beside the ONNX file is its own.
    """

    onnx: OnnxModel
    network: nn.Module | None = None
    engine: EngineFacts | None = None
    threads: int = 0
    cuda_graphs: bool = False
    written_here: bool = False

    @property
    def library(self) -> Path | None:
        """`libvmamba_ort.so` beside the file, when it may be loaded; see `code_beside`."""
        return self.code_beside(ORT_LIBRARY_NAME)

    def code_beside(self, name: str) -> Path | None:
        """A library or package beside the ONNX file, for it would be executed.

        Returns:
            None when none is there, or nothing vouches for it: no manifest, and another origin
            than this process.

        Raises:
            IntegrityError: a manifest is there and does not list it, or it was changed.
        """
        beside = self.onnx.path.with_name(name)
        if not beside.is_file():
            return None
        folder = beside.parent
        if (folder / MANIFEST_NAME).exists():
            return verify_file(folder, read_manifest(folder), name)
        return beside if self.written_here else None


@dataclass(frozen=True)
class Serving:
    """An artefact folder that an application opens, and how.

    Attributes:
        streams: sessions that run side by side.
        threads: of a session on the CPU; 0 leaves the number to the runtime.
        cuda_graphs: capture the network of a shape that is called again, and replay it.
        verify: compare the files with the manifest; an engine is compared in any case.
    """

    folder: Path
    manifest: Manifest
    streams: int
    threads: int
    cuda_graphs: bool
    verify: bool


@dataclass(frozen=True)
class ServedModel:
    """An artefact folder, open.

    Attributes:
        runtime: name of what executes.
        sessions: one a stream.
        batches: the smallest and the largest batch of one execution.
        fixed: whether no larger batch is possible; else the largest is what is usual.
        release: called after the sessions are closed.
    """

    runtime: str
    sessions: Sequence[Session]
    batches: tuple[int, int]
    fixed: bool
    release: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Service:
    """How an application opens artefact folders with a runtime.

    Attributes:
        choice: what the application calls it.
        status: whether `open` can succeed here; loads no model.
        open: raises IntegrityError, EnvironmentProblem or UsageError.
        needs_gpu: when the choice is left open, those that need a GPU are tried first.
    """

    choice: str
    status: Callable[[Serving], RuntimeStatus]
    open: Callable[[Serving], ServedModel]
    needs_gpu: bool = False


@dataclass(frozen=True)
class Ability:
    """What a runtime can do, whether it can here, and the command that brings what is missing."""

    title: str
    status: RuntimeStatus
    remedy: str


@dataclass(frozen=True)
class RuntimeKind:
    """Everything that the rest of the package knows of a runtime.

    Attributes:
        name: in reports.
        title: the name for people; none: `name`.
        executes: which of the exported files, or the network itself in their precision.
        on_files: opens it on exported files, to compare and to time it; None when there is nothing
            of its kind beside the file. What cannot run here is a `Runtime` whose status says so.
        service: None where no application opens it.
        layer_session: makes an `onnxruntime.InferenceSession` of a model with more
            outputs, so that an error can be followed layer by layer; None where there is none.
        abilities: what `doctor` shows; looks without importing.
    """

    name: str
    on_files: Callable[[ModelFiles], Runtime | None]
    service: Service | None = None
    layer_session: Callable[[ir.Model], Any] | None = None
    abilities: Callable[[], Sequence[Ability]] = tuple
    title: str = ""
    executes: Literal["network", "onnx", "engine", "package"] = "onnx"
