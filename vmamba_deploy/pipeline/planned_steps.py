"""The steps that an export will have, told before it begins, so that a person sees how many."""

from __future__ import annotations

from vmamba_deploy.pipeline.plan import ExportPlan
from vmamba_deploy.precisions import precision_named


def planned_steps(plan: ExportPlan) -> tuple[str, ...]:
    """Names of the steps, in their order; `library` may be left out for want of a compiler."""
    quantized = precision_named(plan.precision).quantized
    how = plan.quantization
    return tuple(
        name
        for name, wanted in (
            ("operators", plan.network is not None),
            ("weights", True),
            ("export", True),
            ("calibrate", quantized or how.asks_for_calibration),
            ("smooth", quantized and how.tries_smoothing),
            ("select", quantized and how.max_nmse is not None),
            ("quantize", quantized),
            ("library", not plan.inline),
            ("engine", plan.build_engine),
            ("aoti", plan.aoti),
            ("parity", plan.check_parity),
            ("proof", plan.check_parity and quantized),
            ("report", True),
            ("manifest", True),
            ("publish", True),
        )
        if wanted
    )
