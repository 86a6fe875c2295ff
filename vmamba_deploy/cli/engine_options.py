"""The options that decide an engine, shared by `export` and `build`: the fields of `EnginePlan`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from vmamba_deploy.cli.parameters import BatchList, Capabilities

_OPTIONS = (
    click.option(
        "--batch",
        "batches",
        type=BatchList(),
        default="1,8,32",
        show_default=True,
        help="Batch sizes of the profile: smallest, usual, largest.",
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
    """Add the options and hand their values over as one `engine` plan."""

    @functools.wraps(function)
    def with_plan(*arguments: Any, **options: Any) -> Any:
        from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan

        plan = EnginePlan(**{one.name: options.pop(one.name) for one in fields(EnginePlan)})
        return function(*arguments, engine=plan, **options)

    for option in reversed(_OPTIONS):
        with_plan = option(with_plan)
    return with_plan
