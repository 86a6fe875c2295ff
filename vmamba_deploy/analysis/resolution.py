"""Time, memory, multiply-adds and accuracy of classifiers over the size of their images.

One image a call, in ONNX Runtime on the CPU, each network in a process of its own. In a round each
has its turn, so that what else the machine does meets them alike.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from vmamba_deploy.analysis.measured_session import Call, MeasuredSession, measured_session
from vmamba_deploy.analysis.operations import matrix_product_rate, multiply_adds
from vmamba_deploy.errors import UsageError
from vmamba_deploy.evaluation.intervals import Proportion, proportion
from vmamba_deploy.preprocessing import Preprocessing, preprocess

if TYPE_CHECKING:
    from torch import nn

    from vmamba_deploy.evaluation.samples import DataSet, Sample

MAX_SIDE = 4096
_SETTLE_SECONDS = 0.05
Progress = Callable[[str, float | None], None]


class Contender(Protocol):
    """A classifier that can be had for several sizes of image."""

    @property
    def name(self) -> str:
        """In tables and figures; no two are equal."""
        ...

    @property
    def random(self) -> bool:
        """Whether its weights are random, so that it has no accuracy."""
        ...

    @property
    def any_size(self) -> bool:
        """Whether the file of one size takes images of every size."""
        ...

    def build(self, size: tuple[int, int]) -> nn.Module:
        """The network for images of (height, width); raises UsageError."""
        ...

    def export(self, network: nn.Module, size: tuple[int, int], path: Path) -> None:
        """Write what `build` gave as ONNX; raises UsageError or BuildError."""
        ...

    def preprocessing(self, size: tuple[int, int]) -> Preprocessing:
        """How an image file becomes pixel_values of (height, width)."""
        ...


@dataclass(frozen=True, kw_only=True)
class SizeFigures:
    """One network at one size.

    Attributes:
        side: height and width of the image in pixels.
        median_ms: wall time of a call.
        fastest_ms: the least of the same.
        cpu_ms: median of the time of all its threads together.
        peak_bytes: the most memory that its process held.
        empty_bytes: held before the model was opened.
        multiply_adds: of one image, see `operations`.
        floor_ms: multiply_adds at the rate of a large matrix product in the same run.
        top1: share of the labelled images whose class came first; None without such images, or
            without weights.
    """

    side: int
    median_ms: float
    fastest_ms: float
    cpu_ms: float
    peak_bytes: int
    empty_bytes: int
    multiply_adds: int
    floor_ms: float
    top1: Proportion | None = None

    @property
    def model_bytes(self) -> int:
        """Of the peak what the model and its call took."""
        return self.peak_bytes - self.empty_bytes


@dataclass(frozen=True, kw_only=True)
class Exponents:
    """Of growth with the number of pixels: 1 is linear, 2 is quadratic; see `exponent`."""

    time: float
    cpu_time: float
    memory: float
    multiply_adds: float


@dataclass(frozen=True)
class SizeCurve:
    """One network at every size.

    Attributes:
        network: its name.
        figures: one a size, ascending.
        exponents: None of a single size.
    """

    network: str
    figures: tuple[SizeFigures, ...]
    exponents: Exponents | None


@dataclass(frozen=True)
class Measurement:
    """How to measure.

    Attributes:
        sides: of the square images, ascending.
        rounds: in which each network has its turn.
        threads: of each session; 0 leaves the number to ONNX Runtime.
        library: our custom-op library.
        data: labelled images; None: no accuracy.

    Raises:
        UsageError: a number out of its range.
    """

    sides: tuple[int, ...]
    rounds: int
    threads: int
    library: Path | None
    data: DataSet[Sample] | None = None

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise UsageError(f"at least one round is needed, got {self.rounds}")
        if not self.sides or list(self.sides) != sorted(set(self.sides)):
            raise UsageError("sizes must ascend without repetition, such as 128,256,512")
        if self.sides[0] < 1 or self.sides[-1] > MAX_SIDE:
            raise UsageError(f"a size must be from 1 to {MAX_SIDE} pixels")


def measure_sizes(
    contenders: Sequence[Contender], plan: Measurement, folder: Path, progress: Progress
) -> tuple[tuple[SizeCurve, ...], float]:
    """Measure every network at every size.

    Args:
        contenders: with different names.
        folder: for ONNX files; what is written there is not needed afterwards.
        progress: told what is being done and which part of the sizes is.

    Returns:
        A curve for each, and the multiply-adds per second of a large matrix product.

    Raises:
        UsageError: a network cannot be had for a size.
        BuildError: an export failed.
        ResourceError: not enough memory.
    """
    rates, figures = [], []
    for done, side in enumerate(plan.sides):

        def tell(text: str, fraction: float = done / len(plan.sides)) -> None:
            progress(text, fraction)

        rates.append(matrix_product_rate())
        figures.append(_at_size(contenders, side, plan, folder, tell))
    # On a shared machine the best: a floor is what nothing can be faster than.
    rate = max(rates)
    curves = []
    for one in contenders:
        own = tuple(
            replace(at[one.name], floor_ms=at[one.name].multiply_adds / rate * 1e3)
            for at in figures
        )
        curves.append(SizeCurve(one.name, own, exponents(own)))
    return tuple(curves), rate


def _at_size(
    contenders: Sequence[Contender],
    side: int,
    plan: Measurement,
    folder: Path,
    tell: Callable[[str], None],
) -> dict[str, SizeFigures]:
    size, sessions, needed = (side, side), {}, {}
    with ExitStack() as stack:
        for number, one in enumerate(contenders):
            tell(f"{side} x {side}: {one.name}")
            path = folder / (f"{number}.onnx" if one.any_size else f"{number}-{side}.onnx")
            network = one.build(size)
            if not path.exists():
                one.export(network, size, path)
            shape = (1, one.preprocessing(size).channels, side, side)
            needed[one.name] = multiply_adds(network, shape)
            sessions[one.name] = stack.enter_context(
                measured_session(path, library=plan.library, threads=plan.threads)
            )
        tell(f"{side} x {side}: timing")
        channels = {one.name: one.preprocessing(size).channels for one in contenders}
        calls = take_turns(sessions, channels, side, plan.rounds)
        found = {}
        for one in contenders:
            top1 = None
            if plan.data is not None and not one.random:
                tell(f"{side} x {side}: accuracy of {one.name}")
                top1 = accuracy(sessions[one.name], plan.data, one.preprocessing(size))
            memory = sessions[one.name].memory()
            found[one.name] = SizeFigures(
                side=side,
                median_ms=statistics.median(call.ms for call in calls[one.name]),
                fastest_ms=min(call.ms for call in calls[one.name]),
                cpu_ms=statistics.median(call.cpu_ms for call in calls[one.name]),
                peak_bytes=memory.peak_bytes,
                empty_bytes=memory.empty_bytes,
                multiply_adds=needed[one.name],
                floor_ms=0.0,
                top1=top1,
            )
    return found


def take_turns(
    sessions: Mapping[str, MeasuredSession], channels: Mapping[str, int], side: int, rounds: int
) -> dict[str, list[Call]]:
    """The calls of each session on noise; an untimed round before.

    A session's threads spin for some milliseconds after a call and would take the cores of the
    next one, so each turn begins with a pause.
    """
    generator = np.random.default_rng(side)
    images = {
        name: generator.standard_normal((1, channels[name], side, side), dtype=np.float32)
        for name in sessions
    }
    calls: dict[str, list[Call]] = {name: [] for name in sessions}
    for turn in range(rounds + 1):
        for name, session in sessions.items():
            time.sleep(_SETTLE_SECONDS)
            call = session(images[name])
            if turn:
                calls[name].append(call)
    return calls


def accuracy(
    session: MeasuredSession, data: DataSet[Sample], preprocessing: Preprocessing
) -> Proportion:
    """How many images have their own class first, one a call.

    Raises:
        InputFileError: an image cannot be read.
    """
    right = 0
    for sample in data.samples:
        pixels = np.asarray(preprocess(sample.path, preprocessing), dtype=np.float32)
        right += int(session(pixels[None]).output[0].argmax()) == sample.label
    return proportion(right, len(data.samples))


def exponents(figures: Sequence[SizeFigures]) -> Exponents | None:
    """How the figures grow with the pixels; None of a single size."""
    if len(figures) < 2:
        return None
    pixels = [one.side**2 for one in figures]
    return Exponents(
        time=exponent(pixels, [one.median_ms for one in figures]),
        cpu_time=exponent(pixels, [one.cpu_ms for one in figures]),
        memory=exponent(pixels, [one.model_bytes for one in figures]),
        multiply_adds=exponent(pixels, [one.multiply_adds for one in figures]),
    )


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The slope of log(value) over log(size) by least squares: p where values are c size^p.

    NaN where a value is not above 0.
    """
    if min(values) <= 0:
        return math.nan
    slope, _ = np.polyfit(np.log(sizes), np.log(values), 1)
    return float(slope)
