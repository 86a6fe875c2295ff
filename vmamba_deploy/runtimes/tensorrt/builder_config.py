"""From an `EnginePlan` to TensorRT's builder configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmamba_deploy.errors import BuildError, UsageError
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.files import read_file
from vmamba_deploy.runtimes.tensorrt.flavour import Capability, Flavour
from vmamba_deploy.runtimes.tensorrt.plan import AxisRanges, EnginePlan, Profile, profile_of

if TYPE_CHECKING:
    from vmamba_deploy.artifacts.manifest import TensorFacts

_MAX_TIMING_CACHE_BYTES = 1 << 30
_TARGET_HINTS = {
    "90": "Hopper runs engines of the full TensorRT, built on the card: --trt tensorrt",
    "100": "this GPU runs engines of the full TensorRT, built on the card: --trt tensorrt",
}


def configure(flavour: Flavour, builder: Any, plan: EnginePlan) -> Any:
    """An IBuilderConfig for `plan`, without a profile; precision is never set, it is in the graph.

    Raises:
        UsageError: the flavour does not know a GPU of the plan.
        BuildError: the timing cache is of another TensorRT or GPU.
    """
    trt = flavour.module()
    config = builder.create_builder_config()
    # On by default, and it would round the products of a float32 graph to 10 bits.
    config.clear_flag(trt.BuilderFlag.TF32)
    # So that the list of layers in the log, and inspectors, tell the dtypes.
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    if plan.version_compatible:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    if plan.strip_weights:
        config.set_flag(trt.BuilderFlag.STRIP_PLAN)
    if plan.hardware_compatible and not flavour.is_rtx:
        config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.AMPERE_PLUS
    if plan.workspace_mib is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, plan.workspace_mib << 20)
    if plan.target_sm:
        members = target_members(flavour, plan)
        config.num_compute_capabilities = len(members)
        for index, member in enumerate(members):
            config.set_compute_capability(member, index)
    if plan.timing_cache is not None:
        _read_timing_cache(config, plan.timing_cache, flavour)
    return config


def target_members(flavour: Flavour, plan: EnginePlan) -> list[Any]:
    """The members of `trt.ComputeCapability` for `plan.target_sm`.

    Raises:
        UsageError: one that this version does not know, with those that it does.
    """
    known = known_targets(flavour)
    for target in plan.target_sm:
        if target not in known:
            sm = _sm(target)
            raise UsageError(
                f"{flavour.title} {flavour.version} cannot build for --target-sm {sm}; "
                f"it knows {', '.join(map(_sm, known))}",
                hint=_TARGET_HINTS.get(sm),
            )
    return [known[target] for target in plan.target_sm]


def known_targets(flavour: Flavour) -> dict[Capability, Any]:
    """The members of `trt.ComputeCapability` by the compute capability that they are of."""
    members = flavour.module().ComputeCapability.__members__
    numbers = {name[2:]: value for name, value in members.items() if name.startswith("SM")}
    return {divmod(int(number), 10): value for number, value in numbers.items()}


def _sm(target: Capability) -> str:
    return "{}{}".format(*target)


def network_profile(
    builder: Any, network: Any, profile: Profile, model: OnnxModel, ranges: AxisRanges
) -> Any:
    """The optimization profile of a network: that of its first input, and the others' that follow.

    Raises:
        BuildError: another input has a free axis of which nothing is known.
        UsageError: the profile does not fit the file.
    """
    image = network.get_input(0)
    for axis, size in enumerate(image.shape):
        for shape in profile:
            if size not in (-1, shape[axis]):
                what = "batch" if axis == 0 else "side"
                raise UsageError(
                    f"{model.path.name} has a fixed {what} of {size}, but the plan asks for "
                    f"{shape[axis]}",
                    hint="export it with that axis free, or ask for the fixed value",
                )
    described = builder.create_optimization_profile()
    described.set_shape(image.name, *profile)
    for other in model.inputs[1:]:
        described.set_shape(other.name, *input_profile(other, model.inputs[0], profile, ranges))
    return described


def input_profile(
    other: TensorFacts, first: TensorFacts, profile: Profile, ranges: AxisRanges
) -> Profile:
    """The shapes of another input, whose free axes are the first one's or have ranges of their own.

    Raises:
        BuildError: one of which nothing is known.
    """
    of_first = {
        axis: (profile[0][place], profile[1][place], profile[2][place])
        for place, axis in enumerate(first.shape)
        if isinstance(axis, str)
    }
    known = {**ranges, **of_first}
    if lacking := [axis for axis in other.shape if isinstance(axis, str) and axis not in known]:
        raise BuildError(
            f"the input {other.name} has a free axis {lacking[0]}, which {first.name} has not"
        )
    return profile_of(other.shape, known)


def _read_timing_cache(config: Any, path: Path, flavour: Flavour) -> None:
    """Give TensorRT the cache of earlier builds, or an empty one."""
    content = b""
    if path.exists():
        content = read_file(path, what="a timing cache", limit_bytes=_MAX_TIMING_CACHE_BYTES)
    cache = config.create_timing_cache(content)
    if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
        raise BuildError(
            f"{path} is not a timing cache of this {flavour.title} and this GPU",
            hint="delete it, or name another file",
        )
