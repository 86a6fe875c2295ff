"""What was seen of a network on images, what was quantized by it, and what was left as it was:
records that travel in the ONNX file's metadata, the manifest and the report."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta, Struct

from vmamba_deploy.precisions import BaseName

LARGEST_NARROW_SCAN = 65504 / 8
"""Of results seen; the margin to float16's largest number is for images that were not."""
_Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
_Name = Annotated[str, Meta(min_length=1)]
_ONE = "m"
LARGEST_EXPONENT = 12
"""Of a power of two that has a letter: from `a`, 2^-12, to `y`, 2^12."""
_Letters = Annotated[str, Meta(pattern=r"^[a-y]+$(?!\n)", max_length=1 << 16)]
_Amount = Annotated[float, Meta(ge=0)]


def letters_of(exponents: Iterable[int]) -> str:
    """As `LayerFacts.smoothed` has powers of two."""
    return "".join(chr(ord(_ONE) + exponent) for exponent in exponents)


class LayerFacts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A linear layer or a convolution.

    Attributes:
        name: of its module.
        largest: absolute value of its input over the calibration images.
        largest_result: likewise of what a convolution writes; None of a linear layer, whose result
            is not quantized.
        multiply_adds: of one calibration image.
        nmse: what quantizing this layer alone costs, of the network's outputs; None where it was
            not measured.
        kept: why it was left in the base's precision; None: it is quantized.
        smoothed: what its input was divided by, channel by channel, and its weight multiplied by:
            powers of two, a letter each, `m` for 1, `n` for 2, `l` for 1/2; None: it was not.
            `largest` is of the input as it is then.
    """

    name: _Name
    largest: _Amount
    largest_result: _Amount | None = None
    multiply_adds: Annotated[int, Meta(ge=0)]
    nmse: _Amount | None = None
    kept: _Name | None = None
    smoothed: _Letters | None = None

    @property
    def exponents(self) -> tuple[int, ...] | None:
        """Of the powers of two in `smoothed`."""
        if self.smoothed is None:
            return None
        return tuple(ord(letter) - ord(_ONE) for letter in self.smoothed)


class SetFacts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A set of layers that were quantized together, to be measured.

    Attributes:
        share: of the layers' multiply-adds, those in it; 0..1.
        expected: the sum of what its layers cost alone.
        nmse: of the outputs, measured.
    """

    share: Annotated[float, Meta(ge=0, le=1)]
    expected: _Amount
    nmse: _Amount


class CalibrationFacts(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Of a file that images let be narrower than its precision alone does.

    Attributes:
        images: sha256 of each calibration file by its name.
        samples: inputs that were made of them.
        largest_scan: absolute value of any scan's result; None where it was not looked
            at, over an fp32 base, or there is no scan.
    """

    images: Annotated[dict[_Name, _Sha256], Meta(max_length=1 << 16)]
    samples: Annotated[int, Meta(ge=1)]
    largest_scan: _Amount | None = None

    @property
    def narrow_scans(self) -> bool:
        """Whether scans write float16: their results fit, with a margin for other images."""
        return self.largest_scan is not None and self.largest_scan < LARGEST_NARROW_SCAN


class QuantizationFacts(
    CalibrationFacts, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Of a file in a quantized precision.

    Attributes:
        base: precision of all else.
        method: how a range follows from what was seen: `minmax`, the largest absolute value.
        layers: all that can be in 8 bits, in the graph's order.
        max_nmse: the budget that layers were chosen by; None: all that can be.
        nmse: of the outputs on calibration images, with all that is quantized, where layers were
            chosen.
        curve: sets of those layers that save the most for their error, from few to all.
    """

    base: BaseName
    method: Literal["minmax"] = "minmax"
    layers: Annotated[tuple[LayerFacts, ...], Meta(max_length=1 << 16)]
    max_nmse: _Amount | None = None
    nmse: _Amount | None = None
    curve: Annotated[tuple[SetFacts, ...], Meta(max_length=1 << 10)] = ()

    @property
    def quantized(self) -> dict[str, float]:
        """Largest value of the input by name, of the layers that are quantized."""
        return _largest_by_name(
            (layer.name, layer.largest) for layer in self.layers if layer.kept is None
        )

    @property
    def products(self) -> int:
        """That are quantized: layers that share a weight are one by name and several products."""
        return sum(layer.kept is None for layer in self.layers)

    @property
    def results(self) -> dict[str, float]:
        """Largest value of the result by name, of the convolutions that are quantized."""
        return _largest_by_name(
            (layer.name, layer.largest_result)
            for layer in self.layers
            if layer.kept is None and layer.largest_result is not None
        )

    @property
    def share(self) -> float:
        """Of the layers' multiply-adds, those in 8 bits; 0..1."""
        total = sum(layer.multiply_adds for layer in self.layers)
        narrow = sum(layer.multiply_adds for layer in self.layers if layer.kept is None)
        return narrow / total if total else 0.0


def _largest_by_name(seen: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Layers that share a weight share a name, and have ranges of their own."""
    found: dict[str, float] = {}
    for name, largest in seen:
        found[name] = max(largest, found.get(name, 0.0))
    return found
