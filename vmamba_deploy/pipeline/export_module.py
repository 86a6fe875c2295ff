"""`vmamba_deploy.export`: a network that is at hand, to an artefact folder."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy.typing as npt
from torch import Tensor, nn

from vmamba_deploy.errors import ParityError, UsageError
from vmamba_deploy.models.labels import asked_labels
from vmamba_deploy.pipeline.events import OnEvent
from vmamba_deploy.pipeline.export import ExportOutcome, run_export
from vmamba_deploy.pipeline.plan import ExportPlan, UserNetworkPlan
from vmamba_deploy.precisions import PrecisionName
from vmamba_deploy.preprocessing.options import PreprocessingOptions
from vmamba_deploy.quantization.plan import QuantizationPlan
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan
from vmamba_deploy.tasks.task import Dtype, Input, OutputKind
from vmamba_deploy.user_network.loading import IN_MEMORY
from vmamba_deploy.user_network.request import AskedOutput, FreeAxes, Interface

Examples = Tensor | Sequence[Tensor] | Mapping[str, Tensor]
Dynamic = Mapping[str, Sequence[int] | Mapping[int, str]]


def export(
    module: nn.Module,
    example_inputs: Examples,
    output: str | Path,
    *,
    dynamic: Dynamic | None = None,
    outputs: Sequence[str] | Mapping[str, OutputKind] = (),
    precision: PrecisionName = "fp32",
    calibration: str | Path | Iterable[Examples] | None = None,
    opset: int | None = None,
    inline: bool = False,
    weights: str | Path | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    engine: bool | EnginePlan = True,
    parity: bool = True,
    require: Sequence[str] = (),
    seed: int = 0,
    labels: str | Path | Sequence[str] | None = None,
    on_event: OnEvent = lambda _event: None,
) -> ExportOutcome:
    """Export a network with selective scans: ONNX file, engine, manifest, and the proof of them.

    A copy of the network is adapted (`vmamba_deploy.adapt`) and exported. What it gives is compared
    with what the network itself gives in float32, its scans in plain PyTorch: on the examples, on
    random inputs, and at other batches and sizes where they are free. Code that imports CUDA
    packages must have been imported inside `vmamba_deploy.shims()`.

    Args:
        module: the network, in any mode; it stays as it is.
        example_inputs: a tensor, several in the order of `forward`'s parameters, or a dict by their
            names; float32, int32 or int64. Random integers lie between the least and the largest of
            theirs.
        output: artefact folder; replaced as a whole when all is proven.
        dynamic: the free axes by input: `{"image": (0, 2, 3)}`, or with names, which stand for one
            size everywhere: `{"image": {0: "batch", 2: "h", 3: "w"}}`. `{}` fixes every axis; None
            frees the first where it is as long in every input, as the batch.
        outputs: names of a tensor or of a tuple, or the keys of a dict that are wanted; a mapping
            also says what they are: `logits`, `map`, `image` or `label_map`.
        precision: `fp32`, `fp16`, `bf16`, `int8` or `fp8`.
        calibration: of `int8` and `fp8`: inputs in the form of `example_inputs`, as the network
            will see them; or a `.npz` file, a folder of them, or a folder of images where `mean`
            and `std` say how those become the input. None takes the photographs of this package
            where `mean` and `std` are given, and is refused elsewhere: noise shows no range. Of
            `fp16`: lets scans write float16 where that holds their results; None leaves them.
        opset: ONNX op set; None: the lowest that the precision allows.
        inline: standard ops alone, without an engine.
        weights: a checkpoint that is filled in first; None: those that the module has.
        mean: of the first input, an image, of pixel values from 0 to 1; photographs are compared,
            then, and `vmamba_deploy.inference.load` prepares images.
        std: likewise.
        engine: whether to build an engine, or how.
        parity: False: compare nothing; the manifest says so.
        require: runtimes that must execute the files on this machine, `tensorrt_rtx`; one that is
            skipped is a failure then.
        seed: of what is random.
        labels: what the classes of the output of logits are called: a list of names; a text, JSON
            or CSV file; or `imagenet-1k`, `coco`, `ade20k`.
        on_event: told every step.

    Returns:
        The folder, its manifest and what was compared.

    Raises:
        UsageError: inputs, axes or outputs that the network does not have; not one label a class.
        InputFileError: the network raises, or nothing in it is known; weights that do not fit.
        BuildError: PyTorch cannot export it, or TensorRT not build it.
        ParityError: a file disagrees with the network, or a required runtime did not run; the
            folder is `<output>.failed`.
        VmambaError: whatever else cannot be done, by its class.
    """
    given = _named(module, example_inputs)
    plan = ExportPlan(
        model=None,
        weights=IN_MEMORY if weights is None else str(weights),
        precision=precision,
        output=Path(output),
        opset=opset,
        inline=inline,
        seed=seed,
        build_engine=bool(engine) and not inline,
        check_parity=parity,
        require=(require,) if isinstance(require, str) else tuple(require),
        preprocessing=PreprocessingOptions(mean=_floats(mean), std=_floats(std)),
        quantization=_quantization(module, calibration),
        labels=None if labels is None else asked_labels(labels),
        engine=engine if isinstance(engine, EnginePlan) else EnginePlan(),
        network=UserNetworkPlan(
            module,
            Interface(
                tuple(_input(name, tensor) for name, tensor in given.items()),
                _free_axes(dynamic),
                _asked(outputs),
            ),
            {name: _array(tensor) for name, tensor in given.items()},
        ),
    )
    outcome = run_export(plan, on_event)
    if outcome.manifest.status == "failed":
        raise ParityError(
            f"{outcome.manifest.status_reason}",
            hint=f"{outcome.folder}/report.html shows where it begins",
        )
    return outcome


def _quantization(
    module: nn.Module, calibration: str | Path | Iterable[Examples] | None
) -> QuantizationPlan:
    if calibration is None:
        return QuantizationPlan()
    if isinstance(calibration, str | Path):
        return QuantizationPlan(calibrate=str(calibration))
    samples = [_named(module, sample) for sample in calibration]
    if not samples:
        raise UsageError("there is no calibration sample")
    return QuantizationPlan(
        samples=tuple({name: _array(one) for name, one in each.items()} for each in samples)
    )


def _named(module: nn.Module, examples: Examples) -> dict[str, Tensor]:
    if isinstance(examples, Mapping):
        named = dict(examples)
    else:
        tensors = [examples] if isinstance(examples, Tensor) else list(examples)
        names = list(inspect.signature(module.forward).parameters)
        if len(tensors) > len(names):
            raise UsageError(
                f"{len(tensors)} example inputs were given, forward() of {type(module).__name__} "
                f"takes {len(names)}"
            )
        named = dict(zip(names, tensors, strict=False))
    for name, tensor in named.items():
        if not isinstance(tensor, Tensor):
            raise UsageError(f"the example of {name} is {type(tensor).__name__}, expected a tensor")
    return named


def _input(name: str, tensor: Tensor) -> Input:
    written = str(tensor.dtype).removeprefix("torch.")
    dtype: Dtype | None = next((each for each in get_args(Dtype) if each == written), None)
    if dtype is None:
        raise UsageError(
            f"the example of {name} is {tensor.dtype}, expected {', '.join(get_args(Dtype))}",
            hint="inputs stay float32 in every precision",
        )
    values = None
    if not tensor.is_floating_point() and tensor.numel():
        values = float(tensor.min()), float(tensor.max())
    return Input(name, dtype, tuple(tensor.shape), values)


def _array(tensor: Tensor) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = tensor.detach().cpu().contiguous().numpy()
    return array


def _free_axes(dynamic: Dynamic | None) -> FreeAxes | None:
    if dynamic is None:
        return None
    return {
        name: dict(axes) if isinstance(axes, Mapping) else dict.fromkeys(axes)
        for name, axes in dynamic.items()
    }


def _asked(outputs: Sequence[str] | Mapping[str, OutputKind]) -> tuple[AskedOutput, ...]:
    if isinstance(outputs, Mapping):
        return tuple(AskedOutput(name, kind) for name, kind in outputs.items())
    return tuple(map(AskedOutput, [outputs] if isinstance(outputs, str) else outputs))


def _floats(values: Sequence[float] | None) -> tuple[float, ...] | None:
    return None if values is None else tuple(map(float, values))
