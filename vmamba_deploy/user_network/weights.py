"""A checkpoint's weights into a module of the user's: all of them or none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from vmamba_deploy.errors import InputFileError, UsageError, printable
from vmamba_deploy.files import shown, unchanged
from vmamba_deploy.models.checkpoints.choice import NamedWeights, WeightsChoice
from vmamba_deploy.models.checkpoints.contents import CheckpointContents
from vmamba_deploy.models.checkpoints.download import Progress, download, is_url
from vmamba_deploy.models.checkpoints.folders import checkpoint_file
from vmamba_deploy.models.checkpoints.prefixes import is_counter
from vmamba_deploy.models.checkpoints.reading import read_checkpoint
from vmamba_deploy.models.checkpoints.strict import differences, fill_strictly
from vmamba_deploy.models.loading import weights_file_sha256

_OTHER_NETWORK = (
    "the file is of another network than build() makes: build it with the arguments that it was "
    "trained with, or choose among the file's networks with --weights-key and --strip-prefix"
)


def fill_module(
    module: nn.Module, source: str, choice: WeightsChoice | None, progress: Progress | None = None
) -> tuple[str, CheckpointContents]:
    """Fill a module from a checkpoint, whose pickle is read as data.

    Counters of training are taken where the file has them. Buffers that a module does not save
    stay as it made them.

    Args:
        module: on the CPU.
        source: a path or an https URL.
        choice: which of the file's networks, where the module's names do not tell.
        progress: of a download.

    Returns:
        The sha256 of the file, and what it holds.

    Raises:
        InputFileError: the file cannot be had or read, or a weight is missing, left over or of
            another shape.
        UsageError: a choice that the file does not have.
    """
    path = download(source, progress=progress) if is_url(source) else checkpoint_file(Path(source))
    own = module.state_dict()
    asked = choice or WeightsChoice()
    if asked.assumed:
        raise UsageError("A network of your own is as its file makes it: leave --assume out.")
    with unchanged(path):
        digest = weights_file_sha256(path)
        contents = read_checkpoint(
            path, NamedWeights(asked.key, asked.prefix, wanted=frozenset(own))
        )
        counters = {name: one for name, one in own.items() if is_counter(name)}
        _check(module, {**counters, **contents.shapes}, path)
        fill_strictly(module, {**counters, **contents.read()})
    return digest, contents


def _check(module: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    own = module.state_dict()
    if diff := differences(module, weights):
        raise InputFileError(
            f"{shown(path)} does not fit the network; nothing was loaded.\n{diff}",
            hint=_OTHER_NETWORK,
        )
    for name, tensor in own.items():
        if tensor.is_floating_point() != weights[name].is_floating_point():
            raise InputFileError(
                f"{shown(path)}: {printable(name)} is {weights[name].dtype}, the network's is "
                f"{tensor.dtype}",
                hint=_OTHER_NETWORK,
            )
