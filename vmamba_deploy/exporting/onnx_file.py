"""The whole way from a loaded model to a checked ONNX file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from vmamba_deploy.artifacts.atomic import atomic_write
from vmamba_deploy.errors import UsageError
from vmamba_deploy.exporting.checks import Asked, check_exported, check_weights
from vmamba_deploy.exporting.metadata import model_metadata
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.exporting.options import ExportOptions
from vmamba_deploy.exporting.trace import trace
from vmamba_deploy.ops.registry import OPS
from vmamba_deploy.precisions import PRECISIONS
from vmamba_deploy.preprocessing import Preprocessing
from vmamba_deploy.tasks import CLASSIFICATION, FEATURES, Task

if TYPE_CHECKING:
    import onnx_ir as ir

    from vmamba_deploy.models import LoadedModel, Network


def export_onnx(
    loaded: LoadedModel,
    path: Path,
    options: ExportOptions,
    *,
    warn: Callable[[str], None] = lambda _text: None,
) -> OnnxModel:
    """Write `loaded` to `path` as one ONNX file (and `<name>.data` beside it when it is too large).

    Args:
        warn: told what the precision loses of the weights, before the export begins.

    Raises:
        UsageError: a task that the network cannot do, or an op set in which an op of ours has no
            definition.
        InputFileError: weights that are not finite, or would not be in the precision.
        BuildError: the trace, the translation or a check failed; nothing is left at `path`.
    """
    import onnx_ir as ir

    from vmamba_deploy.exporting.passes import (
        CarryFunctionBodies,
        DropSourceTraces,
        InlineFunctions,
        NameLinearWeights,
        WriteMetadata,
    )

    options = replace(options, channels=loaded.model.in_chans, axes=loaded.model.axes)
    config = loaded.model.config
    task = chosen_task(loaded, options)
    asked = Asked(options, task, loaded.family.op_calls(config, task.name), config.num_classes)
    _check_op_set(asked)
    options.prepared(loaded.preprocessing, task)
    if lost := check_weights(loaded, options.precision):
        warn(lost)
    module = deployable_module(loaded, options)
    model = trace(module, options, asked.task)
    ir.passes.Sequential(
        DropSourceTraces(),
        NameLinearWeights(),
        CarryFunctionBodies({each.op: each.sizes for each in asked.calls}),
        *([InlineFunctions()] if options.inline else []),
        WriteMetadata(model_metadata(loaded, asked)),
    )(model)
    return _save(model, path, asked)


def deployable_module(loaded: LoadedModel, options: ExportOptions) -> nn.Module:
    """The module in its target precision.

    It is what the file computes, so parity runs it as the `pytorch` runtime too. It takes
    pixel_values and the task's other inputs, and gives one tensor or several, in the task's order.

    Raises:
        UsageError: a task or an image size that the network cannot do.
    """
    task = chosen_task(loaded, options)
    network = loaded.family.cast(_sized(loaded, options), options.precision)
    optional = {output.name for output in loaded.model.task_named(task.name).optional}
    network.optional_outputs = tuple(name for name in task.output_names if name in optional)
    loaded.family.freeze(network)
    module: nn.Module = network
    if options.preprocess or task.name != CLASSIFICATION.name:
        normalisation = loaded.preprocessing if options.preprocess else None
        module = Deployable(module, task, normalisation)
    return module.eval().requires_grad_(False)


class Deployable(nn.Module):
    """Does one task with a network, on camera bytes where the normalisation is in the graph.

    Then [B,H,W,C] uint8 become the [B,C,H,W] float32 that the network expects as
    (pixel / 255 - mean) / std, one multiply and one add per channel. Resizing and cropping stay
    with the caller: they depend on the size of each image.

    Args:
        model: the network.
        task: says which method of the network, what it takes beside pixel_values, and what of its
            outputs is given.
        normalisation: mean and std; None takes pixel_values as they are.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, model: nn.Module, task: Task, normalisation: Preprocessing | None) -> None:
        super().__init__()
        self.model, self._task = model, task
        self.takes_bytes = normalisation is not None
        if normalisation is not None:
            mean, std = torch.tensor(normalisation.mean), torch.tensor(normalisation.std)
            self.register_buffer("scale", 1.0 / (255.0 * std))
            self.register_buffer("shift", -mean / std)

    def forward(self, pixel_values: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
        """Map pixel_values and the task's other inputs, in its order, to its outputs, likewise."""
        if self.takes_bytes:
            normalised = pixel_values.to(torch.float32) * self.scale + self.shift
            pixel_values = normalised.permute(0, 3, 1, 2)
        named = {each.name: other for each, other in zip(self._task.inputs, others, strict=True)}
        if self._task.method == "forward":
            # Called as a module, so that nodes are named after `model`'s own scope.
            return _in_order(self.model(pixel_values, **named), self._task)
        return _in_order(getattr(self.model, self._task.method)(pixel_values, **named), self._task)


def _in_order(
    given: Tensor | Sequence[Tensor] | Mapping[str, Tensor], task: Task
) -> tuple[Tensor, ...]:
    """What a network gives, in the order of the task's outputs; of a dict those alone."""
    if isinstance(given, Tensor):
        return (given,)
    if isinstance(given, Mapping):
        return tuple(given[name] for name in task.output_names)
    return tuple(given)


def _sized(loaded: LoadedModel, options: ExportOptions) -> Network:
    """The network for images of the size that is asked for."""
    least = loaded.model.least_side
    if min(options.size) < least:
        raise UsageError(
            f"image size {options.size[0]}x{options.size[1]} is too small: both sides must be at "
            f"least {least} pixels, which the network makes one of"
        )
    if loaded.model.image_size is not None and options.dynamic_size:
        raise UsageError(
            "the network takes images of {}x{} pixels alone: it has a position embedding of that "
            "size".format(*loaded.model.image_size),
            hint="drop --dynamic-size",
        )
    multiple = loaded.model.size_multiple
    if multiple > 1 and (options.dynamic_size or any(side % multiple for side in options.size)):
        raise UsageError(
            f"the network takes one size, whose sides are multiples of {multiple} pixels",
            hint="for example --image-size {}x{}, without --dynamic-size".format(
                *(-(-side // multiple) * multiple for side in options.size)
            ),
        )
    return loaded.family.for_size(loaded.model, options.size)


def chosen_task(loaded: LoadedModel, options: ExportOptions) -> Task:
    """The task that the options name, else the first that the network can do.

    Its outputs are those that the file has.

    Raises:
        UsageError: the network cannot do it; see also `ExportOptions.check_task`.
    """
    able = loaded.model.tasks
    name = options.task or able[0]
    if name not in able:
        raise UsageError(
            f"these weights cannot do the task {name}: {_what_lacks(loaded, name)}",
            hint=f"leave --task out, or --task {able[0]}",
        )
    return options.check_task(loaded.model.task_named(name))


def _what_lacks(loaded: LoadedModel, name: str) -> str:
    if name == CLASSIFICATION.name and loaded.model.tasks == (FEATURES.name,):
        return "they are a backbone without a classifier"
    return f"they are a {loaded.family.name}, for {' and '.join(loaded.model.tasks)}"


def _check_op_set(asked: Asked) -> None:
    """Refuse an op set for which an op of ours has no definition in standard ops."""
    options = asked.options
    for op in (OPS[each.op] for each in asked.calls):
        if op.body_max_opset is None or options.target_opset <= op.body_max_opset:
            continue
        asks = f"opset {options.target_opset}" if options.opset else f"{options.precision}"
        needs = "" if options.opset else f", which needs opset {options.target_opset}"
        able = [one.name for one in PRECISIONS.values() if one.min_opset <= op.body_max_opset]
        raise UsageError(
            f"{asks} cannot be had for the task {asked.task.name}{needs}: runtimes take the "
            f"definition of {op.domain}::{op.op_type} up to opset {op.body_max_opset}",
            hint=f"export in {' or '.join(able)}, with an opset up to {op.body_max_opset}",
        )


def _save(model: ir.Model, path: Path, asked: Asked) -> OnnxModel:
    import onnx
    import onnx_ir as ir

    proto = ir.to_proto(model)
    if proto.ByteSize() < asked.options.external_data_bytes:
        with atomic_write(path) as temporary:
            onnx.save_model(proto, str(temporary))
            saved = OnnxModel.read(temporary)
            check_exported(saved, asked)
        return replace(saved, path=path)
    data = path.with_name(path.name + ".data")
    # The graph names its data file, so both must be checked under their final names: the data is
    # put in place first, and a graph that fails its check takes the data with it.
    data.unlink(missing_ok=True)
    try:
        with atomic_write(path) as temporary:
            onnx.save_model(
                proto,
                str(temporary),
                save_as_external_data=True,
                location=data.name,
                size_threshold=1024,
            )
            saved = OnnxModel.read(temporary)
            check_exported(saved, asked)
    except BaseException:
        data.unlink(missing_ok=True)
        raise
    return replace(saved, path=path)
