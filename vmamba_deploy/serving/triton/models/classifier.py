"""`pixel_values` to `logits`, by the artefact folder in this version folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found]

from vmamba_deploy.errors import VmambaError
from vmamba_deploy.inference import load_classifier


class TritonPythonModel:
    """One instance of the model, in a process of its own."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the artefact folder, on the GPU that Triton chose or on the CPU."""
        folder = Path(args["model_repository"]) / args["model_version"] / "artifact"
        on_gpu = args["model_instance_kind"] == "GPU"
        if on_gpu:
            os.environ["CUDA_VISIBLE_DEVICES"] = args["model_instance_device_id"]
        # Triton sends one batch at a time to a process.
        self._model = load_classifier(folder, runtime="auto" if on_gpu else "ort", streams=1)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer the requests, which Triton has put together, by one execution."""
        batches = [
            pb_utils.get_input_tensor_by_name(request, "pixel_values").as_numpy()
            for request in requests
        ]
        try:
            logits = self._model(np.concatenate(batches))
        except VmambaError as error:
            refused = pb_utils.TritonError(str(error), pb_utils.TritonError.INVALID_ARG)
            return [pb_utils.InferenceResponse(error=refused) for _ in requests]
        ends = np.cumsum([len(batch) for batch in batches])[:-1]
        return [
            pb_utils.InferenceResponse([pb_utils.Tensor("logits", rows)])
            for rows in np.split(logits, ends)
        ]

    def finalize(self) -> None:
        """Free the model."""
        self._model.close()
