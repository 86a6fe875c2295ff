"""A user's network in an application: named arrays to named arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vmamba_deploy.artifacts.manifest import Manifest, TensorFacts
from vmamba_deploy.errors import UsageError
from vmamba_deploy.inference.model import Model, OpenModel
from vmamba_deploy.tasks import Task
from vmamba_deploy.tasks.custom import BATCH

if TYPE_CHECKING:
    from vmamba_deploy.runtimes.base import Outputs


class UserModel(Model):
    """An artefact folder of a network that a user brought, opened by `load`.

    A batch is split into executions where the file has one: where every input has a free first
    axis called `batch` and every output a free first axis. Else a call is one execution.
    """

    def __init__(self, manifest: Manifest, opened: OpenModel, task: Task) -> None:
        super().__init__(manifest, opened, task)
        inputs, outputs = manifest.onnx.inputs, manifest.onnx.outputs
        self._splits = all(each.shape[:1] == (BATCH,) for each in inputs) and all(
            each.shape and isinstance(each.shape[0], str) for each in outputs
        )
        if not self._splits:
            self._min_batch = 1  # there is no batch to fill up

    def outputs(
        self, first: npt.NDArray[Any] | None = None, /, **named: npt.NDArray[Any]
    ) -> Outputs:
        """What the network gives.

        Args:
            first: its first input, which may be given by its name as well.
            named: its inputs by name.

        Returns:
            Each output by its name; float32 of any float, integers in their own dtype.

        Raises:
            UsageError: an input too few or too many, or of another shape or dtype than it takes.
            ClosedError: the model is closed.
        """
        inputs = self.manifest.onnx.inputs
        if first is not None:
            if inputs[0].name in named:
                raise UsageError(f"{inputs[0].name} is given twice")
            named = {inputs[0].name: first, **named}
        names = [each.name for each in inputs]
        if named.keys() != set(names):
            raise UsageError(
                f"the model takes {', '.join(names)}, got {', '.join(named) or 'nothing'}"
            )
        arrays = [np.asarray(named[name]) for name in names]
        sizes: dict[str, int] = {}
        for facts, array in zip(inputs, arrays, strict=True):
            _check_input(facts, array, sizes)
        return self._run_batch(arrays) if self._splits else self._run(arrays)

    def __call__(
        self, first: npt.NDArray[Any] | None = None, /, **named: npt.NDArray[Any]
    ) -> Outputs:
        """As `outputs`."""
        return self.outputs(first, **named)


def _check_input(facts: TensorFacts, array: npt.NDArray[Any], sizes: dict[str, int]) -> None:
    """Compare an array with what the file takes; `sizes` are those of free axes so far."""
    fits = array.ndim == len(facts.shape) and array.size > 0 and array.dtype == facts.dtype
    for axis, side in zip(facts.shape, array.shape, strict=False):
        fits = fits and side == (axis if isinstance(axis, int) else sizes.setdefault(axis, side))
    if not fits:
        known = (str(sizes.get(axis, axis)) for axis in map(str, facts.shape))
        raise UsageError(
            f"the model takes {facts.name} [{','.join(known)}] of {facts.dtype}, got "
            f"{list(array.shape)} of {array.dtype}"
        )
