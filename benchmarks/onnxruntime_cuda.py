"""The exported file in ONNX Runtime with our library on a GPU: bound tensors, a CUDA graph."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from vmamba_deploy import native

_PROVIDER = "CUDAExecutionProvider"


def library_or_reason() -> tuple[Path | None, str]:
    """libvmamba_ort.so, built where it is not there; else None, and what the machine lacks."""
    if importlib.util.find_spec("onnxruntime") is None:
        return None, "Python has no onnxruntime"
    import onnxruntime as ort

    if _PROVIDER not in ort.get_available_providers():
        version = ort.__version__
        return None, f"onnxruntime {version} has no {_PROVIDER}: install onnxruntime-gpu instead"
    available, reason = native.available("vmamba_ort")
    return (native.library_path("vmamba_ort"), "") if available else (None, reason)


class BoundSession:
    """A session whose input and output stay on the device, which is what a graph can replay."""

    def __init__(self, path: Path, library: Path, *, graph: bool) -> None:
        import onnxruntime as ort

        self._ort = ort
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.register_custom_ops_library(str(library))
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        providers = [(_PROVIDER, {"enable_cuda_graph": "1" if graph else "0"})]
        self._session = ort.InferenceSession(str(path), options, providers=providers)
        self._binding = self._session.io_binding()
        self._logits: Any = None

    def prepare(self, pixels: np.ndarray) -> np.ndarray:
        """Bind the images, run twice (a graph is captured, then replayed); return the logits."""
        taken, given = self._session.get_inputs()[0], self._session.get_outputs()[0]
        values = self._ort.OrtValue.ortvalue_from_numpy(pixels, "cuda", 0)
        shape = [len(pixels), *given.shape[1:]]
        self._logits = self._ort.OrtValue.ortvalue_from_shape_and_type(shape, np.float32, "cuda", 0)
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
