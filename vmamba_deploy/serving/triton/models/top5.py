"""`logits` to the five best labels, as JSON: [{"index": 3, "label": "3", "probability": 0.9}]."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found]

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.tasks.classification import top_predictions

TOP = 5


class TritonPythonModel:
    """One instance of the step, in a process of its own."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read the activation, and the labels if the model has any."""
        parameters = json.loads(args["model_config"])["parameters"]
        self._activation = parameters["activation"]["string_value"]
        file = Path(args["model_repository"]) / "labels.txt"
        self._labels = file.read_text(encoding="utf-8").splitlines() if file.exists() else []

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request by itself."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        logits = pb_utils.get_input_tensor_by_name(request, "logits").as_numpy()
        try:
            best = top_predictions(logits, self._labels, TOP, self._activation)
        except InputFileError as error:
            spoiled = pb_utils.TritonError(error.message)
            return pb_utils.InferenceResponse(error=spoiled)
        texts = [[json.dumps([asdict(one) for one in row]).encode()] for row in best]
        answer = pb_utils.Tensor("top5", np.array(texts, dtype=np.object_))
        return pb_utils.InferenceResponse([answer])
