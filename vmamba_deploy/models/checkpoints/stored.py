"""A tensor that is in a file: what it is, is known; its numbers are read when they are wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class StoredTensor:
    """A tensor of a checkpoint file.

    What a network is, and whether the weights fit it, is to be told from `meta`: a file may claim
    far more numbers than it has, or than there is memory.

    Attributes:
        meta: on the meta device: dtype, shape and strides without numbers.
        read: reads the numbers, on the CPU, and checks the file's checksum of them where it has
            one; raises InputFileError.
    """

    meta: Tensor
    read: Callable[[], Tensor]
