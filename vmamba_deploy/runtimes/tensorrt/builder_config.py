"""From an `EnginePlan` to TensorRT's builder configuration."""

from __future__ import annotations

from typing import Any

from vmamba_deploy.errors import BuildError, UsageError
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan

_COLOUR_CHANNELS = 3
_TARGET_HINTS = {
    "90": "Hopper runs engines of the full TensorRT, built on the card: --trt tensorrt",
    "100": "this GPU runs engines of the full TensorRT, built on the card: --trt tensorrt",
}


def configure(trt: Any, builder: Any, network: Any, plan: EnginePlan) -> Any:
    """An IBuilderConfig for `plan`; precision is never set, it is in the graph.

    Raises:
        UsageError: something of the plan that this flavour or this network does not take.
    """
    config = builder.create_builder_config()
    # On by default, and it would round the products of a float32 graph to 10 bits.
    config.clear_flag(trt.BuilderFlag.TF32)
    if plan.version_compatible:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    if plan.strip_weights:
        config.set_flag(trt.BuilderFlag.STRIP_PLAN)
    if plan.hardware_compatible and not plan.flavour.is_rtx:
        config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.AMPERE_PLUS
    if plan.optimization_level is not None:
        config.builder_optimization_level = plan.optimization_level
    if plan.workspace_bytes is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, plan.workspace_bytes)
    if plan.target_sms:
        set_targets(trt, config, plan)
    config.add_optimization_profile(_profile(builder, network, plan))
    return config


def set_targets(trt: Any, config: Any, plan: EnginePlan) -> None:
    """Name the GPUs for which TensorRT-RTX compiles."""
    members = target_members(trt, plan)
    config.num_compute_capabilities = len(members)
    for index, member in enumerate(members):
        config.set_compute_capability(member, index)


def target_members(trt: Any, plan: EnginePlan) -> list[Any]:
    """The members of `trt.ComputeCapability` for `plan.target_sms`.

    Raises:
        UsageError: one that this version does not know, with those that it does.
    """
    known = {
        name[2:]: value
        for name, value in trt.ComputeCapability.__members__.items()
        if name.startswith("SM")
    }
    wanted = [str(sm) for sm in plan.target_sms]
    for sm in wanted:
        if sm not in known:
            raise UsageError(
                f"{plan.flavour.title} {plan.flavour.version} cannot build for --target-sm {sm}; "
                f"it knows {', '.join(known)}",
                hint=_TARGET_HINTS.get(sm),
            )
    return [known[sm] for sm in wanted]


def read_timing_cache(config: Any, plan: EnginePlan) -> None:
    """Give TensorRT the cache of earlier builds, or an empty one."""
    if plan.timing_cache is None:
        return
    content = plan.timing_cache.read_bytes() if plan.timing_cache.is_file() else b""
    cache = config.create_timing_cache(content)
    if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
        raise BuildError(
            f"{plan.timing_cache} is not a timing cache of this {plan.flavour.title} and this GPU",
            hint="delete it, or name another file",
        )


def _profile(builder: Any, network: Any, plan: EnginePlan) -> Any:
    if network.num_inputs != 1:
        raise BuildError(f"the network has {network.num_inputs} inputs, expected one image tensor")
    image = network.get_input(0)
    shapes = image_shapes(tuple(image.shape), plan)
    profile = builder.create_optimization_profile()
    profile.set_shape(image.name, *shapes)
    return profile


def image_shapes(shape: tuple[int, ...], plan: EnginePlan) -> list[tuple[int, ...]]:
    """(smallest, usual, largest) shape of the input whose free axes are -1.

    Args:
        shape: [B,3,H,W], or [B,H,W,3] when preprocessing is in the graph.
        plan: names the batch, and the sizes where H and W are free.

    Raises:
        UsageError: what the plan asks for does not fit the file.
    """
    colour_axis = 1 if shape[1] == _COLOUR_CHANNELS else 3
    spatial = [axis for axis in (1, 2, 3) if axis != colour_axis]
    if -1 in (shape[spatial[0]], shape[spatial[1]]) and not plan.image_sizes:
        raise UsageError(
            f"{plan.onnx_path.name} leaves the image size free, so the engine needs its range",
            hint="name the smallest, the usual and the largest size",
        )
    shapes = []
    for index, batch in enumerate(plan.batch_profile):
        wanted = {0: batch}
        if plan.image_sizes:
            wanted |= dict(zip(spatial, plan.size_profile[index], strict=True))
        shapes.append(tuple(wanted.get(axis, size) for axis, size in enumerate(shape)))
    for axis, size in enumerate(shape):
        for got in shapes:
            if size not in (-1, got[axis]):
                what = "batch" if axis == 0 else "image side"
                raise UsageError(
                    f"{plan.onnx_path.name} has a fixed {what} of {size}, but the plan asks for "
                    f"{got[axis]}",
                    hint="export it with that axis free, or ask for the fixed value",
                )
    return shapes
