"""Our runtimes as Polygraphy runners."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from polygraphy.backend.base import BaseRunner
from polygraphy.common import TensorMetadata
from polygraphy.comparator import Comparator
from polygraphy.exception import PolygraphyException

from vmamba_deploy.parity.inputs import InputSet

if TYPE_CHECKING:
    from vmamba_deploy.runtimes.base import Runtime, Session

INPUT_NAME = "pixel_values"
OUTPUT_NAME = "logits"


class RunFailed(Exception):  # noqa: N818 - an outcome that is recorded, not an error to a user
    """A runtime could not load or run the model; the message says why in one line."""


class RuntimeRunner(BaseRunner):  # type: ignore[misc]
    """Adapts a Runtime: a session is open while the runner is active."""

    def __init__(self, runtime: Runtime, label: str, example: npt.NDArray[Any]) -> None:
        super().__init__(name=label)
        self._runtime, self._example = runtime, example
        self._session: Session | None = None

    def activate_impl(self) -> None:
        """Open the session."""
        try:
            self._session = self._runtime.open()
        except Exception as error:
            raise RunFailed(f"cannot load the model: {_one_line(error)}") from error

    def deactivate_impl(self) -> None:
        """Close the session."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def get_input_metadata_impl(self) -> Any:
        """Images like the example, in any number and size."""
        free = (None,) * self._example.ndim
        return TensorMetadata().add(INPUT_NAME, dtype=self._example.dtype, shape=free)

    def infer_impl(self, feed_dict: dict[str, Any]) -> OrderedDict[str, Any]:
        """Run one batch and note its time."""
        assert self._session is not None
        start = time.perf_counter()
        try:
            logits = self._session(feed_dict[INPUT_NAME])
        except Exception as error:
            batch = feed_dict[INPUT_NAME].shape[0]
            raise RunFailed(f"running batch {batch} raised {_one_line(error)}") from error
        self.inference_time = time.perf_counter() - start
        return OrderedDict([(OUTPUT_NAME, np.asarray(logits))])


def run_all(runtime: Runtime, inputs: Sequence[InputSet], *, label: str) -> Any:
    """Run a runtime on every set; returns Polygraphy's iteration results, in order.

    Raises:
        RunFailed: the runtime raised, whatever it raised.
    """
    feeds = [OrderedDict([(INPUT_NAME, one.pixel_values)]) for one in inputs]
    runner = RuntimeRunner(runtime, label, inputs[0].pixel_values)
    try:
        return Comparator.run([runner], data_loader=feeds)[label]
    except PolygraphyException as error:
        raise RunFailed(_one_line(error)) from error


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
