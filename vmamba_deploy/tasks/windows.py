"""Windows over a picture that is larger than what a network for segmentation was trained with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vmamba_deploy.errors import UsageError


@dataclass(frozen=True)
class Slide:
    """Windows of one size, from the top left on.

    The last of a row or column ends at the border; a side of the picture that is shorter than the
    window is taken whole.

    Attributes:
        crop: (height, width) of a window, in pixels of the resized picture.
        stride: (of y, of x) from one window to the next.

    Raises:
        UsageError: a side below 1, or windows with gaps between them.
    """

    crop: tuple[int, int]
    stride: tuple[int, int]

    def __post_init__(self) -> None:
        if min(*self.crop, *self.stride) < 1:
            raise UsageError("the sides and strides of windows must be at least 1")
        if self.stride[0] > self.crop[0] or self.stride[1] > self.crop[1]:
            raise UsageError(
                f"windows of {self.crop[0]}x{self.crop[1]} every {self.stride[0]}x"
                f"{self.stride[1]} pixels leave gaps",
                hint="give a stride of at most the window's size",
            )

    def windows(self, size: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
        """Rows and columns of each window over a picture of (height, width)."""
        for rows in _along(size[0], self.crop[0], self.stride[0]):
            for columns in _along(size[1], self.crop[1], self.stride[1]):
                yield rows, columns


def _along(length: int, crop: int, stride: int) -> Iterator[slice]:
    for number in range(max(length - crop + stride - 1, 0) // stride + 1):
        end = min(number * stride + crop, length)
        yield slice(max(end - crop, 0), end)
