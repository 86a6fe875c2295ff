"""The whole way from a loaded model to a checked ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import vmamba_deploy
from vmamba_deploy.artifacts.atomic import atomic_write
from vmamba_deploy.errors import UsageError
from vmamba_deploy.export import passes
from vmamba_deploy.export.checks import check_onnx_file
from vmamba_deploy.export.metadata import model_metadata, write_metadata
from vmamba_deploy.export.options import ExportedModel, ExportOptions
from vmamba_deploy.export.trace import trace
from vmamba_deploy.tasks import TASKS, Task

if TYPE_CHECKING:
    import onnx
    from torch import nn

    from vmamba_deploy.models import LoadedModel


def export_onnx(loaded: LoadedModel, path: Path, options: ExportOptions) -> ExportedModel:
    """Write `loaded` to `path` as one ONNX file (and `<name>.data` beside it when it is too large).

    Raises:
        UsageError: a task that the network cannot do.
        BuildError: the trace, the translation or a check failed; nothing is left at `path`.
    """
    module, scans, state = deployable_module(loaded, options)
    task = chosen_task(loaded, options)
    model = trace(module, options, task.output_names)
    metadata = model_metadata(loaded, options, task)
    passes.drop_source_traces(model)
    passes.name_linear_weights(model)
    passes.carry_function_body(model, opset=options.target_opset, state=state)
    write_metadata(model, metadata)
    model.producer_name, model.producer_version = "vmamba_deploy", vmamba_deploy.__version__
    model.graph.name = metadata["preset"]
    size = _save(model, path, options, expected_scans=scans)
    return ExportedModel(path, options.target_opset, scans, size, metadata)


def deployable_module(loaded: LoadedModel, options: ExportOptions) -> tuple[nn.Module, int, int]:
    """The module in its target precision, with the number of its scans and their N.

    It is what the file computes, so parity runs it as the `pytorch` runtime too. It gives one
    tensor, or a list in the order of the task's outputs.

    Raises:
        UsageError: a task that the network cannot do.
    """
    from vmamba_deploy.export.deployable import Deployable
    from vmamba_deploy.models import (
        IMAGENET_PREPROCESSING,
        convert_precision,
        freeze_scan_parameters,
    )

    config, task = loaded.model.config, chosen_task(loaded, options)
    module: nn.Module = convert_precision(loaded.model, options.precision)
    freeze_scan_parameters(module)
    if options.preprocess or task.method != "forward":
        normalisation = IMAGENET_PREPROCESSING if options.preprocess else None
        module = Deployable(module, task.method, normalisation)
    return module.eval().requires_grad_(False), sum(config.depths), config.d_state


def chosen_task(loaded: LoadedModel, options: ExportOptions) -> Task:
    """The task that the options name, else the first that the network can do.

    Raises:
        UsageError: the network cannot do it.
    """
    able = loaded.model.tasks
    name = options.task or able[0]
    if name not in able:
        raise UsageError(
            f"these weights cannot do the task {name}: they are a backbone without a classifier",
            hint=f"leave --task out, or --task {able[0]}",
        )
    return TASKS[name]


def _save(
    model: onnx.ModelProto, path: Path, options: ExportOptions, *, expected_scans: int
) -> int:
    import onnx

    if model.ByteSize() < options.external_data_bytes:
        with atomic_write(path) as temporary:
            onnx.save_model(model, str(temporary))
            check_onnx_file(temporary, expected_scans=expected_scans)
        return path.stat().st_size
    data = path.with_name(path.name + ".data")
    # The graph names its data file, so both must be checked under their final names: the data is
    # put in place first, and a graph that fails its check takes the data with it.
    data.unlink(missing_ok=True)
    try:
        with atomic_write(path) as temporary:
            onnx.save_model(
                model,
                str(temporary),
                save_as_external_data=True,
                location=data.name,
                size_threshold=1024,
            )
            check_onnx_file(temporary, expected_scans=expected_scans)
    except BaseException:
        data.unlink(missing_ok=True)
        raise
    return path.stat().st_size + data.stat().st_size
