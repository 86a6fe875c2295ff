"""The exported file in ONNX Runtime with our library: tensors bound on the device, CUDA graphs."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.gpu_check.context import Json, StageContext, StageSkippedError
from benchmarks.gpu_check.network_parity import expected_logits, parity
from benchmarks.gpu_check.networks import rates
from benchmarks.gpu_check.sizes import IMAGE_SIDE, REHEARSED, TINY, images, network
from benchmarks.interleaving import interleave
from vmamba_deploy import native

_PACKAGES = ("onnx", "onnxscript", "onnxruntime", "filelock")
_PROVIDERS = {"cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}
_ROUNDS = 12


def run(context: StageContext) -> Json:
    """fp16 at batch 128 and 1, as it runs and as a CUDA graph; no node may fall to the CPU."""
    library = library_for(context.device)
    name, side = (REHEARSED, 32) if context.rehearsal else (TINY, IMAGE_SIDE)
    # float32 in a rehearsal: ONNX Runtime has no float16 convolutions on a CPU.
    precision = "fp32" if context.rehearsal else "fp16"
    path = exported(name, precision, side, context.folder / "onnxruntime")
    full = network(name, context.device)
    result: Json = {"rows": [], "library": str(library), "file_bytes": path.stat().st_size}
    for batch in (2, 1) if context.rehearsal else (128, 1):
        pixels = images(batch, side, side, context.device)
        with torch.inference_mode():
            expected = expected_logits(full, pixels)
        for graph in (False, True) if context.device == "cuda" else (False,):
            bound = BoundSession(path, library, context.device, graph=graph)
            logits = torch.from_numpy(bound.prepare(pixels.cpu().numpy()))
            times = interleave({"it": bound.replay}, _ROUNDS)["it"]
            result["rows"].append(
                {
                    "model": name,
                    "runtime": f"ONNX Runtime {context.device}" + (" graph" if graph else ""),
                    "precision": precision,
                    "batch": batch,
                    **rates(times.tolist(), batch),
                    **parity(logits.to(context.device), expected, precision),
                }
            )
            context.save(result)
    return result


def library_for(device: str) -> Path:
    """libvmamba_ort.so, built where it is not there.

    Raises:
        StageSkippedError: this machine has not what it takes; the text says what.
    """
    absent = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if absent:
        raise StageSkippedError(f"Python has no {', '.join(absent)}")
    import onnxruntime as ort

    if _PROVIDERS[device] not in ort.get_available_providers():
        raise StageSkippedError(
            f"onnxruntime {ort.__version__} has no {_PROVIDERS[device]}: "
            "install onnxruntime-gpu in its place"
        )
    available, reason = native.available("vmamba_ort")
    if not available:
        raise StageSkippedError(reason)
    return native.library_path("vmamba_ort")


def exported(name: str, precision: str, side: int, folder: Path) -> Path:
    """The network of `sizes.network` as an ONNX file."""
    from vmamba_deploy.export import ExportOptions, export_onnx
    from vmamba_deploy.models import LoadedModel

    folder.mkdir(parents=True, exist_ok=True)
    preset = None if name == REHEARSED else name
    loaded = LoadedModel(network(name, "cpu"), preset, source="random", sha256="")
    path = folder / "model.onnx"
    export_onnx(loaded, path, ExportOptions(precision=precision, image_size=side))  # type: ignore[arg-type]
    return path


class BoundSession:
    """A session whose input and output stay on the device, which is what a graph can replay."""

    def __init__(self, path: Path, library: Path, device: str, *, graph: bool) -> None:
        import onnxruntime as ort

        self._ort, self._device = ort, device
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.register_custom_ops_library(str(library))
        settings: dict[str, str] = {}
        if device == "cuda":
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
            settings = {"enable_cuda_graph": "1" if graph else "0"}
        providers = [(_PROVIDERS[device], settings)]
        self._session = ort.InferenceSession(str(path), options, providers=providers)
        self._binding = self._session.io_binding()
        self._logits: Any = None

    def prepare(self, pixels: np.ndarray) -> np.ndarray:
        """Bind the images, run twice (a graph is captured, then replayed); return the logits."""
        taken, given = self._session.get_inputs()[0], self._session.get_outputs()[0]
        values = self._ort.OrtValue.ortvalue_from_numpy(pixels, self._device, 0)
        shape = [len(pixels), *given.shape[1:]]
        self._logits = self._ort.OrtValue.ortvalue_from_shape_and_type(
            shape, np.float32, self._device, 0
        )
        self._binding.bind_ortvalue_input(taken.name, values)
        self._binding.bind_ortvalue_output(given.name, self._logits)
        self.replay()
        self.replay()
        logits: np.ndarray = self._logits.numpy()
        return logits

    def replay(self) -> None:
        """One forward pass, ended before this returns."""
        self._session.run_with_iobinding(self._binding)
        self._binding.synchronize_outputs()
