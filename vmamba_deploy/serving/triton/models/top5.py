"""`logits` to the five best labels, as JSON: [{"index": 3, "label": "3", "probability": 0.9}]."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found]

TOP = 5


class TritonPythonModel:
    """One instance of the step, in a process of its own."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read the labels, if the model has any."""
        file = Path(args["model_repository"]) / "labels.txt"
        self._labels = file.read_text(encoding="utf-8").splitlines() if file.exists() else []

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request by itself."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        logits = pb_utils.get_input_tensor_by_name(request, "logits").as_numpy()
        if not np.isfinite(logits).all():
            spoiled = pb_utils.TritonError("the model gave logits that are not finite")
            return pb_utils.InferenceResponse(error=spoiled)
        texts = [[json.dumps(self._best(row)).encode()] for row in logits]
        answer = pb_utils.Tensor("top5", np.array(texts, dtype=np.object_))
        return pb_utils.InferenceResponse([answer])

    def _best(self, logits: Any) -> list[dict[str, Any]]:
        exponentials = np.exp(logits.astype(np.float64) - logits.max())
        probabilities = exponentials / exponentials.sum()
        order = np.argsort(-logits, kind="stable")[:TOP]
        return [
            {
                "index": int(index),
                "label": self._label(int(index)),
                "probability": float(probabilities[index]),
            }
            for index in order
        ]

    def _label(self, index: int) -> str:
        return self._labels[index] if index < len(self._labels) else str(index)
