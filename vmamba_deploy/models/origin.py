"""Where the weights of a network are from within a file, and what the file says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmamba_deploy.artifacts.strict_json import require_plain_texts
from vmamba_deploy.errors import InputFileError, printable
from vmamba_deploy.files import shown
from vmamba_deploy.models.checkpoints.contents import CheckpointContents, labels_in, palette_in
from vmamba_deploy.models.checkpoints.images import declared_preprocessing
from vmamba_deploy.models.checkpoints.prefixes import is_counter
from vmamba_deploy.models.family import Agreement, ClassNames, Family, Preset
from vmamba_deploy.models.network import Network
from vmamba_deploy.preprocessing.specification import Preprocessing
from vmamba_deploy.tasks import TASKS


@dataclass(frozen=True)
class Origin:
    """What was taken from a checkpoint file, and what the file says of it.

    Attributes:
        key: under which the weights are in the file; empty for a file of tensors alone.
        other_keys: under which it has others like them.
        prefix: of their names in the file.
        architecture: where the architecture is known from, for a person.
        preprocessing: how images are prepared; None: nobody knows.
        notes: what else a person should know, a sentence each.
        assumed: by the user, because the file does not tell it.
    """

    key: str
    other_keys: tuple[str, ...]
    prefix: str
    architecture: str
    preprocessing: Preprocessing | None
    notes: tuple[str, ...]
    assumed: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Known:
    """What is known of a network beside the shapes of its weights.

    Attributes:
        preset: that was asked for.
        assumed: by the user.
        told: by the file.
    """

    preset: Preset[Any] | None
    assumed: Mapping[str, str]
    told: Agreement

    def architecture(self, place: str | None) -> str:
        """Where the architecture is known from, where the file says so in `place`."""
        text = f"preset {self.preset.name}, as asked" if self.preset else "taken from shapes"
        if place is not None:
            text += f"; the file's {printable(place)} says the same"
        if self.assumed:
            said = ", ".join(f"{name}={value}" for name, value in self.assumed.items())
            text += f"; assumed: {said}"
        return text


def origin_of(
    family: Family[Any],
    model: Network,
    path: Path,
    contents: CheckpointContents,
    known: Known,
) -> Origin:
    """Where a network's weights are from; its labels are put into it.

    Raises:
        InputFileError: the file says that it is of another network, or has labels or names with
            control characters.
    """
    agreement = family.agreement(model.config, contents.settings, path)
    labels = labels_in(contents.settings)
    # They travel with the artefacts, whose manifest takes no others.
    try:
        require_plain_texts([contents.key, *contents.other_keys, contents.prefix, *(labels or ())])
    except ValueError as error:
        raise InputFileError(
            f"{shown(path)} has a name or class label that cannot be shown: {error}."
        ) from error
    name_classes(model, ClassNames(labels or (), palette_in(contents.settings)))
    if model.class_labels is None:
        name_classes(model, family.usual_classes(model.config))
    usual = usual_preprocessing(family, model)
    preprocessing, told = declared_preprocessing(contents.settings, usual, model.image_size)
    notes = (
        *notes_of(contents),
        *family.assumptions(contents.stored),
        *told,
        *known.told.notes,
        *agreement.notes,
        *(f"too large to be looked through: {printable(place)}" for place in contents.unread),
    )
    return Origin(
        contents.key,
        contents.other_keys,
        contents.prefix,
        known.architecture(known.told.place or agreement.place),
        preprocessing,
        notes,
        tuple(known.assumed.items()),
    )


def notes_of(contents: CheckpointContents) -> tuple[str, ...]:
    """What a person should know of the tensors of a file that were not taken, a sentence each."""
    return (*_left_out(contents.left_out), *_other_keys(contents))


def name_classes(model: Network, classes: ClassNames | None) -> None:
    """Give a network the names and colours of its classes, where there are as many."""
    logits = model.config.num_classes
    count = None if logits is None else TASKS[model.tasks[0]].classes(logits)
    if classes is None or count is None or len(classes.names) != count:
        return
    model.class_labels = classes.names
    if classes.palette is not None and len(classes.palette) == count:
        model.palette = classes.palette


def usual_preprocessing(family: Family[Any], model: Network) -> Preprocessing:
    """As the preset says, or the family where there is none, for the network's channels."""
    preset = family.presets.get(model.preset_name or "")
    own = preset.preprocessing if preset is not None else family.preprocessing
    return own.for_channels(model.in_chans)


def _left_out(names: tuple[str, ...]) -> list[str]:
    """Counters by their last word, others by their first."""
    if not names:
        return []
    kinds = dict.fromkeys(
        f"*.{name.rpartition('.')[2]}" if is_counter(name) else f"{name.partition('.')[0]}.*"
        for name in names
    )
    return [f"left out {len(names)} tensors: {printable(', '.join(list(kinds)[:8]))}"]


def _other_keys(contents: CheckpointContents) -> list[str]:
    if not contents.other_keys:
        return []
    others = ", ".join(repr(key) for key in contents.other_keys)
    return [
        f"took the weights under {printable(repr(contents.key))}; there are others under "
        f"{printable(others)} (--weights-key)"
    ]
