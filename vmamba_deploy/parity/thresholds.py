"""What a runtime may differ from PyTorch in fp32 by: one table, by kind of runtime and precision.

Every limit is scale-free, so that it holds for random and for trained weights. Measured over the
nine presets, random weights, photographs and noise, in PyTorch and ONNX Runtime (docs/parity.md; to
measure again: python -m benchmarks parity). A limit is two to ten times the largest figure
seen, a vanilla preset's in each precision; the others stay ten times below. What faults cost
in VMamba-T, as NMSE: one route of one block lost 1e-3, A wrong by a tenth 4e-3, no recurrence 0.16.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from vmamba_deploy.errors import UsageError
from vmamba_deploy.parity.metrics import Metrics


@dataclass(frozen=True)
class Thresholds:
    """Limits of the figures that `metrics` defines.

    Attributes:
        nmse: at most.
        cosine: at least, for every image.
        max_spread: at most; the largest error in units of the reference's spread. It is also the
            margin below which the first class counts as undecided.
        decided_top1: at least; agreement on the first class where the reference is decided.
    """

    nmse: float
    cosine: float
    max_spread: float
    decided_top1: float = 1.0

    def for_flat_images(self) -> Thresholds:
        """Limits for images of one colour: the table's own, or these where it has none.

        Such a map has next to no variance over space, and the LayerNorms magnify what rounding
        leaves: PyTorch itself, converted to half precision, loses that much.
        """
        return _FLAT.get(self, self)

    def violations(self, metrics: Metrics) -> list[str]:
        """Say what is beyond its limit; empty when all is well. NaN never passes."""
        if metrics.non_finite:
            return [f"{metrics.non_finite} output values are NaN or infinite"]
        found = []
        for name, limit in asdict(self).items():
            value, least = getattr(metrics, name), name in {"cosine", "decided_top1"}
            # Written so that a comparison with NaN counts as a violation.
            if not (value >= limit if least else value <= limit):
                found.append(_violation(name, value, limit, least=least))
        return found


def _violation(name: str, value: float, limit: float, *, least: bool) -> str:
    if name == "cosine":
        return f"1 - cosine {1 - value:.3g} is above {1 - limit:.3g}"
    return f"{name} {value:.3g} is {'below' if least else 'above'} {limit:.3g}"


_FP32 = Thresholds(nmse=1e-10, cosine=1 - 1e-10, max_spread=2e-4)
_FP16 = Thresholds(nmse=1e-4, cosine=1 - 1e-4, max_spread=1.5e-1)
_BF16 = Thresholds(nmse=5e-3, cosine=1 - 4e-3, max_spread=5e-1)

# About twice the largest figure seen, 5.5e-9, 9e-4 and 7e-2; the wider spread as the NMSE.
_FLAT = {
    _FP32: Thresholds(nmse=1.5e-8, cosine=1 - 1.5e-8, max_spread=2e-3),
    _FP16: Thresholds(nmse=2e-3, cosine=1 - 2e-3, max_spread=7e-1),
    _BF16: Thresholds(nmse=1.5e-1, cosine=1 - 1.5e-1, max_spread=3.0),
}

_TABLE = {
    ("pytorch", "fp32"): _FP32,
    ("pytorch", "fp16"): _FP16,
    ("pytorch", "bf16"): _BF16,
    ("onnxruntime", "fp32"): _FP32,
    ("onnxruntime", "fp16"): _FP16,
    ("onnxruntime", "bf16"): _BF16,
    ("aotinductor", "fp32"): _FP32,
    ("aotinductor", "fp16"): _FP16,
    ("aotinductor", "bf16"): _BF16,
    ("tensorrt", "fp32"): _FP32,
    ("tensorrt", "fp16"): _FP16,
    ("tensorrt", "bf16"): _BF16,
}


def thresholds_for(runtime: str, precision: str) -> Thresholds:
    """Look up the limits of a runtime (`onnxruntime-body`, `tensorrt_rtx`, ...) in a precision.

    Raises:
        UsageError: no limits are known for the pair.
    """
    kind = runtime.partition("-")[0].removesuffix("_rtx")
    try:
        return _TABLE[kind, precision]
    except KeyError:
        known = ", ".join(f"{kind}/{precision}" for kind, precision in _TABLE)
        raise UsageError(
            f"no parity thresholds for {runtime} in {precision}", hint=f"known: {known}"
        ) from None
