"""Where the weights of a network are from within a file, and what the file says of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmamba_deploy.artifacts.strict_json import require_plain_texts
from vmamba_deploy.errors import InputFileError, printable
from vmamba_deploy.files import shown
from vmamba_deploy.models.checkpoints.contents import CheckpointContents
from vmamba_deploy.models.checkpoints.images import declared_preprocessing, declared_size
from vmamba_deploy.models.checkpoints.labels import labels_in, palette_in
from vmamba_deploy.models.checkpoints.prefixes import is_counter
from vmamba_deploy.models.family import Agreement, ClassNames, Family, Preset
from vmamba_deploy.models.network import Network
from vmamba_deploy.preprocessing.specification import Preprocessing


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
        image_size: (height, width) that the file says it was trained at; None: it does not, or its
            network takes one size alone.
        names_to_install: of which data set its classes are, where no package here has their names.
    """

    key: str
    other_keys: tuple[str, ...]
    prefix: str
    architecture: str
    preprocessing: Preprocessing | None
    notes: tuple[str, ...]
    assumed: tuple[tuple[str, str], ...] = ()
    image_size: tuple[int, int] | None = None
    names_to_install: str | None = None


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
    labels = labels_in(contents.settings, model.classes)
    # They travel with the artefacts, whose manifest takes no others.
    try:
        require_plain_texts([contents.key, *contents.other_keys, contents.prefix, *(labels or ())])
    except ValueError as error:
        raise InputFileError(
            f"{shown(path)} has a name or class label that cannot be shown: {error}."
        ) from error
    name_classes(model, ClassNames(labels or (), palette_in(contents.settings)))
    published = _published_names(family, model, path) if labels is None else None
    name_classes(model, published)
    usual = usual_preprocessing(family, model)
    preprocessing, told = declared_preprocessing(contents.settings, usual, model.image_size)
    notes = (
        *notes_of(contents),
        *family.assumptions(contents.stored),
        *told,
        *known.told.notes,
        *agreement.notes,
        *_told_of_names(model, labels, published),
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
        declared_size(contents.settings) if model.image_size is None else None,
        published.data_set if published is not None and not published.names else None,
    )


def notes_of(contents: CheckpointContents) -> tuple[str, ...]:
    """What a person should know of the tensors of a file that were not taken, a sentence each."""
    return (*_left_out(contents.left_out), *_other_keys(contents))


def name_classes(model: Network, classes: ClassNames | None) -> None:
    """Give a network the names and colours of its classes, where there are as many."""
    if classes is None or not classes.names or len(classes.names) != model.classes:
        return
    model.class_labels = classes.names
    if classes.palette is not None and len(classes.palette) == model.classes:
        model.palette = classes.palette


def _published_names(family: Family[Any], model: Network, path: Path) -> ClassNames | None:
    """What the classes are called, of a file that names none, where it is a published one.

    A thousand classes alone are no sign of ImageNet-1k: many data sets have as many.
    """
    usual, named = family.usual_classes(model.config), family.published
    if named is None:
        return usual
    return usual if model.preset_name is not None and named.search(path.name) else None


def _told_of_names(
    model: Network, said: tuple[str, ...] | None, published: ClassNames | None
) -> Iterator[str]:
    """What a person should know of the names of the classes, a sentence each."""
    count = model.classes
    if said is not None and count is not None and len(said) != count:
        yield f"the file names {len(said):,} classes and has {count:,}: its names are left out"
    if published is not None and published.names:
        yield (
            f"the file names no class: its {count:,} are called as those of {published.data_set} "
            "(--labels says other names)"
        )


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
