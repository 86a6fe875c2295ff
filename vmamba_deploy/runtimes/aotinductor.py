"""AOTInductor as a runtime: a compiled `.pt2` package, loaded into this process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmamba_deploy.artifacts.manifest import PACKAGE_NAME
from vmamba_deploy.errors import ClosedError, InputFileError
from vmamba_deploy.files import open_file, understood
from vmamba_deploy.ops.registry import OPS
from vmamba_deploy.runtimes.base import ModelFiles, RuntimeKind, RuntimeStatus
from vmamba_deploy.runtimes.pytorch import named_arrays, taken
from vmamba_deploy.tasks import CLASSIFICATION, Task

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from vmamba_deploy.runtimes.base import Outputs

_DEVICE_KEY = "AOTI_DEVICE_KEY"
_MAX_METADATA_BYTES = 1 << 20


class AotInductorRuntime:
    """A package that `vmamba-deploy export --aoti` wrote.

    It holds machine code: load what you trust, as one loads a shared library.

    Args:
        path: of the `.pt2` file.
        task: names the inputs and outputs, which have no names in the package.
    """

    name = "aotinductor"

    def __init__(self, path: Path, task: Task = CLASSIFICATION) -> None:
        self._path, self._task = path, task

    def status(self) -> RuntimeStatus:
        """Available where the package is, and the GPU that it may need."""
        import torch

        if not self._path.is_file():
            return RuntimeStatus(False, "no package was exported (export --aoti writes one)")
        return RuntimeStatus(True, f"AOTInductor of PyTorch {torch.__version__}")

    def open(self) -> AotInductorSession:
        """Load the package.

        Raises:
            InputFileError: it is no package, or one for a GPU that PyTorch does not see.
        """
        import torch

        for op in OPS.values():
            op.register_torch()  # the package calls them
        device = package_device(self._path)
        if device == "cuda" and not torch.cuda.is_available():
            raise InputFileError(
                f"{self._path} was compiled for CUDA, and PyTorch {torch.__version__} sees no GPU",
                hint="export again with --aoti-device cpu",
            )
        try:
            # One caller at a time, which spares the package a record that no graph can capture.
            package = torch._inductor.aoti_load_package(str(self._path), run_single_threaded=True)
        except RuntimeError as error:
            raise InputFileError(f"PyTorch cannot load {self._path}: {error}") from error
        return AotInductorSession(package, device, self._task)


class AotInductorSession:
    """A loaded package."""

    def __init__(self, package: Any, device: str, task: Task) -> None:
        self._package, self._device, self._task = package, device, task

    def __call__(
        self, pixel_values: npt.NDArray[np.generic], **others: npt.NDArray[Any]
    ) -> Outputs:
        """See `Session`."""
        import torch

        package = self._package  # lives until this call ends, whoever closes meanwhile
        if package is None:
            raise ClosedError("this AOTInductor session is closed")
        with torch.inference_mode():
            arrays = taken(pixel_values, others, self._task)
            given = package(*(torch.from_numpy(each).to(self._device) for each in arrays))
            return named_arrays(given, self._task)

    def close(self) -> None:
        """Free the package."""
        self._package = None


def package_device(path: Path) -> str:
    """`cpu` or `cuda`: what a package was compiled for.

    Raises:
        InputFileError: the file is no such package.
    """
    import json
    import zipfile

    what = "an AOTInductor package"
    with (
        open_file(path, what=what) as file,
        understood(path, what=what),
        zipfile.ZipFile(file) as package,
    ):
        names = [name for name in package.namelist() if name.endswith("_metadata.json")]
        with package.open(names[0]) as metadata:
            return str(json.loads(metadata.read(_MAX_METADATA_BYTES))[_DEVICE_KEY])


def _on_files(files: ModelFiles) -> AotInductorRuntime | None:
    package = files.code_beside(PACKAGE_NAME)
    return AotInductorRuntime(package, files.onnx.task) if package is not None else None


AOTINDUCTOR = RuntimeKind(
    AotInductorRuntime.name, _on_files, title="AOTInductor", executes="package"
)
