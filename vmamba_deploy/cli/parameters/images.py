"""Options that say how images are read and prepared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from vmamba_deploy.cli.parameters.gathering import gathered
from vmamba_deploy.cli.parameters.kinds import Crop, Numbers
from vmamba_deploy.preprocessing import INTERPOLATIONS
from vmamba_deploy.preprocessing.options import PreprocessingOptions
from vmamba_deploy.preprocessing.specification import MAX_PIXELS


def max_pixels_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--max-pixels`, of the images that a command decodes."""
    return click.option(
        "--max-pixels",
        type=click.IntRange(1, MAX_PIXELS),
        default=MAX_PIXELS,
        show_default=True,
        help="Refuse larger images (height times width); each pixel takes 4 bytes, or 8.",
    )(command)


_PREPROCESSING_OPTIONS = (
    click.option(
        "--mean",
        type=Numbers(),
        help="Of the pixel values from 0 to 1: one number, or one for each channel.  "
        "[default: the weights' own, else ImageNet's]",
    ),
    click.option("--std", type=Numbers(), help="Standard deviation, likewise."),
    click.option(
        "--resize",
        type=int,
        help="What the shorter side of an image is resized to, in pixels, before the centre is cut "
        "out.  [default: 256 / 224 of the image size; from 32 down the image size itself]",
    ),
    click.option(
        "--interpolation",
        type=click.Choice(INTERPOLATIONS),
        help="Filter of the resize.  [default: the weights' own, else bicubic]",
    ),
    click.option(
        "--crop",
        type=Crop(),
        help="center: cut the centre out of the resized image; none: resize straight to the image "
        "size, whatever the shape; or the share of the resized side that is kept (timm's crop_pct)."
        "  [default: center]",
    ),
)


def preprocessing_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how images are prepared, and hand them over as `preprocessing`."""
    return gathered(function, _PREPROCESSING_OPTIONS, "preprocessing", lambda: PreprocessingOptions)
