"""`vmamba_deploy.export`: a preset, weights or a module that is at hand, to an artefact folder."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy.typing as npt
from torch import Tensor, nn

from vmamba_deploy.errors import ParityError, UsageError
from vmamba_deploy.models.labels import asked_labels
from vmamba_deploy.models.loading import RANDOM
from vmamba_deploy.pipeline.events import OnEvent
from vmamba_deploy.pipeline.export import ExportOutcome, run_export
from vmamba_deploy.pipeline.plan import UserNetworkPlan
from vmamba_deploy.pipeline.plan_options import plan_of
from vmamba_deploy.precisions import PrecisionName
from vmamba_deploy.quantization.plan import QuantizationPlan
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan
from vmamba_deploy.tasks.task import Dtype, Input, OutputKind
from vmamba_deploy.user_network.loading import IN_MEMORY
from vmamba_deploy.user_network.request import AskedOutput, FreeAxes, Interface

Examples = Tensor | Sequence[Tensor] | Mapping[str, Tensor]
Dynamic = Mapping[str, Sequence[int] | Mapping[int, str]]


def export(
    model: nn.Module | str | None = None,
    example_inputs: Examples | None = None,
    output: str | Path | None = None,
    *,
    weights: str | Path | None = None,
    precision: PrecisionName | Literal["auto"] = "fp32",
    dynamic: Dynamic | None = None,
    outputs: Sequence[str] | Mapping[str, OutputKind] = (),
    calibration: str | Path | Iterable[Examples] | None = None,
    labels: str | Path | Sequence[str] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    opset: int | None = None,
    inline: bool = False,
    engine: bool | EnginePlan = True,
    parity: bool = True,
    require: Sequence[str] = (),
    seed: int = 0,
    on_event: OnEvent = lambda _event: None,
    **options: Any,
) -> ExportOutcome:
    """Export a network: ONNX file, engine, manifest, and the proof of them.

    What `vmamba-deploy export` does, with the same options. The network is one of this package, by
    its preset or its weights, or any module with selective scans. Of a module a copy is adapted
    (`vmamba_deploy.adapt`) and exported; what it gives is compared with what the module itself
    gives in float32, its scans in plain PyTorch: on the examples, on random inputs, and at other
    batches and sizes where they are free. Code that imports CUDA packages must have been imported
    inside `vmamba_deploy.shims()`.

    Args:
        model: a preset or alias, `t`; None lets the shapes of the weights tell. Or a module, in any
            mode; it stays as it is.
        example_inputs: of a module, which needs them: a tensor, several in the order of `forward`'s
            parameters, or a dict by their names; float32, int32 or int64. Random integers lie
            between the least and the largest of theirs.
        output: artefact folder; replaced as a whole when all is proven. None: in `artifacts`, by
            the network's name and the precision.
        weights: a checkpoint, or an https URL. None: those that a module has; of a preset, random
            ones.
        precision: `fp32`, `fp16`, `bf16`, `int8`, `fp8`; or `auto`: `int8` for the layers that save
            the most, while the outputs' error stays below a budget.
        dynamic: of a module, the free axes by input: `{"image": (0, 2, 3)}`, or with names, which
            stand for one size everywhere: `{"image": {0: "batch", 2: "h", 3: "w"}}`. `{}` fixes
            every axis; None frees the first where it is as long in every input, as the batch.
        outputs: further ones of a preset; of a module names of a tensor or of a tuple, or the keys
            of a dict that are wanted; a mapping also says what they are: `logits`, `map`, `image`
            or `label_map`.
        calibration: of `int8` and `fp8`: a folder of images, `photos`, a `.npz` file or a folder
            of them; or, of a module, inputs in the form of `example_inputs`, as the network will
            see them. Images need `mean` and `std` where the network is a module. None takes the
            photographs of this package where images can be prepared, and is refused elsewhere:
            noise shows no range. Of `fp16`: lets scans write float16 where that holds their
            results; None leaves them.
        labels: what the classes are called: a list of names; a text, JSON or CSV file; or
            `imagenet-1k`, `coco`, `ade20k`. None: as the weights call them.
        mean: of the first input, an image, of pixel values from 0 to 1; of a module this makes it
            an image, so that photographs are compared and `load` prepares images.
        std: likewise.
        opset: ONNX op set; None: the lowest that the precision allows.
        inline: standard ops alone, without an engine.
        engine: whether to build an engine, or how.
        parity: False: compare nothing; the manifest says so.
        require: runtimes that must execute the files on this machine, `tensorrt_rtx`; one that is
            skipped is a failure then.
        seed: of what is random.
        on_event: told every step.
        **options: every other field of `ExportPlan`, and of the plans in it: `EnginePlan`,
            `QuantizationPlan`, `PreprocessingOptions` and `WeightsChoice`, such as
            `image_size=224`, `batches=(1, 8, 32)` or `key="model_ema"`.

    Returns:
        The folder, its files and manifest, and what was compared.

    Raises:
        UsageError: options that there are not or that contradict each other; inputs, axes or
            outputs that the network does not have; not one label a class.
        InputFileError: the network raises, or nothing in it is known; weights that do not fit.
        EnvironmentProblem: this machine lacks what is asked for.
        BuildError: PyTorch cannot export it, or TensorRT not build it.
        ParityError: a file disagrees with the network, or a required runtime did not run; the
            folder is `<output>.failed`.
        VmambaError: whatever else cannot be done, by its class.
    """
    of_network: dict[str, Any] = {"dynamic": dynamic, "outputs": outputs}
    if isinstance(model, nn.Module):
        asked = _of_module(model, example_inputs, calibration, **of_network)
        asked["weights"] = IN_MEMORY if weights is None else weights
    else:
        asked = _of_ours(model, example_inputs, calibration, **of_network)
        asked |= {"model": model, "weights": RANDOM if weights is None else weights}
    plan = plan_of(
        {
            **asked,
            "output": output,
            "precision": precision,
            "labels": None if labels is None else asked_labels(labels),
            "mean": _floats(mean),
            "std": _floats(std),
            "opset": opset,
            "inline": inline,
            "build_engine": bool(engine) and not inline,
            "engine": engine if isinstance(engine, EnginePlan) else EnginePlan(),
            "check_parity": parity,
            "require": require,
            "seed": seed,
            **options,
        }
    )
    outcome = run_export(plan, on_event)
    if outcome.status == "failed":
        raise ParityError(
            f"{outcome.manifest.status_reason}",
            hint=f"{outcome.folder}/report.html shows where it begins",
        )
    return outcome


def _of_ours(
    model: str | None,
    examples: Examples | None,
    calibration: str | Path | Iterable[Examples] | None,
    *,
    dynamic: Dynamic | None,
    outputs: Sequence[str] | Mapping[str, OutputKind],
) -> dict[str, Any]:
    """What the plan is told of a network of this package, beside its options.

    Raises:
        UsageError: something is said that only a module's user can know.
    """
    if not isinstance(model, str | None):
        raise UsageError(
            f"the model is {type(model).__name__}, expected the name of a preset, or a module",
            hint="a checkpoint is named by weights=...",
        )
    if examples is not None:
        raise UsageError(
            "example inputs are of a module, and a preset has its own",
            hint="give the folder by its name: export('t', output='artifacts/t')",
        )
    if dynamic is not None:
        raise UsageError("dynamic is of a module", hint="dynamic_size=True frees height and width")
    if isinstance(outputs, Mapping):
        raise UsageError("the outputs of a preset have their kinds", hint="give their names alone")
    if not isinstance(calibration, str | Path | None):
        raise UsageError(
            "calibration samples are of a module", hint="name a folder of images, or of .npz files"
        )
    return {"outputs": outputs, "calibrate": calibration}


def _of_module(
    module: nn.Module,
    examples: Examples | None,
    calibration: str | Path | Iterable[Examples] | None,
    *,
    dynamic: Dynamic | None,
    outputs: Sequence[str] | Mapping[str, OutputKind],
) -> dict[str, Any]:
    """What the plan is told of a module, beside its options.

    Raises:
        UsageError: examples that are none of its inputs.
    """
    if examples is None:
        raise UsageError(
            f"the inputs of {type(module).__name__} are not known",
            hint="give examples of them: export(module, inputs, folder)",
        )
    given = _named(module, examples)
    interface = Interface(
        tuple(_input(name, tensor) for name, tensor in given.items()),
        _free_axes(dynamic),
        _asked(outputs),
    )
    arrays = {name: _array(tensor) for name, tensor in given.items()}
    return {
        "model": None,
        "network": UserNetworkPlan(module, interface, arrays),
        "quantization": _quantization(module, calibration),
    }


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
