"""From a weights argument - a path, an https URL or `random` - to a network of any family."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vmamba_deploy.addresses import without_secrets
from vmamba_deploy.artifacts.strict_json import is_plain
from vmamba_deploy.errors import InputFileError, UsageError, printable
from vmamba_deploy.files import file_sha256, shown, unchanged
from vmamba_deploy.models.checkpoints.choice import WeightsChoice
from vmamba_deploy.models.checkpoints.download import Progress, download, is_url
from vmamba_deploy.models.checkpoints.folders import checkpoint_file
from vmamba_deploy.models.checkpoints.limits import MAX_FILE_BYTES
from vmamba_deploy.models.checkpoints.reading import read_checkpoint
from vmamba_deploy.models.checkpoints.strict import differences, fill_strictly
from vmamba_deploy.models.checkpoints.unreadable import CLEAN_FILE
from vmamba_deploy.models.families import (
    FAMILIES,
    families_told_by,
    family_of,
    resolve_preset,
)
from vmamba_deploy.models.family import Family, NotThisFamilyError, Preset
from vmamba_deploy.models.network import Network
from vmamba_deploy.models.origin import (
    Known,
    Origin,
    name_classes,
    origin_of,
    usual_preprocessing,
)
from vmamba_deploy.preprocessing.specification import IMAGENET_PREPROCESSING, Preprocessing

RANDOM = "random"


@dataclass(frozen=True)
class LoadedModel:
    """A network and where its weights come from.

    Args:
        model: in eval mode, float32, on the CPU.
        family: that it is one of.
        source: the path, the URL without its query, which may be a secret, or `random (seed N)`.
        sha256: of the file; for random weights, of the weights themselves.
        preprocessing: how images are prepared; one mean and std for each channel of its input.
            None where its inputs are its own, and nobody said.
        origin: of the weights within a file; None for random weights.
    """

    model: Network
    family: Family[Any]
    source: str
    sha256: str
    preprocessing: Preprocessing | None = IMAGENET_PREPROCESSING
    origin: Origin | None = None

    @property
    def preset_name(self) -> str | None:
        """Name of the preset; None for an architecture that is not a preset."""
        return self.model.preset_name

    @property
    def architecture(self) -> str:
        """Where the architecture is known from, for a person."""
        return self.origin.architecture if self.origin else f"preset {self.preset_name}"


def load_weights(
    spec: str,
    *,
    preset: str | None = None,
    task: str | None = None,
    num_classes: int | None = None,
    seed: int = 0,
    choice: WeightsChoice | None = None,
    progress: Progress | None = None,
) -> LoadedModel:
    """Make a network with the weights that `spec` names.

    Args:
        spec: path of a checkpoint; an https URL, optionally with `#sha256=<hex>`; or `random`.
        preset: name or alias. A checkpoint must fit it; without it the shapes tell. Random weights
            need it. Of a network over a backbone, the backbone's preset may be named.
        task: what random weights are for, see `resolve_preset`; a checkpoint knows its own.
        num_classes: of random weights, None for as many as published; a checkpoint knows its own,
            and must have as many.
        seed: of random weights.
        choice: which network of a file to take, where it has several.
        progress: called during a download with the bytes so far and the total, None if unknown.

    Raises:
        UsageError: unknown preset, no preset for random weights, a URL that is not https, a path
            with control characters, a choice that the file does not have, another number of
            classes than the file's.
        InputFileError: the file cannot be had, read or understood, or does not fit.
    """
    if spec == RANDOM:
        if preset is None:
            raise UsageError("Random weights need the name of a preset.")
        if choice not in (None, WeightsChoice()):
            raise UsageError("Random weights have nothing to choose and nothing to assume.")
        family = family_of(resolve_preset(preset, task))
        model = create_model(preset, task, num_classes=num_classes, seed=seed)
        digest = weights_sha256(model.state_dict())
        return LoadedModel(
            model, family, f"{RANDOM} (seed {seed})", digest, usual_preprocessing(family, model)
        )
    if not is_plain(spec):
        raise UsageError(
            f"{shown(spec)}: the name of the weights travels with what is made of them, and this "
            "one has bytes that cannot be shown.",
            hint="Rename the file, or make a link to it with another name.",
        )
    path = download(spec, progress=progress) if is_url(spec) else checkpoint_file(Path(spec))
    with unchanged(path):
        digest = weights_file_sha256(path)
        family, model, origin = _load(path, preset, choice)
    _require_classes(model, num_classes, spec)
    source = without_secrets(spec).partition("#sha256=")[0]
    return LoadedModel(model, family, source, digest, origin.preprocessing, origin)


def _require_classes(model: Network, asked: int | None, spec: str) -> None:
    if asked in (None, model.config.num_classes, model.classes):
        return
    own = "no classes" if model.classes is None else f"{model.classes:,} classes"
    raise UsageError(
        f"{shown(spec)} has {own}, and --num-classes {asked:,} asks for others",
        hint="leave --num-classes out: a checkpoint knows its own",
    )


def create_model(
    preset: str, task: str | None = None, num_classes: int | None = None, seed: int = 0
) -> Network:
    """Create a preset's network with random weights, in eval mode, float32, on the CPU.

    Args:
        preset: name or alias of a preset.
        task: what it is for, see `resolve_preset`.
        num_classes: that the head tells apart, at least 1; None: as many as published.
        seed: the weights depend on it alone; the global random state is left as it is.

    Raises:
        UsageError: unknown preset or task, or num_classes below 1.
    """
    chosen = resolve_preset(preset, task)
    if num_classes is not None and num_classes < 1:
        raise UsageError(f"num_classes must be at least 1; got {num_classes}.")
    family, config = family_of(chosen), chosen.config
    if num_classes is not None:
        config = replace(config, num_classes=num_classes)
    model = _skeleton(family, config).to_empty(device="cpu").eval()
    model.preset_name = chosen.name
    family.initialize(model, seed)
    name_classes(model, family.usual_classes(config))
    return model


def load_model(
    path: str | Path, preset: str | None = None, *, assume: Mapping[str, str] | None = None
) -> Network:
    """Load a checkpoint file, all of it or nothing.

    Args:
        path: safetensors, or a `torch.save` file in any published layout and naming. Its pickle is
            never executed. Also a folder with a `model.safetensors` or `pytorch_model.bin`.
        preset: name or alias that the file must fit; without it the shapes tell the architecture,
            which need not be a preset's. The number of classes is the file's in either case, and a
            file without classifier gives a backbone.
        assume: what the file does not tell of its network, `WeightsChoice.assumed`.

    Returns:
        The network in eval mode, float32, on the CPU.

    Raises:
        UsageError: unknown preset, or something that cannot be assumed.
        InputFileError: the file cannot be read or understood, or does not fit.
    """
    choice = WeightsChoice(assumed=tuple((assume or {}).items()))
    return _load(checkpoint_file(Path(path)), preset, choice)[1]


def weights_file_sha256(path: Path) -> str:
    """The sha256 of a checkpoint file, or of the one in a folder; raises InputFileError."""
    return file_sha256(checkpoint_file(path), what="a checkpoint", limit_bytes=MAX_FILE_BYTES)


def weights_sha256(weights: Mapping[str, Tensor]) -> str:
    """Return a sha256 of named weights that does not depend on their order or on a file format."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}\n".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _load(
    path: Path, preset: str | None, choice: WeightsChoice | None
) -> tuple[Family[Any], Network, Origin]:
    """See `load_model`."""
    asked = resolve_preset(preset) if preset is not None else None
    contents = read_checkpoint(path, choice)
    shapes, reasons = contents.shapes, []
    families = _possible_families(shapes)
    chosen = asked and _preset_of_one(asked, families)
    for family in [family_of(chosen)] if chosen is not None else families:
        weights = family.canonical_weights(shapes, path)
        try:
            config = family.like_file(chosen.config, weights) if chosen else family.detect(weights)
        except NotThisFamilyError as error:
            # What the file says of itself explains best why its weights are others.
            family.agreement(None, contents.settings, path)
            reasons.append(f"a {family.name}: {error}")
            continue
        assumed = dict(choice.assumed if choice else ())
        settled, told = family.settled(config, contents.settings, assumed, path)
        if chosen is not None and settled != config and not assumed:
            raise InputFileError(
                f"{shown(path)} is not preset {chosen.name}: its {printable(told.place or '')} "
                "says another network; nothing was loaded.",
                hint="leave the preset out; what the file says wrongly, say with --assume",
            )
        model = _fitting(family, settled, weights, path, chosen if settled == config else None)
        origin = origin_of(family, model, path, contents, Known(chosen, assumed, told))
        fill_strictly(
            model.to_empty(device="cpu").eval(), family.canonical_weights(contents.read(), path)
        )
        return family, model, origin
    some = printable(", ".join(list(shapes)[:4]))
    composed = any(family.parts is not None for family in families)
    backbone = f"--strip-prefix {contents.prefix}backbone takes its backbone alone"
    raise InputFileError(
        f"{shown(path)} does not hold the weights of {'; nor of '.join(reasons)}. "
        f"It holds {len(shapes)} tensors: {some}, ...",
        hint=printable(backbone) if composed else CLEAN_FILE,
    )


def _possible_families(names: Iterable[str]) -> list[Family[Any]]:
    """Those that the names tell; else, and beside them, those that may have any names."""
    told = families_told_by(names)
    if any(family.contains is not None for family in told):
        return list(told)
    alone = (family for family in FAMILIES.values() if family.contains is None)
    return [family for family in alone if not told or family in told or family.anchor is None]


def _preset_of_one(asked: Preset[Any], families: Iterable[Family[Any]]) -> Preset[Any]:
    """The preset that was asked for, or the one over it of a family that the file tells."""
    if family_of(asked) in families:
        return asked
    return next((over for family in families if (over := family.over(asked))), asked)


def _fitting(
    family: Family[Any],
    config: Any,
    weights: Mapping[str, Tensor],
    path: Path,
    chosen: Preset[Any] | None,
) -> Network:
    """The network of an architecture that weights fit, on the meta device like them.

    Shapes that a hostile file claims cost no memory before they are checked.

    Raises:
        InputFileError: they do not fit.
    """
    model = _skeleton(family, config)
    name = chosen.name if chosen is not None else family.preset_with(config)
    if diff := differences(model, weights):
        if chosen is not None:
            expected = f"preset {name}"
        else:
            resembled = f"preset {name}, which it resembles most"
            expected = resembled if name else f"the {family.name} it resembles"
        raise InputFileError(
            f"{shown(path)} does not fit {expected}; nothing was loaded.\n{diff}",
            hint=(chosen and _hint_of_other_preset(weights, chosen)) or CLEAN_FILE,
        )
    model.preset_name = name
    return model


def _hint_of_other_preset(weights: Mapping[str, Tensor], asked: Preset[Any]) -> str | None:
    family = family_of(asked)
    try:
        config = family.detect(weights)
    except NotThisFamilyError:
        return None
    name = family.preset_with(config)
    if name is not None and name != asked.name:
        return f"The shapes are those of the preset {name}."
    if name is None and not differences(_skeleton(family, config), weights):
        return f"The shapes are those of a {family.name} that is no preset: leave the preset out."
    return None


def _skeleton(family: Family[Any], config: Any) -> Network:
    """The network on the meta device: shapes without memory, and no draw of random numbers."""
    with torch.device("meta"):
        return family.build(config)
