"""What is said of a Vim beside its weights: by a file's settings, or by the user.

A file of the public training script has the name of its network in `args.model`, whose words say
it: `vim_tiny_patch16_stride8_224_bimambav2_final_pool_mean_abs_pos_embed_with_midclstok_div2`.
Other files may have the options of the public network by their own names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmamba_deploy.errors import UsageError, printable
from vmamba_deploy.models.checkpoints.unreadable import refuse_configuration
from vmamba_deploy.models.vim.config import ClassToken, Pooling

if TYPE_CHECKING:
    from vmamba_deploy.models.checkpoints.settings import Settings

Size = tuple[int, int]

_NAME = re.compile(r"vim_\w*?patch(\d{1,3})(?:_stride(\d{1,3}))?_\d{2,4}_\w*bimamba\w*")
_NAMING_KEYS = ("model", "name", "arch", "model_name")
_OWN_KEYS = re.compile(r"if_\w+|bimamba_type|use_(?:middle|double)_cls_token|final_pool_type")
_SIZES = ("img_size", "image_size", "input_size")
_MAX_SIDE = 8192
# Of the public network's options: what may stand there, and what anything else would be.
_COMPUTED: Mapping[str, tuple[tuple[object, ...], str]] = {
    "if_rope": ((False,), "rotary position embedding (RoPE)"),
    "if_rope_residual": ((False,), "rotary position embedding (RoPE)"),
    "if_bidirectional": ((False,), "pairs of blocks on a sequence and on its flip"),
    "bimamba_type": (("v2",), "another mixer than bimamba v2"),
    "init_layer_scale": ((), "a layer scale"),
    "final_pool_type": (("mean", "none"), "another pooling"),
}
_WORDS = {"rope": "rotary position embedding (RoPE)", "bimambav1": "bimamba v1"}


@dataclass(frozen=True)
class Said:
    """What is said of a network; None where nothing is.

    Attributes:
        class_token: `MIDDLE` or `FIRST`.
        image_size: (height, width).
        place: in a file, of the words that say it.
    """

    class_token: ClassToken | None = None
    divide_out: bool | None = None
    pooling: Pooling | None = None
    norm_eps: float | None = None
    stride: int | None = None
    image_size: Size | None = None
    place: str | None = None

    def over(self, other: Said) -> Said:
        """This, and the other where this says nothing."""
        own = {name: value for name, value in vars(self).items() if value is not None}
        return replace(other, **own)


def said_by_user(assumed: Mapping[str, str]) -> Said:
    """Read assumptions, by the names of `_READERS`.

    Raises:
        UsageError: one that is not known, or of another form.
    """
    values: dict[str, Any] = {}
    for name, text in assumed.items():
        try:
            field, read = _READERS[name]
            values[field] = read(text)
        except (KeyError, ValueError) as error:
            raise UsageError(
                f"{printable(name)}={printable(text)} cannot be assumed of a Vim.",
                hint="What can: class-token=middle or first, divide-out=yes or no, pooling=mean or "
                "last, norm-eps=NUMBER, stride=PIXELS, image-size=HEIGHTxWIDTH",
            ) from error
    return Said(**values)


def said_by_file(settings: Sequence[Settings], patch: int) -> Said:
    """Read a file's settings; options before the words of a name.

    Args:
        settings: of the file.
        patch: side of the weights' patches; what a name says of strides holds for its own alone.
    """
    said = Said()
    for section in filter(_is_of_a_vim, settings):
        values = {key.lower(): value for key, value in section.values.items()}
        said = said.over(_by_options(section, values))
        for key, match in _names(values):
            said = said.over(_by_name(match, section.named(key), patch))
    return said


def refuse_other_networks(settings: Sequence[Settings], path: Path) -> None:
    """Raise InputFileError where a file says that its network has what is not computed here."""
    refused = []
    for section in filter(_is_of_a_vim, settings):
        values = {key.lower(): value for key, value in section.values.items()}
        for key, (possible, what) in _COMPUTED.items():
            value = values.get(key)
            if value is not None and value not in possible:
                refused.append(f"{section.named(key)} is {str(value)[:60]}: {what}")
        for key, match in _names(values):
            refused += [
                f"{section.named(key)}: {what}" for w, what in _WORDS.items() if w in match[0]
            ]
    says = "says that its network has what this release does not compute"
    refuse_configuration(path, says, map(printable, dict.fromkeys(refused)))


def _is_of_a_vim(section: Settings) -> bool:
    values = {key.lower(): value for key, value in section.values.items()}
    return any(_names(values)) or any(_OWN_KEYS.fullmatch(key) for key in values)


def _names(values: Mapping[str, object]) -> Iterator[tuple[str, re.Match[str]]]:
    for key in _NAMING_KEYS:
        value = values.get(key)
        if isinstance(value, str) and (match := _NAME.fullmatch(value)):
            yield key, match


def _by_name(match: re.Match[str], place: str, patch: int) -> Said:
    name, own_patch = match[0], int(match[1])
    return Said(
        class_token=ClassToken.MIDDLE if re.search("midclstok|middle_cls_token", name) else None,
        divide_out="div2" in name,
        pooling=Pooling.MEAN if "final_pool_mean" in name else None,
        stride=int(match[2] or own_patch) if own_patch == patch else None,
        place=place,
    )


def _by_options(section: Settings, values: Mapping[str, object]) -> Said:
    token = {True: ClassToken.MIDDLE, False: ClassToken.FIRST}
    pooling = {"mean": Pooling.MEAN, "none": Pooling.LAST}
    divide, middle = values.get("if_divide_out"), values.get("use_middle_cls_token")
    epsilon, stride = values.get("norm_epsilon"), values.get("stride")
    said = Said(
        class_token=token[middle] if isinstance(middle, bool) else None,
        divide_out=divide if isinstance(divide, bool) else None,
        pooling=pooling.get(str(values.get("final_pool_type"))),
        norm_eps=epsilon if isinstance(epsilon, float) and 0 < epsilon < 1 else None,
        stride=_side(stride),
        image_size=next((size for key in _SIZES if (size := _size(values.get(key)))), None),
    )
    own = said.divide_out is not None or said.class_token is not None
    return replace(said, place=section.place or "configuration") if own else said


def _size(value: object) -> Size | None:
    sides = list(value) if isinstance(value, list | tuple) else [value, value]
    height, width = map(_side, sides) if len(sides) == 2 else (None, None)
    return (height, width) if height and width else None


def _side(value: object) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 1 <= value <= _MAX_SIDE else None  # type: ignore[operator,return-value]


def _side_of_text(text: str) -> int:
    side = _side(int(text))
    if side is None:
        raise ValueError(text)
    return side


def _size_of_text(text: str) -> Size:
    height, _, width = text.partition("x")
    return _side_of_text(height), _side_of_text(width or height)


def _epsilon_of_text(text: str) -> float:
    epsilon = float(text)
    if not 0 < epsilon < 1:
        raise ValueError(text)
    return epsilon


_READERS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "class-token": (
        "class_token",
        {token.value: token for token in (ClassToken.MIDDLE, ClassToken.FIRST)}.__getitem__,
    ),
    "divide-out": ("divide_out", {"yes": True, "no": False}.__getitem__),
    "pooling": ("pooling", Pooling),
    "norm-eps": ("norm_eps", _epsilon_of_text),
    "stride": ("stride", _side_of_text),
    "image-size": ("image_size", _size_of_text),
}
