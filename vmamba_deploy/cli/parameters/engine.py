"""Options that decide a TensorRT engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from vmamba_deploy.cli.parameters.gathering import gathered
from vmamba_deploy.cli.parameters.kinds import Capabilities, ProfileBatches, Shapes

_ENGINE_OPTIONS = (
    click.option(
        "--batch",
        "batches",
        type=ProfileBatches(),
        help="Batch sizes of the profile: smallest, usual and largest, 1,8,32 or "
        "min=1,opt=8,max=32; two: the engine is tuned for the larger; one: for it alone.  "
        "[default: 1,8,32; for segmentation and detection 1]",
    ),
    click.option(
        "--shapes",
        type=Shapes(),
        help="Smallest, usual and largest shape of the profile: height x width, as "
        "256x256/512x512/1024x1024, or all axes, as trtexec has them.  [default: the image size; "
        "with --dynamic-size from half of it to double; at most what pictures have to fit in]",
    ),
    click.option(
        "--trt",
        "flavour",
        type=click.Choice(["auto", "tensorrt", "rtx"]),
        default="auto",
        show_default=True,
        help="Which TensorRT; auto takes what is installed and fits the GPU.",
    ),
    click.option("--embed-plugin", is_flag=True, help="Put the plugin library inside the engine."),
    click.option(
        "--target-sm", type=Capabilities(), default="", help="Build for these GPUs: 86 or 8.6,12.0."
    ),
    click.option(
        "--workspace",
        "workspace_mib",
        type=int,
        help="Limit of the builder's scratch memory in MiB.",
    ),
    click.option(
        "--timing-cache",
        type=click.Path(dir_okay=False, path_type=Path),
        help="File of measured kernel times, read and updated.",
    ),
    click.option("--version-compatible", is_flag=True, help="Loadable by later TensorRT versions."),
    click.option("--hardware-compatible", is_flag=True, help="Runnable on newer GPUs."),
    click.option("--strip-weights", is_flag=True, help="Leave the weights out, to be refitted."),
)


def engine_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that decide an engine and hand their values over as one `engine` plan."""

    def plan() -> type:
        from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan

        return EnginePlan

    return gathered(function, _ENGINE_OPTIONS, "engine", plan)
