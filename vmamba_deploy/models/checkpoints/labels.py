"""What a file's settings call the classes, in whichever form its trainer wrote that."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from vmamba_deploy.models.checkpoints.settings import Settings

# Nobody calls anything else so.
_CERTAIN_KEYS = ("class_labels", "id2label", "class_names", "label_names", "class_to_idx")
# Of other things too, unless they stand where trainers write such things.
_OTHER_KEYS = ("classes", "CLASSES", "labels", "names", "idx_to_class", "label2id", "label_map")
_PLACES = frozenset(
    {
        *("", "args", "cfg", "config", "hparams", "hyper_parameters", "model_args", "opt"),
        *("data", "data_cfg", "data_config", "dataset", "dataset_meta", "meta", "metadata"),
        *("datamodule_hyper_parameters", "default_cfg", "pretrained_cfg", "config.json"),
    }
)
_DATA_SET_PLACES = ("dataset_meta", "meta")
_PALETTE_KEYS = ("palette", "PALETTE")
# What transformers writes where nobody named anything.
_PLACEHOLDER = re.compile(r"LABEL_\d+")


def as_labels(value: object) -> tuple[str, ...] | None:
    """Labels by class: a list of them, or a dict from or to the numbers 0, 1, ...; else None."""
    if isinstance(value, Mapping):
        value = _in_order(value)
    if not isinstance(value, list | tuple) or not value:
        return None
    if not all(isinstance(label, str) for label in value):
        return None
    return None if all(map(_PLACEHOLDER.fullmatch, value)) else tuple(value)


def _in_order(given: Mapping[object, object]) -> list[object] | None:
    """The names of a dict {number: name} or {name: number}, where each number has one."""
    pairs = list(given.items())
    if all(type(number) is int for _, number in pairs):
        pairs = [(number, name) for name, number in pairs]
    by_number = {str(number): name for number, name in pairs}
    numbers = [str(number) for number in range(len(pairs))]
    return [by_number[each] for each in numbers] if set(numbers) == by_number.keys() else None


def labels_in(settings: Sequence[Settings], count: int | None = None) -> tuple[str, ...] | None:
    """The labels of the first of the sections that has them.

    Args:
        settings: of a file.
        count: of the classes: labels of as many go before others.
    """
    found = list(_all_labels(settings))
    return next((labels for labels in found if len(labels) == count), found[0] if found else None)


def _all_labels(settings: Sequence[Settings]) -> Iterator[tuple[str, ...]]:
    for section in settings:
        place = section.place.lower()
        usual = place.rpartition(".")[2] in _PLACES or place in _PLACES
        for key in (*_CERTAIN_KEYS, *(_OTHER_KEYS if usual else ())):
            if labels := as_labels(section.values.get(key)):
                yield _described(labels, section.values.get("label_descriptions"))


def _described(labels: tuple[str, ...], words: object) -> tuple[str, ...]:
    """In words, where a configuration of timm has them for its names, which are WordNet ids."""
    if not isinstance(words, Mapping):
        return labels
    told = tuple(words.get(label) for label in labels)
    return tuple(map(str, told)) if all(isinstance(one, str) for one in told) else labels


def palette_in(settings: Sequence[Settings]) -> tuple[tuple[int, int, int], ...] | None:
    """The colours of the classes in the first of the sections that has them."""
    for section in filter(_is_of_a_data_set, settings):
        for key in _PALETTE_KEYS:
            colours = section.values.get(key)
            if isinstance(colours, list | tuple) and colours and all(map(_is_colour, colours)):
                return tuple((red, green, blue) for red, green, blue in colours)
    return None


def _is_of_a_data_set(section: Settings) -> bool:
    """Where mmengine, and mmcv before it, write what they trained on."""
    return section.place.rpartition(".")[2] in _DATA_SET_PLACES


def _is_colour(value: object) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 3
        and all(type(part) is int and 0 <= part <= 255 for part in value)
    )
