"""Every preset with its task, image size and published accuracy. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vmamba_deploy.models.families import FAMILIES

_VMAMBA = "arXiv 2401.10166 and its repository"
_VIM = "arXiv 2401.09417 and its repository"


@dataclass(frozen=True)
class Published:
    """What the authors report of a preset's weights.

    Attributes:
        top1: percent of the 50,000 validation images of ImageNet-1K, at 224 x 224, one crop.
        source: where it is said.
    """

    top1: float
    source: str


PUBLISHED: Mapping[str, Published] = {
    name: Published(top1, source)
    for source, figures in (
        (
            # github.com/MzeroMiko/VMamba, of PyTorch in mixed precision
            _VMAMBA,
            {
                "vmamba_tiny_s1l8": 82.6,
                "vmamba_small_s1l20": 83.3,
                "vmamba_base_s1l20": 83.8,
                "vmamba_tiny_s2l5": 82.5,
                "vmamba_small_s2l15": 83.6,
                "vmamba_base_s2l15": 83.9,
                "vanilla_vmamba_tiny": 82.2,
                "vanilla_vmamba_small": 83.5,
                "vanilla_vmamba_base": 83.7,
            },
        ),
        (
            # github.com/hustvl/Vim
            _VIM,
            {
                "vim_tiny": 76.1,
                "vim_tiny_stride8": 78.3,
                "vim_small": 80.5,
                "vim_small_stride8": 81.6,
                "vim_base": 81.9,
            },
        ),
    )
    for name, top1 in figures.items()
}
"""Of the presets that the project has a published figure of; measured by nobody here."""


@dataclass(frozen=True)
class Listed:
    """A preset, as `vmamba-deploy models` shows it.

    Attributes:
        name: of the preset.
        aliases: shorter names.
        family: for people.
        task: that it is made for.
        image_size: (height, width) that an export takes where nothing else is said, in pixels.
        channels: of an image.
        num_classes: of the published weights.
        published: None where the project holds no figure.
    """

    name: str
    aliases: tuple[str, ...]
    family: str
    task: str
    image_size: tuple[int, int]
    channels: int
    num_classes: int
    published: Published | None


def catalogue() -> list[Listed]:
    """Every preset, family by family."""
    return [
        Listed(
            name=preset.name,
            aliases=tuple(short for short, full in family.aliases.items() if full == preset.name),
            family=family.name,
            task=family.tasks[0],
            image_size=preset.preprocessing.crop_pixels,
            channels=preset.preprocessing.channels,
            num_classes=preset.config.num_classes,
            published=PUBLISHED.get(preset.name),
        )
        for family in FAMILIES.values()
        for preset in family.presets.values()
    ]
