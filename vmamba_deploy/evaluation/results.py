"""What is known of one image after it was run, and its line in the journal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import msgspec


@dataclass(frozen=True)
class Result:
    """One image's result; each task adds what it found.

    Attributes:
        index: position of the sample in its set.
        preprocess_ms: reading, decoding and resizing its files.
        inference_ms: the image's share of its batch.
        error: why there is no result, when a file could not be read and was skipped.
    """

    index: int
    preprocess_ms: float = 0.0
    inference_ms: float = 0.0
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values, without NaN."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Read what `as_json` wrote.

        Raises:
            ValueError, TypeError, KeyError: something else.
        """
        return msgspec.convert(fields, cls)


@dataclass(frozen=True)
class ReferenceResult:
    """PyTorch's answer to the same pixels, and how far the logits are from it.

    With r the reference's logits and d the difference, both [K], in float64. The four figures are
    NaN when the candidate's logits are not finite.

    Attributes:
        first: index of its top-1 class.
        margin: its first minus its second logit.
        squared_error: sum(d^2).
        squared_reference: sum(r^2).
        max_abs: max abs(d).
        cosine: of the angle between the two.
        milliseconds: the image's share of its batch.
    """

    first: int
    margin: float
    squared_error: float
    squared_reference: float
    max_abs: float
    cosine: float
    milliseconds: float


@dataclass(frozen=True)
class ImageResult(Result):
    """Of a classifier.

    Attributes:
        top: the top classes by logit, best first; empty when there are no finite logits.
        margin: first minus second logit; NaN likewise.
        probability: softmax of the top-1 class, 0 to 1; NaN likewise.
        reference: PyTorch's answer, when it was asked for.
    """

    top: tuple[int, ...] = ()
    margin: float = math.nan
    probability: float = math.nan
    reference: ReferenceResult | None = None

    @property
    def first(self) -> int | None:
        """Index of the top-1 class; None without finite logits."""
        return self.top[0] if self.top else None

    @property
    def changed(self) -> bool:
        """Whether the top-1 class is not the reference's."""
        return self.reference is not None and self.reference.first != self.first

    def as_json(self) -> dict[str, Any]:
        """See `Result`: what is absent or not finite is null or left out."""
        fields = asdict(self) | {"top": list(self.top)}
        if self.reference is not None:
            fields["reference"] = {key: _finite(one) for key, one in fields["reference"].items()}
        return {key: _finite(value) for key, value in fields.items() if value is not None}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """See `Result`."""
        values = dict(fields)
        values |= {key: _number(values[key]) for key in ("margin", "probability")}
        reference = values.get("reference")
        if reference is not None:
            numbers = {key: _number(value) for key, value in reference.items()}
            values["reference"] = numbers | {"first": reference["first"]}
        return super().from_json(values)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
