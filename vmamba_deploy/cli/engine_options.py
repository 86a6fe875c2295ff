"""The options that decide an engine, shared by `export` and `build`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from vmamba_deploy.cli.parameters import BatchList, Capabilities

_OPTIONS = (
    click.option(
        "--batch",
        type=BatchList(),
        default="1,8,32",
        show_default=True,
        help="Batch sizes of the profile: smallest, usual, largest.",
    ),
    click.option(
        "--trt",
        type=click.Choice(["auto", "tensorrt", "rtx"]),
        default="auto",
        show_default=True,
        help="Which TensorRT; auto takes what is installed and fits the GPU.",
    ),
    click.option("--embed-plugin", is_flag=True, help="Put the plugin library inside the engine."),
    click.option(
        "--target-sm", type=Capabilities(), default="", help="Build for these GPUs: 86 or 8.6,12.0."
    ),
    click.option("--workspace", type=int, help="Limit of the builder's scratch memory in MiB."),
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
    """Add the options and hand their values over as one `engine` plan."""

    @functools.wraps(function)
    def with_plan(*arguments: Any, **options: Any) -> Any:
        from vmamba_deploy.pipeline.plan import EnginePlan

        plan = EnginePlan(
            batches=options.pop("batch"),
            flavour=options.pop("trt"),
            embed_plugin=options.pop("embed_plugin"),
            target_sm=options.pop("target_sm"),
            workspace_mib=options.pop("workspace"),
            timing_cache=options.pop("timing_cache"),
            version_compatible=options.pop("version_compatible"),
            hardware_compatible=options.pop("hardware_compatible"),
            strip_weights=options.pop("strip_weights"),
        )
        return function(*arguments, engine=plan, **options)

    for option in reversed(_OPTIONS):
        with_plan = option(with_plan)
    return with_plan
