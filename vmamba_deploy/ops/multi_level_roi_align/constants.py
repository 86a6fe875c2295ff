"""The numbers of `vmamba::MultiLevelRoiAlign`, which all of its forms share."""

from __future__ import annotations

STRIDES = (4, 8, 16, 32)
LEVEL_NAMES = ("p2", "p3", "p4", "p5")  # by the power of two of the stride
CANONICAL_SIZE = 56  # the side of a square box from whose double on the second level serves
LEVEL_EPSILON = 1e-6  # keeps a box of exactly twice that side off the first level
MAX_OUTPUT_SIZE = 64
MAX_SIDE = 32768  # of a box, in pixels: it bounds the number of samples
