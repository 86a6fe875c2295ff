"""Encoded images to `pixel_values`, as preprocessing.json in this version folder says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found]

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.preprocessing import Preprocessing, preprocess


class TritonPythonModel:
    """One instance of the step, in a process of its own."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read the specification."""
        folder = Path(args["model_repository"]) / args["model_version"]
        fields = json.loads((folder / "preprocessing.json").read_text(encoding="utf-8"))
        self._preprocessing = Preprocessing.from_manifest(fields)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request by itself: a bad image spoils its own request alone."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        images = pb_utils.get_input_tensor_by_name(request, "image").as_numpy()
        try:
            pixels = np.stack([preprocess(one, self._preprocessing) for one in images.ravel()])
        except InputFileError as error:
            text = f"{error.message}; {error.hint}" if error.hint else error.message
            refused = pb_utils.TritonError(text, pb_utils.TritonError.INVALID_ARG)
            return pb_utils.InferenceResponse(error=refused)
        return pb_utils.InferenceResponse([pb_utils.Tensor("pixel_values", pixels)])
