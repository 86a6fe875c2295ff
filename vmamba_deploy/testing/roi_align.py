"""Random calls of MultiLevelRoiAlign, and boxes at which a kernel may go wrong."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from vmamba_deploy.ops.multi_level_roi_align.constants import STRIDES
from vmamba_deploy.ops.multi_level_roi_align.float64_reference import (
    multi_level_roi_align_float64,
)
from vmamba_deploy.ops.multi_level_roi_align.specification import MULTI_LEVEL_ROI_ALIGN
from vmamba_deploy.ops.op import FLOAT32
from vmamba_deploy.testing.accuracy import Array, numpy_dtype

_NAN, _INF = np.nan, np.inf
# By what is special in them, [K,4]; of a picture of 256 x 320 (height x width).
SPECIAL_BOXES = {
    "a level each": [[8, 8, 60, 60], [8, 8, 130, 140], [3, 5, 250, 240], [-100, -100, 400, 390]],
    "a level's edge": [[0, 0, 112, 112], [0, 0, 111.9, 112], [9, 0, 233, 224], [0, 0, 448, 448]],
    "within 1e-6 of a level's edge": [
        [0, 0, 111.99999, 111.99999],
        [0, 0, 111.99995, 111.99995],
        [0, 0, 447.99994, 447.99994],
    ],
    "ends that round": [[0.49076265, 0, 56.490765, 9], [0.41969106, 0, 56.419693, 9]],
    "empty or inverted": [[10, 10, 10, 30], [30, 30, 10, 10], [5, 20, 40, 20], [9, 9, 9, 9]],
    "not finite": [[_NAN, 0, 9, 9], [0, 0, _INF, 9], [-_INF, 0, 9, 9], [0, 0, 9, _NAN]],
    "too large": [[0, 0, 32769, 9], [0, -40000, 9, 9], [0, 0, 32768, 4], [-3e38, 0, 3e38, 9]],
    "off the map": [[-90, 10, -40, 60], [330, 10, 390, 60], [10, -90, 60, -50], [10, 270, 60, 300]],
    "over an edge": [[-30, 10, 20, 50], [300, 10, 350, 50], [10, -25, 50, 20], [10, 240, 50, 280]],
    "far away": [[1e6, 1e6, 1e6 + 40, 1e6 + 40], [-1e6, 0, -1e6 + 30, 30], [1e30, 0, 1e30, 9]],
    "as large as may be": [[-16000, -16000, 16768, 16768], [-9000, 0, 23000, 300]],
    "thin": [[0, 100, 320, 101], [99, 0, 99.01, 256], [0, 0, 320, 0.001], [5, 5, 5 + 1e-5, 99]],
    "smaller than a pixel": [[100, 100, 100.5, 100.25], [7, 9, 7 + 1e-5, 9 + 1e-5]],
    "on whole pixels": [[16, 16, 72, 72], [18, 18, 74, 74], [-2, -2, 26, 26], [0, 0, 28, 28]],
}  # fmt: skip


@dataclass(frozen=True)
class RoiAlignDims:
    """Sizes of a call; `height` and `width` are those of the network's input."""

    batch: int
    boxes: int
    channels: int
    height: int
    width: int
    output_size: int

    def map_shapes(self) -> list[tuple[int, int, int, int]]:
        """Of the four maps, [B,C,Hi,Wi]."""
        return [
            (self.batch, self.channels, -(-self.height // stride), -(-self.width // stride))
            for stride in STRIDES
        ]


@dataclass(frozen=True)
class RoiAlignCase:
    """One call: `maps`, of dtype `in_dtype` (ONNX code), and `boxes` [B,K,4] float32."""

    in_dtype: int
    maps: tuple[Array, ...]
    boxes: Array
    output_size: int

    @property
    def inputs(self) -> tuple[Array, ...]:
        """In the order of the node."""
        return (*self.maps, self.boxes)

    @property
    def by_name(self) -> dict[str, Array]:
        """The inputs as a session takes them."""
        return dict(zip(MULTI_LEVEL_ROI_ALIGN.input_names, self.inputs, strict=True))

    @cached_property
    def expected(self) -> npt.NDArray[np.float64]:
        """y [B,K,C,S,S] in float64 from the already rounded inputs."""
        p2, p3, p4, p5 = self.maps
        return multi_level_roi_align_float64(p2, p3, p4, p5, self.boxes, self.output_size)


def random_roi_align_case(
    dims: RoiAlignDims, in_dtype: int = FLOAT32, seed: int = 0, boxes: Array | None = None
) -> RoiAlignCase:
    """Maps of unit variance, and boxes of all sizes of which some lie partly off the map.

    Args:
        dims: its sizes.
        in_dtype: ONNX code of the maps.
        seed: another one gives other values.
        boxes: [K,4], the same in all images, in place of random ones.
    """
    draw = np.random.default_rng(seed)
    maps = [
        draw.standard_normal(shape).astype(numpy_dtype(in_dtype)) for shape in dims.map_shapes()
    ]
    if boxes is None:
        sides = np.exp(
            draw.uniform(0, np.log((2 * dims.width, 2 * dims.height)), (dims.batch, dims.boxes, 2))
        )
        centres = draw.uniform(-0.1, 1.1, sides.shape) * (dims.width, dims.height)
        drawn = np.concatenate([centres - sides / 2, centres + sides / 2], axis=-1)
    else:
        drawn = np.repeat(boxes[None], dims.batch, axis=0)
    return RoiAlignCase(
        in_dtype, tuple(maps), np.ascontiguousarray(drawn, np.float32), dims.output_size
    )
