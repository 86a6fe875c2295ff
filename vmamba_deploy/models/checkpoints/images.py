"""What a file's configuration says of its images: their size and how they are prepared."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from vmamba_deploy.errors import printable
from vmamba_deploy.models.checkpoints.settings import Settings
from vmamba_deploy.preprocessing.specification import Preprocessing

MIN_SIDE, MAX_SIDE = 32, 8192
# Last parts of the places where training scripts write such things; mean and std elsewhere may be
# of anything.
_PLACES = frozenset(
    {
        *("", "args", "cfg", "config", "hparams", "hyper_parameters", "model_args", "opt"),
        *("data", "data_cfg", "data_config", "test", "vssm", "backbone", "preprocessing"),
        *("data_preprocessor", "img_norm_cfg", "default_cfg", "pretrained_cfg"),
        *("config.json", "preprocessor_config.json"),
    }
)
# Of images in this file alone.
_SIZE, _SIZE_PLACE = "size", "preprocessor_config.json"
_SIZES = ("img_size", "image_size", "input_size", "imgsize", "crop_size", _SIZE)
# Of Pillow, as the configurations of transformers give them.
_FILTERS = {"2": "bilinear", "3": "bicubic", "1": "lanczos", "5": "hamming"}
_INTERPOLATIONS = frozenset(_FILTERS.values())


def declared_preprocessing(
    settings: Sequence[Settings], usual: Preprocessing, only: tuple[int, int] | None = None
) -> tuple[Preprocessing, tuple[str, ...]]:
    """The preprocessing that a file's configuration says, and in sentences what but the size.

    Args:
        settings: of the file.
        usual: what holds where they are silent.
        only: the one size that the network takes, whatever they say.
    """
    said = _first_values(settings)
    if only is not None:
        usual = usual.for_size(only)
    prepared = usual
    if only is None and (size := _size_in(said)):
        usual = prepared = prepared.for_size(size)
    notes: list[str] = []
    if usual.fit is not None:
        prepared = _fitted(prepared, settings)
    else:
        prepared, notes = _resized(prepared, said)
    mean, std = (_colours(said.get(key, said.get(f"image_{key}"))) for key in ("mean", "std"))
    if len(mean) == len(std) == usual.channels:
        of_bytes = max(mean) > 1
        mean, std = (tuple(v / 255 if of_bytes else v for v in each) for each in (mean, std))
        same = all(map(math.isclose, (*mean, *std), (*usual.mean, *usual.std)))
        if not same and max(mean) <= 1 and min(mean) >= 0 and min(std) > 0:
            prepared = replace(prepared, mean=mean, std=std)
    if said.get("bgr_to_rgb", said.get("to_rgb")) is False:
        notes.append("the file says that its images are BGR; this release prepares RGB")
    return prepared, (*_told(prepared, usual), *notes)


def declared_size(settings: Sequence[Settings]) -> tuple[int, int] | None:
    """(height, width) of the images that a file says its network was trained on; None: silent."""
    return _size_in(_first_values(settings))


def _size_in(said: Mapping[str, object]) -> tuple[int, int] | None:
    return next((found for key in _SIZES if (found := _size(said.get(key)))), None)


def _fitted(prepared: Preprocessing, settings: Sequence[Settings]) -> Preprocessing:
    """With the frame that the test pipeline of mmengine's configurations makes images fit into."""
    for section in settings:
        steps = section.values.get("test_pipeline")
        for step in steps if isinstance(steps, list | tuple) else ():
            scale = step.get("scale") if isinstance(step, Mapping) else None
            sides = list(scale) if isinstance(scale, list | tuple) else []
            if len(sides) == 2 and all(_is_side(side) for side in sides) and step.get("keep_ratio"):
                return replace(prepared, fit=(max(sides), min(sides)))
    return prepared


def _resized(
    prepared: Preprocessing, said: Mapping[str, object]
) -> tuple[Preprocessing, list[str]]:
    """With what is said of its resizing and its filter, and a sentence if that is unknown."""
    usual, notes = prepared, []
    if crop := _ratio(said.get("crop_pct")):
        prepared = replace(prepared, resize_pixels=int(min(prepared.crop_pixels) / crop))
    if shorter := _side(said.get(_SIZE), "shortest_edge"):
        prepared = replace(prepared, resize_pixels=shorter)
    if said.get("crop") is False:
        prepared = replace(prepared, stretched=True)
    interpolation = _FILTERS.get(
        str(said.get("resample")), str(said.get("interpolation") or usual.interpolation).lower()
    )
    if interpolation in _INTERPOLATIONS:
        prepared = replace(prepared, interpolation=interpolation)
    else:
        notes.append(
            f"the file says interpolation: {printable(interpolation[:60])}, which is none for "
            f"evaluation: {usual.interpolation} is taken"
        )
    return prepared, notes


def _told(prepared: Preprocessing, usual: Preprocessing) -> Iterator[str]:
    if prepared != usual:
        height, width = prepared.crop_pixels
        resized = f"{height}x{width}, resized to {prepared.resize_pixels}"
        if prepared.fit is not None:
            resized = f"made to fit into {prepared.fit[0]}x{prepared.fit[1]}"
        yield (
            f"images are prepared as the file says: {resized}, {prepared.interpolation}, "
            f"mean {_listed(prepared.mean)}, std {_listed(prepared.std)}"
        )


def _first_values(settings: Sequence[Settings]) -> dict[str, object]:
    values: dict[str, object] = {}
    for section in settings:
        place = section.place.lower()
        if place.rpartition(".")[2] in _PLACES or place in _PLACES:
            for key, value in section.values.items():
                if key != _SIZE or place == _SIZE_PLACE:
                    values.setdefault(key.lower(), value)
    return values


def _size(value: object) -> tuple[int, int] | None:
    """(height, width) from a side, a size, or (channels, height, width)."""
    if isinstance(value, Mapping):
        value = [_side(value, "height"), _side(value, "width")]
    sides = list(value[-2:]) if isinstance(value, list | tuple) else [value, value]
    if len(sides) == 1:
        sides *= 2
    whole = [side for side in sides if isinstance(side, int) and MIN_SIDE <= side <= MAX_SIDE]
    return (whole[0], whole[1]) if len(whole) == 2 else None


def _side(value: object, name: str) -> int | None:
    side = value.get(name) if isinstance(value, Mapping) else None
    return side if isinstance(side, int) and _is_side(side) else None


def _is_side(value: object) -> bool:
    return isinstance(value, int) and MIN_SIDE <= value <= MAX_SIDE


def _ratio(value: object) -> float | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and 0.1 <= value <= 1 else None  # type: ignore[operator,arg-type]


def _colours(value: object) -> tuple[float, ...]:
    """A finite number for each channel; empty if it is something else."""
    if not isinstance(value, list | tuple):
        return ()
    numbers = tuple(float(each) for each in value if isinstance(each, int | float))
    finite = len(numbers) == len(value) and all(map(math.isfinite, numbers))
    return numbers if finite else ()


def _listed(values: Sequence[float]) -> str:
    return " ".join(f"{value:g}" for value in values)
