"""Who is compared: a line for each network, with what its paper says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmarks.compare.networks import Network, Preset, timm_network
from vmamba_deploy.models.catalogue import PUBLISHED

Int8 = Literal["matmuls", "convolutions"]
SIDE = 224
SIDES = (224, 384, 512, 768)
YARDSTICK = "Swin-T"


@dataclass(frozen=True)
class Contender:
    """A network of a paper.

    Attributes:
        name: in tables.
        family: networks that differ in size alone.
        network: makes it.
        top1: on ImageNet-1k, percent, one crop of 224 x 224, as published; no pre-training on more.
        source: which publication says so.
        sides: of the images that it is measured on, in pixels.
        int8: what becomes 8 bits wide: its linear layers, or the convolutions that it is made of.
    """

    name: str
    family: str
    network: Network
    top1: float
    source: str
    sides: tuple[int, ...] = (SIDE,)
    int8: Int8 = "matmuls"


_SWIN, _CONVNEXT, _DEIT = "arXiv 2103.14030", "arXiv 2201.03545", "arXiv 2012.12877"
_RESNET = "arXiv 2110.00476, A2: 300 epochs"
_REGNET = "arXiv 2012.12877, trained as DeiT"


def _ours(name: str, preset: str, sides: tuple[int, ...] = (SIDE,)) -> Contender:
    said = PUBLISHED[preset]
    family = name.partition("-")[0]
    return Contender(name, family, Preset(preset), said.top1, said.source, sides)


def _timm(
    name: str,
    timm_name: str,
    top1: float,
    source: str,
    sides: tuple[int, ...] = (SIDE,),
    *,
    int8: Int8 = "matmuls",
) -> Contender:
    network = timm_network(timm_name)
    return Contender(name, name.partition("-")[0], network, top1, source, sides, int8)


# VMamba-T, -S and -B are vmamba_tiny_s1l8, vmamba_small_s1l20 and vmamba_base_s1l20.
CONTENDERS: dict[str, Contender] = {
    contender.name: contender
    for contender in (
        _timm("Swin-T", "swin_tiny_patch4_window7_224,window_size=7", 81.3, _SWIN, SIDES),
        _timm("Swin-S", "swin_small_patch4_window7_224,window_size=7", 83.0, _SWIN),
        _timm("Swin-B", "swin_base_patch4_window7_224,window_size=7", 83.5, _SWIN),
        _ours("VMamba-T", "vmamba_tiny_s1l8", SIDES),
        _ours("VMamba-S", "vmamba_small_s1l20"),
        _ours("VMamba-B", "vmamba_base_s1l20"),
        _ours("Vim-T", "vim_tiny", SIDES),
        _ours("Vim-S", "vim_small"),
        _timm("ConvNeXt-T", "convnext_tiny", 82.1, _CONVNEXT, SIDES),
        _timm("ConvNeXt-S", "convnext_small", 83.1, _CONVNEXT),
        _timm("ConvNeXt-B", "convnext_base", 83.8, _CONVNEXT),
        _timm("DeiT-T", "deit_tiny_patch16_224", 72.2, _DEIT),
        _timm("DeiT-S", "deit_small_patch16_224", 79.8, _DEIT, SIDES),
        _timm("DeiT-B", "deit_base_patch16_224", 81.8, _DEIT),
        _timm("ResNet-50", "resnet50", 79.8, _RESNET, SIDES, int8="convolutions"),
        _timm("RegNetY-4G", "regnety_040", 80.0, _REGNET, int8="convolutions"),
        _timm("RegNetY-16G", "regnety_160", 82.9, _REGNET, int8="convolutions"),
    )
}
"""By name, the yardstick first."""
