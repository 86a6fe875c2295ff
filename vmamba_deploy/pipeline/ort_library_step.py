"""The custom-op library that an application registers with ONNX Runtime, beside the ONNX file."""

from __future__ import annotations

import shutil
from pathlib import Path

from vmamba_deploy.pipeline.events import Steps


def add_ort_library(folder: Path, steps: Steps) -> None:
    """Copy libvmamba_ort.so to the folder; where it cannot be had, say so and go on.

    Without it ONNX Runtime runs the function body of the file: true, and slow.
    """
    from vmamba_deploy import native
    from vmamba_deploy.runtimes.onnxruntime import CUSTOM_OP_LIBRARY

    available, reason = native.available(CUSTOM_OP_LIBRARY)
    if not available:
        steps.warn(f"no lib{CUSTOM_OP_LIBRARY}.so, so ONNX Runtime will run loops: {reason}")
        return
    with steps.step("library", "adding the library for ONNX Runtime") as told:
        library = native.library_path(
            CUSTOM_OP_LIBRARY, progress=lambda text, done: steps.progress(text, done)
        )
        shutil.copyfile(library, folder / library.name)
        told.append(f"{library.name}, {library.stat().st_size / 1e6:.1f} MB")
