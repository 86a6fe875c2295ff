"""OpenVINO on the CPU, with our extension `libvmamba_openvino.so`, as a runtime.

On a GPU or NPU it runs no op of others.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmamba_deploy import native
from vmamba_deploy.artifacts.manifest import OPENVINO_LIBRARY_NAME
from vmamba_deploy.errors import BuildError, ClosedError, EnvironmentProblem
from vmamba_deploy.ops.registry import OPS
from vmamba_deploy.runtimes.base import (
    Ability,
    ModelFiles,
    RuntimeKind,
    RuntimeStatus,
    ServedModel,
    Service,
    Serving,
    fed,
    given,
)
from vmamba_deploy.runtimes.onnxruntime import check_onnx, served
from vmamba_deploy.runtimes.openvino_network import (
    INSTALL_HINT,
    OpenVinoNetwork,
    explained,
    misfit,
)
from vmamba_deploy.runtimes.profiles import NodeTime, NodeTimes

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from vmamba_deploy.runtimes.base import Outputs

EXTENSION = "vmamba_openvino"
PRODUCTS = {"MatMul": "FullyConnected", "Conv": "Convolution"}
"""What OpenVINO's plugin for the CPU makes of an operator of ONNX."""


class OpenVinoSession:
    """A network, for calls of one thread at a time."""

    def __init__(self, network: OpenVinoNetwork) -> None:
        self._network: OpenVinoNetwork | None = network
        self._requests: dict[Any, Any] = {}

    def __call__(
        self, pixel_values: npt.NDArray[np.generic], **others: npt.NDArray[Any]
    ) -> Outputs:
        """See `Session`.

        Raises:
            ResourceError: there is not enough memory for such a batch.
            BuildError: the execution failed.
            UsageError: an input too few or too many.
        """
        network = self._network  # lives until this call ends, whoever closes meanwhile
        if network is None:
            raise ClosedError("this OpenVINO session is closed")
        feed = fed(network.inputs, pixel_values, others)
        compiled = network.compiled_for(tuple(array.shape for array in feed.values()))
        with explained(f"run a batch of {len(pixel_values)}", BuildError):
            if id(compiled) not in self._requests:
                self._requests[id(compiled)] = compiled.create_infer_request()
            results = self._requests[id(compiled)].infer([*feed.values()], share_inputs=True)
        return {name: given(results[index]) for index, name in enumerate(network.outputs)}

    def close(self) -> None:
        """Free what the session holds."""
        self._network = None
        self._requests = {}


class OpenVinoRuntime:
    """OpenVINO with our extension.

    Args:
        model: ONNX or IR (.xml) file.
        extension: `libvmamba_openvino.so`; None builds or finds it.
        threads: 0 for OpenVINO's own choice.
    """

    name = "openvino"

    def __init__(
        self,
        model: Path,
        *,
        extension: Path | None = None,
        threads: int = 0,
    ) -> None:
        self._model, self._extension, self._threads = model, extension, threads

    def status(self) -> RuntimeStatus:
        """Available where the package openvino and the extension are, or can be built."""
        status = package_status()
        if not status.available:
            return status
        if self._extension is not None:
            reason = misfit(self._extension)
            return status if reason is None else RuntimeStatus(False, reason)
        available, reason = native.available(EXTENSION)
        return status if available else RuntimeStatus(False, reason)

    def open(self) -> OpenVinoSession:
        """Read the file, building the extension on first use; the first call compiles it."""
        return self.open_streams(1)[0]

    def open_streams(self, count: int) -> list[OpenVinoSession]:
        """Read the file once, for as many streams of OpenVINO's."""
        network = self.load(count)
        return [OpenVinoSession(network) for _ in range(count)]

    def load(self, streams: int = 1, *, profiled: bool = False) -> OpenVinoNetwork:
        """See `OpenVinoNetwork`."""
        extension = self._extension or native.library_path(EXTENSION)
        return OpenVinoNetwork(
            self._model,
            extension=extension,
            threads=self._threads,
            streams=streams,
            profiled=profiled,
        )

    def profile(
        self, pixel_values: npt.NDArray[Any], others: Mapping[str, npt.NDArray[Any]], calls: int
    ) -> list[NodeTime]:
        """See `Profiling`; the nodes are those that OpenVINO made of the file's."""
        network = self.load(profiled=True)
        feed = fed(network.inputs, pixel_values, others)
        request = network.compiled_for(
            tuple(array.shape for array in feed.values())
        ).create_infer_request()
        times = NodeTimes()
        for call in range(1 + calls):
            with explained(f"run a batch of {len(pixel_values)}", BuildError):
                request.infer([*feed.values()])
            for node in request.profiling_info if call else ():
                if node.status == node.Status.EXECUTED:
                    ms = node.real_time.total_seconds() * 1e3
                    times.add(node.node_name, node.node_type, ms)
        return times.per_call(calls)


def package_status() -> RuntimeStatus:
    """Whether OpenVINO is installed."""
    try:
        return RuntimeStatus(True, f"OpenVINO {version('openvino')}, CPU")
    except PackageNotFoundError:
        return RuntimeStatus(False, f"the package openvino is not installed ({INSTALL_HINT})")


def _on_files(files: ModelFiles) -> OpenVinoRuntime | None:
    # Loops of standard ops, as an inlined file has, come out wrong where sizes are fixed
    # (OpenVINO 2026.4).
    if not files.onnx.our_nodes:
        return None
    return OpenVinoRuntime(
        files.onnx.path,
        extension=files.code_beside(OPENVINO_LIBRARY_NAME),
        threads=files.threads,
    )


def _of_folder(serving: Serving, path: Path) -> OpenVinoRuntime:
    listed = OPENVINO_LIBRARY_NAME in serving.manifest.files
    return OpenVinoRuntime(
        path,
        extension=serving.folder / OPENVINO_LIBRARY_NAME if listed else None,
        threads=serving.threads,
    )


def _folder_status(serving: Serving) -> RuntimeStatus:
    if not any(op.domain in serving.manifest.onnx.op_sets for op in OPS.values()):
        return RuntimeStatus(
            False, f"{serving.folder} has no op of ours in its ONNX file: it was inlined"
        )
    return _of_folder(serving, serving.folder).status()


def _open_folder(serving: Serving) -> ServedModel:
    runtime = _of_folder(serving, check_onnx(serving))
    if not (status := _folder_status(serving)).available:
        raise EnvironmentProblem(status.reason)
    return served(runtime.name, serving, runtime.open_streams(serving.streams))


def _abilities() -> list[Ability]:
    status = package_status()
    return [Ability("OpenVINO", status, "" if status.available else INSTALL_HINT)]


OPENVINO = RuntimeKind(
    OpenVinoRuntime.name,
    _on_files,
    Service(OpenVinoRuntime.name, _folder_status, _open_folder),
    abilities=_abilities,
    title="OpenVINO",
)
