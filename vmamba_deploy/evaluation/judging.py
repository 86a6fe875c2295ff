"""The thresholds that an evaluation was told to reach, and where it missed one."""

from __future__ import annotations

from dataclasses import dataclass

from vmamba_deploy.evaluation.intervals import images, percent
from vmamba_deploy.evaluation.summary import Summary

CHANGED_PERCENT = 0.5
"""Images that may change class against PyTorch when no number is given: rounding flips a few."""


@dataclass(frozen=True)
class Thresholds:
    """What is asked for.

    Attributes:
        min_top1_percent: top-1 accuracy, at least; None for no threshold.
        max_changed: images whose top-1 class may differ from PyTorch's; None: 0.5% of them.
        min_miou_percent: mean IoU of label maps, at least.
        min_box_ap_percent, min_mask_ap_percent: of detections, at least.
    """

    min_top1_percent: float | None = None
    max_changed: int | None = None
    min_miou_percent: float | None = None
    min_box_ap_percent: float | None = None
    min_mask_ap_percent: float | None = None

    @property
    def given(self) -> frozenset[str]:
        """The names of those that are asked for."""
        return frozenset(name for name, value in vars(self).items() if value is not None)

    def allowed_changes(self, total: int) -> int:
        """Of so many images, how many may change class."""
        if self.max_changed is not None:
            return self.max_changed
        return int(total * CHANGED_PERCENT / 100)


def option_of(threshold: str) -> str:
    """The option that sets a threshold: `--min-top1` for `min_top1_percent`."""
    return "--" + threshold.removesuffix("_percent").replace("_", "-")


def shortfalls(summary: Summary, thresholds: Thresholds) -> list[str]:
    """Say what missed its threshold, one sentence each; empty when nothing did.

    Logits that are not finite miss any threshold, set or not.
    """
    found = []
    if summary.not_finite:
        found.append(f"NaN or infinite logits for {images(summary.not_finite)}")
    found += missed("top-1", summary.top1.share, thresholds.min_top1_percent)
    if summary.agreement is not None:
        changed = len(summary.agreement.changed)
        allowed = thresholds.allowed_changes(summary.agreement.same.total)
        if changed > allowed:
            found.append(
                f"{changed} of {summary.agreement.same.total} images changed class against "
                f"PyTorch, allowed are {allowed}"
            )
    return found


def missed(what: str, share: float, wanted_percent: float | None) -> list[str]:
    """Say that a share is lower than what was asked for; empty when it is not, or nothing was."""
    # Written so that the NaN of no image at all counts as missed.
    if wanted_percent is None or share * 100 >= wanted_percent:
        return []
    return [f"{what} is {percent(share)}, asked for is {wanted_percent:g}%"]
