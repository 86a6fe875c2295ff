"""PyTorch as a runtime: the reference that every artefact is compared with."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from vmamba_deploy.precisions import precision_named
from vmamba_deploy.runtimes.base import ModelFiles, RuntimeKind, RuntimeStatus, fed
from vmamba_deploy.runtimes.profiles import NodeTimes, Span
from vmamba_deploy.tasks import CLASSIFICATION, Task

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor, nn

    from vmamba_deploy.runtimes.base import Outputs
    from vmamba_deploy.runtimes.profiles import NodeTime


class PyTorchRuntime:
    """Runs a module in eval mode on the CPU, in whatever precision its weights have.

    Args:
        module: takes pixel_values and the task's other inputs, in its order; gives one tensor, or
            several in the order of the task's outputs.
        task: names them.
    """

    name = "pytorch"

    def __init__(self, module: nn.Module, task: Task = CLASSIFICATION) -> None:
        self._module, self._task = module, task

    def status(self) -> RuntimeStatus:
        """Always available: exporting needs PyTorch anyway."""
        import torch

        return RuntimeStatus(available=True, reason=f"PyTorch {torch.__version__}, CPU")

    def open(self) -> PyTorchSession:
        """A session over the module; nothing is loaded."""
        return PyTorchSession(self._module, self._task)

    def open_streams(self, count: int) -> list[PyTorchSession]:
        """Sessions over the same module: a call in eval mode changes nothing in it."""
        return [self.open() for _ in range(count)]

    def profile(
        self, pixel_values: npt.NDArray[Any], others: Mapping[str, npt.NDArray[Any]], calls: int
    ) -> list[NodeTime]:
        """See `Profiling`; the nodes are modules, each without those inside of it."""
        session, times = self.open(), NodeTimes()
        session(pixel_values, **others)
        for _ in range(calls):
            with _noting(self._module) as spans:
                session(pixel_values, **others)
            times.add_spans(spans)
        return times.per_call(calls)


@contextmanager
def _noting(module: nn.Module) -> Iterator[list[Span]]:
    """The calls of a module and of those inside of it, while it is called by one thread."""
    spans, starts, handles = list[Span](), list[float](), []

    def begin(*_arguments: object) -> None:
        starts.append(time.perf_counter() * 1e3)

    def end(name: str, called: nn.Module, *_arguments: object) -> None:
        spans.append(Span(name, type(called).__name__, starts.pop(), time.perf_counter() * 1e3))

    for name, each in module.named_modules():
        handles.append(each.register_forward_pre_hook(begin))
        handles.append(each.register_forward_hook(partial(end, name or "the network")))
    try:
        yield spans
    finally:
        for handle in handles:
            handle.remove()


class PyTorchSession:
    """Calls the module under inference mode."""

    def __init__(self, module: nn.Module, task: Task = CLASSIFICATION) -> None:
        self._module, self._task = module, task

    def __call__(
        self, pixel_values: npt.NDArray[np.generic], **others: npt.NDArray[Any]
    ) -> Outputs:
        """See `Session`; the layout is the one that the module takes."""
        import torch

        with torch.inference_mode():
            tensors = [torch.from_numpy(each) for each in taken(pixel_values, others, self._task)]
            return named_arrays(self._module(*tensors), self._task)

    def close(self) -> None:
        """Nothing to give back: the module belongs to the caller."""


def taken(
    pixel_values: npt.NDArray[Any], others: dict[str, npt.NDArray[Any]], task: Task
) -> list[npt.NDArray[Any]]:
    """What a module takes, in its order."""
    return [*fed(task.input_names, pixel_values, others).values()]


def named_arrays(given: Tensor | Sequence[Tensor], task: Task) -> Outputs:
    """What a module gave, a tensor or several in the order of the task's outputs, by name.

    Raises:
        ValueError: it gave another number of tensors.
    """
    import torch

    tensors = (given,) if isinstance(given, torch.Tensor) else given
    return {
        name: (tensor.float() if tensor.is_floating_point() else tensor).cpu().numpy()
        for name, tensor in zip(task.output_names, tensors, strict=True)
    }


def _on_files(files: ModelFiles) -> PyTorchRuntime | None:
    """The network itself; there is none with quantized layers."""
    if files.network is None or precision_named(files.onnx.precision).quantized:
        return None
    return PyTorchRuntime(files.network, files.onnx.task)


PYTORCH = RuntimeKind(
    PyTorchRuntime.name,
    _on_files,
    title="PyTorch in the file's precision",
    executes="network",
)
