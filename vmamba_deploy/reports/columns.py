"""Which figures of an answer a table shows, by the kind of figures, on a page or in a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from vmamba_deploy.parity.figures import Figures
from vmamba_deploy.parity.kinds.detection import DetectionMetrics
from vmamba_deploy.parity.kinds.image import ImageMetrics
from vmamba_deploy.parity.kinds.label_map import LabelMetrics
from vmamba_deploy.parity.kinds.logits import LogitsMetrics
from vmamba_deploy.parity.metrics import Metrics
from vmamba_deploy.parity.results import RunResult
from vmamba_deploy.precisions import Thresholds

_DASH = "\N{EN DASH}"


@dataclass(frozen=True)
class Column:
    """One figure.

    Attributes:
        title: of the column.
        figure: its name.
        share: whether it is shown in percent.
        note: a text below it, with figures by name: `of {decided} decided`.
        short: whether a table in a terminal has it too.
    """

    title: str
    figure: str
    share: bool = False
    note: str = ""
    short: bool = False

    def text(self, figures: Figures) -> str:
        """The figure as text; a dash for a share of nothing."""
        of = figures.shares.get(self.figure)
        value = (
            None if of is not None and not getattr(figures, of) else getattr(figures, self.figure)
        )
        return percent(value) if self.share else figure(value)

    def notes(self, figures: Figures, limits: Thresholds | None = None) -> list[str]:
        """What stands below the figure: its limit, where it has one and it is asked for, and the
        note."""
        found = []
        if limits is not None and self.figure in figures.limited:
            limit = getattr(figures.own_limits(limits), self.figure)
            sign = (
                "\N{GREATER-THAN OR EQUAL TO}"
                if self.figure in figures.least
                else ("\N{LESS-THAN OR EQUAL TO}")
            )
            found.append(f"{sign} {percent(limit) if self.share else figure(limit)}")
        if self.note:
            found.append(self.note.format(**{name: _plain(v) for name, v in vars(figures).items()}))
        return found


_ERRORS = (
    Column("NMSE", "nmse", short=True),
    Column("Cosine", "cosine", short=True),
    Column("Max error / spread", "max_spread"),
    Column("Max abs", "max_abs", short=True),
    Column("Mean abs", "mean_abs"),
)
COLUMNS: Mapping[type[Figures], tuple[Column, ...]] = MappingProxyType(
    {
        Metrics: (*_ERRORS, Column("Max relative", "max_rel")),
        ImageMetrics: (*_ERRORS, Column("PSNR", "psnr", short=True)),
        LogitsMetrics: (
            *_ERRORS,
            Column("Top-1", "top1_agreement", True, short=True),
            Column("Decided top-1", "decided_top1", True, "of {decided} decided"),
            Column("Top-5", "top5_agreement", True),
        ),
        LabelMetrics: (
            Column("Same label", "agreement", True, "{differing} of {pixels} pixels differ", True),
            Column("Decided pixels", "decided_agreement", True, "of {decided} decided", True),
            Column("Mean IoU", "mean_iou", True, short=True),
        ),
        DetectionMetrics: (
            Column("Found", "found", True, "of {decided} decided", True),
            Column("Found of all", "found_of_all", True, "of {detections}", True),
            Column("Known", "known", True, "of the candidate's {candidates}", True),
            Column("Strange", "strange", True),
            Column("Box, pixels", "box_pixels", short=True),
            Column("Score", "score_error", short=True),
            Column("Mask IoU", "mask_iou", True, "of {decided_masks} decided masks", True),
            Column("Count", "count_difference"),
            Column("Inexact images", "inexact"),
        ),
    }
)

_SPREAD = "Spread: root mean square of the reference's {} about each image's mean."
EXPLANATIONS: Mapping[type[Figures], str] = MappingProxyType(
    {
        Metrics: _SPREAD.format("map"),
        ImageMetrics: _SPREAD.format("image")
        + " PSNR: in dB, of the worst image, by its own peak; from 54 on, half a grey level "
        "of 8 bits, two images look the same.",
        LogitsMetrics: _SPREAD.format("logits")
        + " An image is decided when the reference's top-1 logit leads by more than the allowed "
        "error; only decided images can fail for their top-1 class.",
        LabelMetrics: "A pixel is decided when the reference's largest logit leads by more than "
        "rounding may cost; where no logits are known none is, and the share of equal labels alone "
        "is judged.",
        DetectionMetrics: "A detection is decided when the reference keeps it, within these "
        "limits, for the same image shaken by a multiple of what rounding costs; the others may "
        "come and go by rounding alone. Known: what the reference has, shaken or not. Strange: the "
        "share of an image's detections that the other side does not have, two forgiven.",
    }
)
"""What a reader must know of the words in the columns, by kind of figures."""


def figure_kinds(runs: Sequence[RunResult]) -> list[type[Figures]]:
    """The kinds of figures that runs have, in the order of their answers."""
    found = [type(output.metrics) for run in runs for output in run.outputs]
    found += [type(run.metrics) for run in runs if run.metrics is not None]
    return list(dict.fromkeys(found))


def furthest_of(run: RunResult, kind: type[Figures]) -> tuple[str | None, Figures] | None:
    """The name and the figures of a run's answer of that kind that is furthest off."""
    answers = [(one.name, one.metrics) for one in run.outputs if type(one.metrics) is kind]
    if not answers:
        return None if type(run.metrics) is not kind else (run.output, run.metrics)
    return max(answers, key=lambda one: (math.isnan(one[1].distance), one[1].distance))


def figure(value: float | None) -> str:
    """An error or a limit in three digits; 0 and 1 stay short."""
    if value is None:
        return _DASH
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "inf"
    # Close to one, what matters is the distance from it.
    if 0.99 < value < 1:
        return f"1 \N{MINUS SIGN} {1 - value:.2g}"
    return f"{value:.3g}"


def digits(value: float) -> str:
    """A time, rate or ratio in three digits at the least, without an exponent from 0.0001 up."""
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}".rstrip(".")


def percent(value: float | None) -> str:
    """A fraction in percent, and never 100 unless it is."""
    if value is None or not math.isfinite(value):
        return _DASH if value is None else "NaN"
    return "100%" if value == 1 else f"{math.floor(value * 1000) / 10:.1f}%"


def _plain(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else figure(value)
