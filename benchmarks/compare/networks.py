"""What a contender is made from: a preset of ours, or any network of PyTorch. Weights are random.

Both are traced by the exporter of this project, for images of one size and a free batch, so that no
network has another way to its file than its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import nn

# Of torchvision's compiled ops those whose shapes it registers whether or not they are there.
_TORCHVISION_OPS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_LIBRARIES: list[Any] = []


class Network(Protocol):
    """A network that can be made for square images."""

    def module(self, side: int) -> nn.Module:
        """It in float32, eval mode: images [B,3,side,side] to logits [B,classes]."""
        ...

    def write(self, path: Path, side: int) -> None:
        """Export it to an ONNX file."""
        ...


@dataclass(frozen=True)
class Preset:
    """A preset of this project, with one node of ours for each scan."""

    name: str

    def module(self, side: int) -> nn.Module:
        """See `Network`."""
        from vmamba_deploy.models import load_weights

        loaded = load_weights("random", preset=self.name)
        return loaded.family.for_size(loaded.model, (side, side)).eval()

    def write(self, path: Path, side: int) -> None:
        """See `Network`."""
        from vmamba_deploy.exporting.onnx_file import export_onnx
        from vmamba_deploy.exporting.options import ExportOptions
        from vmamba_deploy.models import load_weights

        loaded = load_weights("random", preset=self.name)
        export_onnx(loaded, path, ExportOptions(image_size=side))


@dataclass(frozen=True)
class Plain:
    """A network of standard ops.

    Attributes:
        make: it, for images of a side.
    """

    make: Callable[[int], nn.Module]

    def module(self, side: int) -> nn.Module:
        """See `Network`."""
        return without_constants(self.make(side).eval())

    def write(self, path: Path, side: int) -> None:
        """See `Network`."""
        import onnx_ir as ir

        from vmamba_deploy.artifacts.atomic import atomic_write
        from vmamba_deploy.exporting.options import ExportOptions
        from vmamba_deploy.exporting.passes import DropSourceTraces, NameLinearWeights
        from vmamba_deploy.exporting.trace import trace
        from vmamba_deploy.tasks import CLASSIFICATION

        model = trace(self.module(side), ExportOptions(image_size=side), CLASSIFICATION)
        ir.passes.Sequential(DropSourceTraces(), NameLinearWeights())(model)
        with atomic_write(path) as partial:
            ir.save(model, partial)


def without_constants(network: nn.Module) -> nn.Module:
    """The network itself, with other numbers where a fresh one has zeros or ones alone.

    An exporter or a runtime folds such biases, scales and statistics away; those of a trained
    network it cannot.
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for each in (*network.parameters(), *network.buffers()):
            if each.is_floating_point() and each.numel() and (each == each.flatten()[0]).all():
                each.uniform_(0.5, 1.5, generator=generator)
    return network


def timm_network(name: str) -> Plain:
    """A network of timm, `swin_tiny_patch4_window7_224,window_size=7`: see `TimmNetwork`."""

    def make(side: int) -> nn.Module:
        from vmamba_deploy.analysis.timm_network import PREFIX, TimmNetwork

        declare_torchvision_ops()
        network: nn.Module = TimmNetwork.parsed(f"{PREFIX}{name}").build((side, side))
        return network

    return Plain(make)


def declare_torchvision_ops() -> None:
    """Let a torchvision for CUDA be imported beside a PyTorch for the CPU.

    Its compiled ops do not load there, and it stops where it registers the shapes of two of them.
    No network of timm calls one.
    """
    if find_spec("torchvision") is None:
        return
    try:
        import torchvision  # noqa: F401 - whether it can be imported
    except RuntimeError:
        import torch

        library = torch.library.Library("torchvision", "FRAGMENT")
        for schema in _TORCHVISION_OPS:
            library.define(schema)
        _LIBRARIES.append(library)  # what it declares lives as long as it
