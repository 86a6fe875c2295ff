"""What a classifier replica sends back to the ingress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Classified:
    """The answer for one image.

    Attributes:
        predictions: (index, label, probability), the most probable first.
        preprocess_ms: time to decode, resize and normalise.
        batch_wait_ms: time until the image's batch began to run.
        model_ms: time of the batch in the model.
        batch_size: images in that batch.
        first_of_batch: true for one image of each batch, so that batches can be counted.
        replica: which one answered.
    """

    predictions: tuple[tuple[int, str, float], ...]
    preprocess_ms: float
    batch_wait_ms: float
    model_ms: float
    batch_size: int
    first_of_batch: bool
    replica: str

    def as_json(self, tries: int, total_ms: float) -> dict[str, Any]:
        """The body of the HTTP answer."""
        milliseconds = {
            "total_ms": total_ms,
            "preprocess_ms": self.preprocess_ms,
            "batch_wait_ms": self.batch_wait_ms,
            "model_ms": self.model_ms,
        }
        return {
            "predictions": [
                {"index": index, "label": label, "probability": probability}
                for index, label, probability in self.predictions
            ],
            "timing": {name: round(value, 3) for name, value in milliseconds.items()},
            "batch_size": self.batch_size,
            "replica": self.replica,
            "tries": tries,
        }


@dataclass(frozen=True)
class Refused:
    """The image cannot be classified, on this or on any other replica."""

    message: str
    hint: str


Answer = Classified | Refused
