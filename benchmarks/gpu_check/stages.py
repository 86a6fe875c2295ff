"""What a run is made of: the stages in the order of their value, each with its time budget."""

from __future__ import annotations

from dataclasses import dataclass

TIME_LIMIT_S = 540


@dataclass(frozen=True)
class Stage:
    """One part of the run.

    Attributes:
        name: key of its record in the JSON file, and what `--only` takes.
        module: where its `run(context)` is.
        budget_s: seconds that it may take; what it leaves is at the disposal of those after it.
        summary: one line for the reader.
        needs: stages that must have passed.
        rehearsed: whether it means something without a GPU.
    """

    name: str
    module: str
    budget_s: float
    summary: str
    needs: tuple[str, ...] = ()
    rehearsed: bool = True


_HERE = "benchmarks.gpu_check"
_BUILT = ("build",)

STAGES = (
    Stage("environment", f"{_HERE}.environment", 15, "the GPU, its driver and measured ceilings"),
    Stage("build", f"{_HERE}.build", 60, "the kernels compiled for this GPU"),
    Stage("accuracy", f"{_HERE}.accuracy", 55, "every shape class against float64", _BUILT),
    Stage("op_timing", f"{_HERE}.op_timing", 55, "eight shapes, two batch sizes", _BUILT),
    Stage("networks", f"{_HERE}.networks", 45, "whole networks in eager PyTorch", _BUILT),
    Stage(
        "plugin",
        f"{_HERE}.plugin",
        30,
        "the TensorRT plugin through its interface, without TensorRT",
        _BUILT,
        rehearsed=False,
    ),
    Stage(
        "kernel_times",
        f"{_HERE}.kernel_times",
        15,
        "each kernel of the op alone",
        _BUILT,
        rehearsed=False,
    ),
    Stage("high_resolution", f"{_HERE}.high_resolution", 25, "cost per pixel", _BUILT),
    Stage(
        "sanitizer",
        f"{_HERE}.sanitizer",
        45,
        "compute-sanitizer memcheck and racecheck",
        _BUILT,
        rehearsed=False,
    ),
    Stage("layers", f"{_HERE}.layers", 12, "the time of every layer beside its floor", _BUILT),
    Stage("compiled", f"{_HERE}.compiled", 50, "torch.compile without a graph break", _BUILT),
    Stage("aotinductor", f"{_HERE}.aotinductor", 45, "the network as a compiled package", _BUILT),
    Stage("ncu", f"{_HERE}.ncu", 20, "hardware counters of the kernels", _BUILT, rehearsed=False),
    Stage("onnxruntime", f"{_HERE}.onnxruntime_cuda", 35, "the ONNX file with our library", _BUILT),
    Stage("tests", f"{_HERE}.gpu_tests", 30, "pytest -m gpu", _BUILT, rehearsed=False),
)


def chosen_stages(only: tuple[str, ...], stages: tuple[Stage, ...] = STAGES) -> tuple[Stage, ...]:
    """The named stages and those that they need, in the order of the run; all if none is named.

    Raises:
        ValueError: there is no stage of that name.
    """
    by_name = {stage.name: stage for stage in stages}
    unknown = sorted(set(only) - set(by_name))
    if unknown:
        raise ValueError(f"there is no stage {unknown[0]!r}; the stages are {', '.join(by_name)}")
    wanted = set(only) or set(by_name)
    for stage in reversed(stages):
        if stage.name in wanted:
            wanted.update(stage.needs)
    return tuple(stage for stage in stages if stage.name in wanted)
