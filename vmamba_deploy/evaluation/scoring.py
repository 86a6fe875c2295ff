"""From logits to results."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from vmamba_deploy.errors import InputFileError, IntegrityError
from vmamba_deploy.evaluation.results import ImageResult, ReferenceResult
from vmamba_deploy.parity.metrics import cosine
from vmamba_deploy.tasks.classification import top_indices

if TYPE_CHECKING:
    from vmamba_deploy.tasks.classification import Logits


def score(
    images: Sequence[ImageResult],
    logits: Logits,
    *,
    top_k: int,
    milliseconds: float,
    reference: Logits | None = None,
    reference_ms: float = 0.0,
) -> list[ImageResult]:
    """Complete the results of one batch.

    Args:
        images: B results that know their index and preprocessing time.
        logits: [B, K].
        top_k: how many classes to keep; ties go to the lower index.
        milliseconds: that the batch took.
        reference: [B, K] logits of PyTorch for the same pixels.
        reference_ms: that the batch took there.

    Raises:
        IntegrityError: the logits have another shape than the images or the reference.
        InputFileError: the reference's logits are not finite.
    """
    expected = len(images) if reference is None else reference.shape
    if logits.ndim != 2 or expected not in (logits.shape, len(logits)):
        raise IntegrityError(
            f"the artefact gave logits of shape {list(logits.shape)} for {len(images)} images"
        )
    if reference is not None and not np.isfinite(reference).all():
        raise InputFileError(
            "PyTorch gives NaN or infinity on these images",
            hint="the weights are broken: nothing can be compared with them",
        )
    share = round(milliseconds / len(images), 4)
    results = []
    for position, (image, row) in enumerate(zip(images, logits, strict=True)):
        scored = replace(image, inference_ms=share)
        if np.isfinite(row).all():
            scored = replace(scored, top=_first_classes(row, top_k), margin=_margin(row))
        if reference is not None:
            compared = _compare(reference[position], row, reference_ms / len(images))
            scored = replace(scored, reference=compared)
        results.append(scored)
    return results


def _first_classes(row: Logits, count: int) -> tuple[int, ...]:
    return tuple(top_indices(row, count).tolist())


def _margin(row: Logits) -> float:
    """First minus second logit; 0 for a single class."""
    if len(row) < 2:
        return 0.0
    second, first = np.partition(row.astype(np.float64), -2)[-2:]
    return float(first - second)


def _compare(reference: Logits, candidate: Logits, milliseconds: float) -> ReferenceResult:
    r, c = reference.astype(np.float64), candidate.astype(np.float64)
    known = bool(np.isfinite(c).all())
    d = np.abs(c - r) if known else np.full_like(r, math.nan)
    return ReferenceResult(
        first=_first_classes(reference, 1)[0],
        margin=_margin(reference),
        squared_error=float(np.sum(d**2)),
        squared_reference=float(np.sum(r**2)),
        max_abs=float(d.max()),
        cosine=cosine(r, c) if known else math.nan,
        milliseconds=round(milliseconds, 4),
    )
