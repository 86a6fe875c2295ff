"""Options: precisions, lists of batches, image sizes, GPU architectures, and those of an engine."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vmamba_deploy.errors import UsageError
from vmamba_deploy.models.checkpoints.choice import WeightsChoice
from vmamba_deploy.precisions import BASES, PRECISIONS, PrecisionName
from vmamba_deploy.preprocessing import INTERPOLATIONS
from vmamba_deploy.preprocessing.options import CENTER, STRETCH, PreprocessingOptions
from vmamba_deploy.preprocessing.specification import MAX_PIXELS
from vmamba_deploy.quantization.plan import AUTO, PHOTOS, QuantizationPlan, usual_budget

if TYPE_CHECKING:
    _Parameter = click.ParamType[Any]
else:
    # Older releases of click do not know the brackets.
    _Parameter = click.ParamType

_SIZE = re.compile(r"(\d+)(?:x(\d+))?")
_SHAPE = re.compile(r"\d{1,9}(?:x\d{1,9})+")
_CAPABILITY = re.compile(r"(?:sm_?)?(\d{1,2})\.?(\d)")


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
        asked.append(PRECISIONS["int8" if named == AUTO else named].name)
        said.append(f"--precision {named}")
    if len(asked) > 1:
        raise UsageError(f"choose one precision, not {' and '.join(said)}")
    if named == AUTO and options.get("max_nmse") is None:
        options["max_nmse"] = usual_budget("int8")
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


def max_pixels_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--max-pixels`, of the images that a command decodes."""
    return click.option(
        "--max-pixels",
        type=click.IntRange(1, MAX_PIXELS),
        default=MAX_PIXELS,
        show_default=True,
        help="Refuse larger images (height times width); each pixel takes 4 bytes, or 8.",
    )(command)


class BatchList(_Parameter):
    """`1,8,32`: ascending batch sizes."""

    name = "n,n,..."

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        """A tuple of integers; their order and range are the plan's business."""
        if isinstance(value, tuple):
            return value
        parts = str(value).split(",")
        if not all(re.fullmatch(r"\s*-?\d{1,9}\s*", part) for part in parts):
            self.fail(f"{value!r} is not a list of integers such as 1,8,32", param, ctx)
        return tuple(int(part) for part in parts)


class Shapes(_Parameter):
    """`256x256/512x512/1024x1024`: three shapes."""

    name = "min/opt/max"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[tuple[int, ...], ...]:
        """Tuples of integers; how many there are, and of what, is the plan's business."""
        if isinstance(value, tuple):
            return value
        # trtexec writes the tensor's name before a shape; there is but one to choose here.
        parts = [part.rpartition(":")[2] for part in str(value).split("/")]
        if not all(_SHAPE.fullmatch(part) for part in parts):
            self.fail(f"{value!r} are no shapes such as 256x256/512x512/1024x1024", param, ctx)
        return tuple(tuple(map(int, part.split("x"))) for part in parts)


class ImageSize(_Parameter):
    """`224` or `384x512` (height x width)."""

    name = "n|hxw"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, int]:
        """(height, width) in pixels."""
        if isinstance(value, tuple):
            return value[0], value[1]
        match = _SIZE.fullmatch(str(value).strip().lower())
        if match is None:
            self.fail(
                f"{value!r} is not a size such as 224 or 384x512 (height x width)", param, ctx
            )
        return int(match[1]), int(match[2] or match[1])


class Names(_Parameter):
    """`labels,logits`: names."""

    name = "name,name,..."

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, ...]:
        """A tuple of names; whether they are known is the plan's business."""
        if isinstance(value, tuple):
            return value
        return tuple(name for part in str(value).split(",") if (name := part.strip()))


class Assumption(_Parameter):
    """`class-token=first`: a name and what it is."""

    name = "name=value"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, str]:
        """(name, value); whether a family knows it is the family's business."""
        if isinstance(value, tuple):
            return value[0], value[1]
        name, equals, said = str(value).partition("=")
        if not (name and equals and said):
            self.fail(f"{value!r} is not an assumption such as class-token=first", param, ctx)
        return name.strip(), said.strip()


class Numbers(_Parameter):
    """`0.485,0.456,0.406`: one number, or one for each channel."""

    name = "x,x,..."

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[float, ...]:
        """A tuple of floats; their range is the plan's business."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(float(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers such as 0.485,0.456,0.406", param, ctx)


class Crop(_Parameter):
    """`center`, `none`, or a share such as 0.875."""

    name = "center|none|x"

    def convert(self, value: Any, param: Any, ctx: Any) -> str | float:
        """One of the words, or a float whose range is the plan's business."""
        text = str(value)
        try:
            return text if text in (CENTER, STRETCH) else float(text)
        except ValueError:
            self.fail(f"{value!r} is not center, none or a share such as 0.875", param, ctx)


class Capabilities(_Parameter):
    """`86` or `8.6,12.0`: compute capabilities."""

    name = "sm,sm,..."

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[tuple[int, int], ...]:
        """Pairs (major, minor)."""
        if isinstance(value, tuple):
            return value
        if not value:
            return ()
        matches = [_CAPABILITY.fullmatch(part.strip()) for part in str(value).split(",")]
        if not all(matches):
            self.fail(f"{value!r} is not a compute capability such as 86 or 8.6", param, ctx)
        return tuple((int(match[1]), int(match[2])) for match in matches if match)


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
    return _gathered(
        function, _PREPROCESSING_OPTIONS, "preprocessing", lambda: PreprocessingOptions
    )


_WEIGHTS_OPTIONS = (
    click.option(
        "--weights-key",
        "key",
        metavar="KEY",
        help="Under which the weights are in the file.  [default: model before model_ema]",
    ),
    click.option(
        "--strip-prefix",
        "prefix",
        metavar="PREFIX",
        help="Of the weights' names in the file.  [default: the only one that fits]",
    ),
    click.option(
        "--assume",
        "assumed",
        type=Assumption(),
        multiple=True,
        help="What the file does not tell of its network, such as class-token=first; may be given "
        "several times.  [default: as published, with a word]",
    ),
)


def weights_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose among the networks of a checkpoint; handed over as `choice`."""
    return _gathered(function, _WEIGHTS_OPTIONS, "choice", lambda: WeightsChoice)


def network_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--network`; handed over as a `Builder`, or None."""

    @functools.wraps(function)
    def parsing(*arguments: Any, network: str | None, **given: Any) -> Any:
        from vmamba_deploy.user_network.request import Builder

        builder = None if network is None else Builder.parsed(network)
        return function(*arguments, network=builder, **given)

    return click.option(
        "--network",
        metavar="FILE.py:FUNCTION",
        help="A network of your own: FUNCTION() returns it. The file is code, and is run.",
    )(parsing)


_ENGINE_OPTIONS = (
    click.option(
        "--batch",
        "batches",
        type=BatchList(),
        help="Batch sizes of the profile: smallest, usual, largest.  "
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

    return _gathered(function, _ENGINE_OPTIONS, "engine", plan)


def _gathered(
    function: Callable[..., Any],
    options: Sequence[Callable[..., Any]],
    argument: str,
    kind: Callable[[], type],
) -> Callable[..., Any]:
    """Add options to a command that gets their values as one argument, an object of a dataclass."""

    @functools.wraps(function)
    def gathering(*arguments: Any, **given: Any) -> Any:
        made = kind()  # imported when the command runs, not for `--help`
        values = {one.name: given.pop(one.name) for one in fields(made)}
        return function(*arguments, **{argument: made(**values)}, **given)

    for option in reversed(options):
        gathering = option(gathering)
    return gathering
