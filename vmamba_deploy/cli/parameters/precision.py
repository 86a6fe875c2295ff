"""Options that name a precision, and say how to reach it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from vmamba_deploy.errors import UsageError
from vmamba_deploy.precisions import BASES, PRECISIONS, PrecisionName
from vmamba_deploy.quantization.plan import (
    AUTO,
    PHOTOS,
    QuantizationPlan,
    auto_precision,
    usual_budget,
)


def precision_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--precision`, and a flag for each; `pop_precision` reads them."""
    named = click.option(
        "--precision",
        "precision_name",
        type=click.Choice([*PRECISIONS, AUTO]),
        help=f"Instead of a flag. {AUTO}: --int8 for the layers that save the most, while the "
        "outputs' error stays below a budget.",
    )
    command = named(command)
    for precision in reversed([*PRECISIONS.values()]):
        flag = click.option(f"--{precision.name}", is_flag=True, help=precision.description)
        command = flag(command)
    return command


def pop_precision(options: dict[str, Any]) -> PrecisionName:
    """Take what names a precision out of a command's options; fp32 when nothing did.

    With `auto` layers are chosen by the usual budget where `max_nmse`, among the options, is none.

    Raises:
        UsageError: more than one.
    """
    asked = [precision.name for precision in PRECISIONS.values() if options.pop(precision.name)]
    said = [f"--{name}" for name in asked]
    named = options.pop("precision_name")
    if named is not None:
        asked.append(auto_precision(options) if named == AUTO else PRECISIONS[named].name)
        said.append(f"--precision {named}")
    if len(asked) > 1:
        raise UsageError(f"choose one precision, not {' and '.join(said)}")
    return asked[0] if asked else "fp32"


def quantization_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what is said of a quantized precision; `pop_quantization` reads it."""
    for option in (
        click.option(
            "--max-nmse",
            type=float,
            help="Of --int8: quantize the layers that save the most while the outputs' error stays "
            f"below.  [default: all layers; with --precision {AUTO} "
            f"{usual_budget('int8'):.1e}]",
        ),
        click.option(
            "--smooth",
            is_flag=True,
            help="Of --int8: divide channels that LayerNorms give by powers of two, where that "
            f"lowers the outputs' error. Tried with --max-nmse and --precision {AUTO} as well.",
        ),
        click.option(
            "--base",
            type=click.Choice(list(BASES)),
            help="Of --int8: precision of all else.  [default: fp16; with --no-engine fp32]",
        ),
        click.option(
            "--calibrate",
            metavar=f"PATH|{PHOTOS}",
            help="What shows the ranges: a folder of images; photos, six of ours; or inputs by "
            "name, in a .npz file or a folder of them. Of --fp16: lets scans write float16 where "
            f"that holds their results.  [default: of --int8 {PHOTOS}]",
        ),
    ):
        command = option(command)
    return command


def pop_quantization(options: dict[str, Any]) -> QuantizationPlan:
    """Take what is said of a quantized precision out of a command's options."""
    named = ("base", "calibrate", "max_nmse", "smooth")
    return QuantizationPlan(**{name: options.pop(name) for name in named})
