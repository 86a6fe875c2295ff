"""How an image becomes `pixel_values`, as data. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from vmamba_deploy.errors import IntegrityError

SPECIFICATION = 1
"""Version of docs/preprocessing.md that this release implements."""

MAX_PIXELS = 178_956_970
"""Of an image as decoded and as resized; the point from which Pillow refuses to decode."""

_LAYOUTS = {False: "NCHW float32 RGB", True: "NHWC uint8 RGB"}


@dataclass(frozen=True)
class Preprocessing:
    """Evaluation preprocessing of a classifier (docs/preprocessing.md).

    Attributes:
        crop_pixels: (height, width) of the centre that is cut out, the network's input.
        resize_pixels: length that the shorter side is resized to before.
        interpolation: `bicubic`, antialiased.
        mean: per RGB channel, of values in 0..1.
        std: per RGB channel; a value becomes (value - mean) / std.
        normalisation_in_graph: the model takes uint8 [B,H,W,3] and does the last step itself.
    """

    crop_pixels: tuple[int, int] = (224, 224)
    resize_pixels: int = 256
    interpolation: str = "bicubic"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    normalisation_in_graph: bool = False

    @classmethod
    def from_manifest(cls, fields: Mapping[str, Any]) -> Preprocessing:
        """Read the manifest's `preprocessing`.

        Raises:
            IntegrityError: it follows another specification, or another interpolation.
        """
        version = fields.get("specification", SPECIFICATION)
        if version != SPECIFICATION or fields["interpolation"] != "bicubic":
            raise IntegrityError(
                f"the manifest's preprocessing (specification {version}, "
                f"{fields['interpolation']}) is not the one of this release "
                f"(specification {SPECIFICATION}, bicubic)",
                hint="use the release that wrote it, or export again",
            )
        height, width = fields["crop_pixels"]
        return cls(
            crop_pixels=(height, width),
            resize_pixels=fields["resize_pixels"],
            mean=_rgb(fields["mean"]),
            std=_rgb(fields["std"]),
            normalisation_in_graph=bool(fields.get("normalisation_in_graph", False)),
        )

    def as_manifest(self) -> dict[str, Any]:
        """The manifest's `preprocessing`."""
        return {
            "specification": SPECIFICATION,
            "crop_pixels": list(self.crop_pixels),
            "resize_pixels": self.resize_pixels,
            "interpolation": self.interpolation,
            "mean": list(self.mean),
            "std": list(self.std),
            "normalisation_in_graph": self.normalisation_in_graph,
            "layout": _LAYOUTS[self.normalisation_in_graph],
        }

    def for_size(self, size: tuple[int, int]) -> Preprocessing:
        """The same for a network that takes (height, width), with the ratio of resize to crop."""
        ratio = self.resize_pixels / min(self.crop_pixels)
        return replace(self, crop_pixels=size, resize_pixels=round(min(size) * ratio))

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) that an image of the given size is resized to.

        For a square crop the shorter side becomes `resize_pixels` and the longer one is rounded
        down; for another crop the image is made just large enough to leave the same margin.
        """
        shorter = min(self.crop_pixels)
        target_height = self.resize_pixels * self.crop_pixels[0] // shorter
        target_width = self.resize_pixels * self.crop_pixels[1] // shorter
        if target_width * height >= target_height * width:
            return target_width * height // width, target_width
        return target_height, target_height * width // height


def _rgb(values: Any) -> tuple[float, float, float]:
    red, green, blue = values
    return red, green, blue


IMAGENET_PREPROCESSING = Preprocessing()
