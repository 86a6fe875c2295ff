"""From a weights argument - a path, an https URL or `random` - to a network."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.models.checkpoints.contents import printable
from vmamba_deploy.models.checkpoints.download import Progress, download, is_url
from vmamba_deploy.models.checkpoints.reading import file_sha256, read_checkpoint
from vmamba_deploy.models.checkpoints.strict import differences, fill_strictly, mismatch_error
from vmamba_deploy.models.vmamba.config import VMambaConfig
from vmamba_deploy.models.vmamba.creation import create_model
from vmamba_deploy.models.vmamba.detection import (
    NotVMambaError,
    detect_config,
    detect_num_classes,
    detect_outnorms,
    preset_with,
)
from vmamba_deploy.models.vmamba.dialects import canonical_weights
from vmamba_deploy.models.vmamba.network import VMamba, empty_network
from vmamba_deploy.models.vmamba.presets import resolve_preset

RANDOM = "random"


@dataclass(frozen=True)
class LoadedModel:
    """A network and where its weights come from.

    Args:
        model: in eval mode, float32, on the CPU.
        preset_name: name of the preset; None for an architecture that is not a preset.
        source: the path, the URL, or `random (seed N)`.
        sha256: of the file; for random weights, of the weights themselves.
    """

    model: VMamba
    preset_name: str | None
    source: str
    sha256: str


def load_weights(
    spec: str,
    *,
    preset: str | None = None,
    num_classes: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> LoadedModel:
    """Make a network with the weights that `spec` names.

    Args:
        spec: path of a checkpoint; an https URL, optionally with `#sha256=<hex>`; or `random`.
        preset: name or alias. A checkpoint must fit it; without it the shapes tell. Random weights
            need it.
        num_classes: of random weights; a checkpoint knows its own.
        seed: of random weights.
        progress: called during a download with the bytes so far and the total, None if unknown.

    Raises:
        UsageError: unknown preset, no preset for random weights, a URL that is not https.
        InputFileError: the file cannot be had, read or understood, or does not fit.
    """
    if spec == RANDOM:
        if preset is None:
            raise UsageError("Random weights need the name of a preset.")
        model = create_model(preset, num_classes=num_classes, seed=seed)
        digest = weights_sha256(model.state_dict())
        return LoadedModel(model, model.preset_name, f"{RANDOM} (seed {seed})", digest)
    path = download(spec, progress=progress) if is_url(spec) else Path(spec)
    digest = file_sha256(path)
    model = load_model(path, preset)
    return LoadedModel(model, model.preset_name, spec.partition("#sha256=")[0], digest)


def load_model(path: str | Path, preset: str | None = None) -> VMamba:
    """Load a checkpoint file, all of it or nothing.

    Args:
        path: safetensors, or a `torch.save` file in any published layout and naming. Its pickle is
            never executed.
        preset: name or alias that the file must fit; without it the shapes tell the architecture,
            which need not be a preset's. The number of classes is the file's in either case, and a
            file without classifier gives a backbone.

    Returns:
        The network in eval mode, float32, on the CPU.

    Raises:
        UsageError: unknown preset.
        InputFileError: the file cannot be read or understood, or does not fit.
    """
    chosen = resolve_preset(preset) if preset is not None else None
    path = Path(path)
    contents = read_checkpoint(path)
    weights = canonical_weights(contents.tensors, path)
    if chosen is not None:
        config = _config_like_file(chosen.config, weights)
        expected, hint = f"preset {chosen.name}", _hint_of_other_preset(weights, chosen.name)
    else:
        config = _detected_config(weights, path)
        name = preset_with(config)
        expected = f"preset {name}, which it resembles most" if name else "the VMamba it resembles"
        hint = None
    diff = _diff_against(config, weights)
    if diff:
        raise mismatch_error(path, expected, diff, hint)
    model = empty_network(config)
    fill_strictly(model, weights)
    model.preset_name = preset_with(config)
    if contents.class_labels and len(contents.class_labels) == config.num_classes:
        model.class_labels = contents.class_labels
    return model


def weights_sha256(weights: Mapping[str, Tensor]) -> str:
    """Return a sha256 of named weights that does not depend on their order or on a file format."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}\n".encode())
        digest.update(tensor.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _diff_against(config: VMambaConfig, weights: Mapping[str, Tensor]) -> str:
    # On the meta device: shapes that a hostile file claims cost no memory before they are checked.
    with torch.device("meta"):
        skeleton: nn.Module = VMamba(config)
    return differences(skeleton, weights)


def _detected_config(weights: Mapping[str, Tensor], path: Path) -> VMambaConfig:
    try:
        return detect_config(weights)
    except NotVMambaError as error:
        some = printable(", ".join(list(weights)[:4]))
        raise InputFileError(
            f"{path} does not hold the weights of a VMamba: {error}. It holds {len(weights)} "
            f"tensors: {some}, ..."
        ) from error


def _config_like_file(config: VMambaConfig, weights: Mapping[str, Tensor]) -> VMambaConfig:
    """The preset's architecture with the head and output norms that the file has."""
    try:
        classes = detect_num_classes(weights)
    except NotVMambaError:
        classes = config.num_classes
    return replace(config, num_classes=classes, outnorm_indices=detect_outnorms(weights))


def _hint_of_other_preset(weights: Mapping[str, Tensor], asked: str) -> str | None:
    try:
        config = detect_config(weights)
    except NotVMambaError:
        return None
    name = preset_with(config)
    if name is not None and name != asked:
        return f"The shapes are those of the preset {name}."
    if name is None and not _diff_against(config, weights):
        return "The shapes are those of a VMamba that is no preset: leave the preset out."
    return None
