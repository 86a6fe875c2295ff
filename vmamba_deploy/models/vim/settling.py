"""What shapes do not tell of a Vim: as the user says, else the file, else as published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.files import shown
from vmamba_deploy.models.family import Agreement
from vmamba_deploy.models.vim.config import ClassToken, VimConfig
from vmamba_deploy.models.vim.detection import square_grid
from vmamba_deploy.models.vim.said import Said, said_by_file, said_by_user

if TYPE_CHECKING:
    from vmamba_deploy.models.checkpoints.settings import Settings


def settled(
    config: VimConfig, settings: Sequence[Settings], assumed: Mapping[str, str], path: Path
) -> tuple[VimConfig, Agreement]:
    """See `Family.settled`."""
    by_user, by_file = said_by_user(assumed), said_by_file(settings, config.patch)
    if by_user.class_token is not None and not _has_one_token(config):
        raise UsageError(
            f"class-token={by_user.class_token} cannot be assumed: by its weights the network has "
            f"its class token {config.class_token}."
        )
    said, notes = by_user.over(by_file), []
    placed = _placed(config, said)
    if placed is None:
        placed = _placed(config, by_user)
        if by_file.image_size is not None:
            height, width = by_file.image_size
            notes.append(
                f"the file says {height}x{width} pixels, which its {config.patches} patches do not "
                "fit: they are taken for a square"
            )
    if placed is None:
        error = UsageError if by_user.image_size or by_user.stride else InputFileError
        raise error(
            f"{shown(path)} has positions for {config.patches} patches of {config.patch} pixels, "
            "of which nothing that is known of it makes an image.",
            hint="say its size, --assume image-size=HEIGHTxWIDTH, and where patches overlap "
            "--assume stride=PIXELS",
        )
    notes += _unsaid(placed, said)
    place = None if assumed else by_file.place
    return _computing(placed, said), Agreement(place, tuple(notes))


def _has_one_token(config: VimConfig) -> bool:
    return config.class_token in (ClassToken.MIDDLE, ClassToken.FIRST)


def _computing(config: VimConfig, said: Said) -> VimConfig:
    """With what is said of its arithmetic."""
    one = _has_one_token(config)
    return replace(
        config,
        class_token=said.class_token if one and said.class_token else config.class_token,
        divide_out=config.divide_out if said.divide_out is None else said.divide_out,
        pooling=said.pooling or config.pooling,
        norm_eps=said.norm_eps or config.norm_eps,
    )


def _placed(config: VimConfig, said: Said) -> VimConfig | None:
    """With the grid and the stride that are said; None where the patches do not fit them.

    Of a size alone the stride follows: the one that the network has, else the largest that fits.
    """
    if said.image_size is None:
        grid = square_grid(config.patches)
        stride = said.stride or config.stride
        return None if grid is None else replace(config, grid=grid, stride=stride)
    height, width = (side - config.patch for side in said.image_size)
    strides = [said.stride] if said.stride else [config.stride, *range(config.patch, 0, -1)]
    for stride in strides:
        if height % stride or width % stride or min(height, width) < 0:
            continue
        grid = height // stride + 1, width // stride + 1
        if grid[0] * grid[1] == config.patches:
            return replace(config, grid=grid, stride=stride)
    return None


def _unsaid(config: VimConfig, said: Said) -> list[str]:
    """A sentence of what nobody says; the name of a published network says all."""
    if said.place is not None:
        return []
    read = config.class_token is ClassToken.NONE
    facts = (
        ("the place of the class token", _has_one_token(config), said.class_token),
        ("what is read of the tokens", read, said.pooling),
        ("whether the sum of both directions is halved", True, said.divide_out),
        ("the stride of its patches", True, said.stride or said.image_size),
        ("the epsilon of its norms", True, said.norm_eps),
    )
    unsaid = [what for what, matters, value in facts if matters and value is None]
    computed = (
        f"class token {config.class_token}, {'' if config.divide_out else 'not '}halved, stride "
        f"{config.stride}, epsilon {config.norm_eps:g}"
    )
    if not unsaid:
        return []
    return [f"the file does not say {', '.join(unsaid)}; taken as published ({computed}): --assume"]
