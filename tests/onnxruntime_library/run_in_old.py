"""Runs in a process with an older ONNX Runtime: `run_in_old.py LIBRARY FOLDER ARTEFACT`.

Every `*.onnx` of the folder is run on the `*.npz` beside it, which then holds the output.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort

from vmamba_deploy.inference import load

library, folder, artefact = sys.argv[1:]
options = ort.SessionOptions()
options.register_custom_ops_library(library)
for model in Path(folder).glob("*.onnx"):
    session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    case = model.with_suffix(".npz")
    with np.load(case) as feeds:
        (y,) = session.run(None, dict(feeds))
    np.savez(case, y=y)

with load(artefact, runtime="ort") as model:
    images = np.load(Path(folder) / "images.npy")
    np.save(Path(folder) / "logits.npy", model(images))
sys.stdout.write(ort.__version__)
