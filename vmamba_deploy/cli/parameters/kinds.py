"""Kinds of values: lists of batches, shapes, image sizes, names, numbers, GPU architectures."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from vmamba_deploy.preprocessing.options import CENTER, STRETCH

if TYPE_CHECKING:
    Kind = click.ParamType[Any]
else:
    # Older releases of click do not know the brackets.
    Kind = click.ParamType

# `separator` of a kind: what a list in a file is joined by (`cli.configured`).

_SIZE = re.compile(r"(\d+)(?:x(\d+))?")
_SHAPE = re.compile(r"\d{1,9}(?:x\d{1,9})+")
_PROFILE = re.compile(r"(?:\s*[a-z]+\s*=)?\s*-?\d{1,9}\s*(?:,(?:\s*[a-z]+\s*=)?\s*-?\d{1,9}\s*)*")
_BOUNDS = ("min", "opt", "max")
_CAPABILITY = re.compile(r"(?:sm_?)?(\d{1,2})\.?(\d)")


class BatchList(Kind):
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


class ProfileBatches(Kind):
    """`1,8,32`, or `min=1,opt=8,max=32`: batch sizes of an engine's profile."""

    name = "min,opt,max"
    separator = ","

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        """A tuple of integers, smallest first; how many there may be is the plan's business."""
        if isinstance(value, tuple):
            return value
        if not _PROFILE.fullmatch(str(value)):
            example = "batch sizes such as 8, 1,8,32 or min=1,opt=8,max=32"
            self.fail(f"{value!r} is not {example}", param, ctx)
        sizes = [part.rpartition("=") for part in str(value).split(",")]
        if any(equals for _, equals, _ in sizes):
            named = {name.strip(): size for name, _, size in sizes}
            if len(named) < len(sizes) or not {*named} <= {*_BOUNDS}:
                self.fail(f"{value!r} does not name min, opt and max, each once", param, ctx)
            return tuple(int(named[bound]) for bound in _BOUNDS if bound in named)
        return tuple(int(size) for _, _, size in sizes)


class Shapes(Kind):
    """`256x256/512x512/1024x1024`: three shapes."""

    name = "min/opt/max"
    separator = "/"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[tuple[int, ...], ...]:
        """Tuples of integers; how many there are, and of what, is the plan's business."""
        if isinstance(value, tuple):
            return value
        # trtexec writes the tensor's name before a shape; there is but one to choose here.
        parts = [part.rpartition(":")[2] for part in str(value).split("/")]
        if not all(_SHAPE.fullmatch(part) for part in parts):
            self.fail(f"{value!r} are no shapes such as 256x256/512x512/1024x1024", param, ctx)
        return tuple(tuple(map(int, part.split("x"))) for part in parts)


class ImageSize(Kind):
    """`224` or `384x512` (height x width)."""

    name = "n|hxw"
    separator = "x"

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


class Names(Kind):
    """`labels,logits`: names."""

    name = "name,name,..."
    separator = ","

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, ...]:
        """A tuple of names; whether they are known is the plan's business."""
        if isinstance(value, tuple):
            return value
        return tuple(name for part in str(value).split(",") if (name := part.strip()))


class Assumption(Kind):
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


class Numbers(Kind):
    """`0.485,0.456,0.406`: one number, or one for each channel."""

    name = "x,x,..."
    separator = ","

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[float, ...]:
        """A tuple of floats; their range is the plan's business."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(float(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers such as 0.485,0.456,0.406", param, ctx)


class Crop(Kind):
    """`center`, `none`, or a share such as 0.875."""

    name = "center|none|x"

    def convert(self, value: Any, param: Any, ctx: Any) -> str | float:
        """One of the words, or a float whose range is the plan's business."""
        text = str(value)
        try:
            return text if text in (CENTER, STRETCH) else float(text)
        except ValueError:
            self.fail(f"{value!r} is not center, none or a share such as 0.875", param, ctx)


class Capabilities(Kind):
    """`86` or `8.6,12.0`: compute capabilities."""

    name = "sm,sm,..."
    separator = ","

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
