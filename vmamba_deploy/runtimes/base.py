"""What a runtime is: something that says whether it can run here and opens a session on a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from vmamba_deploy.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Outputs = dict[str, npt.NDArray[np.float32]]


MAX_BATCH = 4096


def check_batches(batches: tuple[int, ...]) -> None:
    """Raise UsageError unless the batch sizes are positive, distinct and ascending."""
    if not batches:
        raise UsageError("no batch size given", hint="for example --batch 1,8,32")
    for batch in batches:
        if not 1 <= batch <= MAX_BATCH:
            raise UsageError(f"a batch size must be between 1 and {MAX_BATCH}, got {batch}")
    if list(batches) != sorted(set(batches)):
        raise UsageError(
            f"batch sizes must ascend without repetition, got {','.join(map(str, batches))}",
            hint=f"write --batch {','.join(map(str, sorted(set(batches))))}",
        )


@dataclass(frozen=True)
class RuntimeStatus:
    """Whether a runtime can execute on this machine, and in one sentence why (not)."""

    available: bool
    reason: str


class Session(Protocol):
    """A loaded model, ready to be called."""

    def __call__(self, pixel_values: npt.NDArray[np.generic]) -> Outputs:
        """Map pixel_values to the model's outputs by name, each float32 with the batch first.

        `pixel_values` are in the layout that was exported: [B,3,H,W] float32 or [B,H,W,3] uint8.
        """
        ...

    def close(self) -> None:
        """Give back what the session holds; it must not be called afterwards."""
        ...


class Runtime(Protocol):
    """One way to execute an exported model."""

    @property
    def name(self) -> str:
        """`pytorch`, `onnxruntime-body`, `onnxruntime-library`, `aotinductor`, `tensorrt`, ..."""
        ...

    def status(self) -> RuntimeStatus:
        """Whether `open` can succeed on this machine; cheap, loads no model."""
        ...

    def open(self) -> Session:
        """Load the model from disk, as a user would."""
        ...
