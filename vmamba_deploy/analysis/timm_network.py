"""A network of timm's beside ours: named on the command line, built for a size of image."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmamba_deploy.artifacts.atomic import atomic_write
from vmamba_deploy.errors import BuildError, UsageError
from vmamba_deploy.extras import require_modules
from vmamba_deploy.preprocessing.specification import IMAGENET_PREPROCESSING, Preprocessing

if TYPE_CHECKING:
    from torch import Tensor

PREFIX = "timm:"
_OPSET = 20


@dataclass(frozen=True)
class TimmNetwork:
    """A network of timm's with random weights, as timm starts its training.

    Attributes:
        name: as the user wrote it, `timm:swin_tiny_patch4_window7_224,window_size=7`.
        model: timm's name of it.
        sizing: what `set_input_size` takes beside the size. Without any, the windows of a Swin grow
            with the image, a eighth of its patches a side.
    """

    name: str
    model: str
    sizing: tuple[tuple[str, int], ...] = ()
    weights = "random, as timm starts"
    random = True
    any_size = False

    @classmethod
    def parsed(cls, text: str) -> TimmNetwork:
        """Of `timm:NAME`, and maybe `,key=number` as often as wanted.

        Raises:
            UsageError: it is written otherwise, or timm knows no such network.
            EnvironmentProblem: timm is not installed.
        """
        model, *pairs = text.removeprefix(PREFIX).split(",")
        sizing = tuple(
            (key, int(value))
            for key, _, value in (pair.partition("=") for pair in pairs)
            if key.isidentifier() and value.isdecimal()
        )
        if not text.startswith(PREFIX) or not model or len(sizing) != len(pairs):
            raise UsageError(
                f"{text!r} is not a network to put beside",
                hint="for example timm:convnext_tiny or "
                "timm:swin_tiny_patch4_window7_224,window_size=7",
            )
        require_modules("timm")
        import timm

        if not timm.is_model(model):
            raise UsageError(
                f"timm has no network named {model!r}",
                hint=f"timm.list_models('{model[:4]}*') names some",
            )
        return cls(text, model, sizing)

    def build(self, size: tuple[int, int]) -> Any:
        """The network for images of (height, width), in eval mode, float32; equal at every call.

        Raises:
            UsageError: it cannot be had for such images.
        """
        import timm
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = timm.create_model(self.model, pretrained=False).eval()
        usual = tuple(network.pretrained_cfg["input_size"][1:])
        if not self.sizing and (size == usual or not hasattr(network, "set_input_size")):
            return network
        try:
            with warnings.catch_warnings():
                # Of how timm resizes weights that are random here.
                warnings.simplefilter("ignore")
                network.set_input_size(img_size=size, **dict(self.sizing))
        except (AttributeError, AssertionError, TypeError, ValueError) as error:
            raise UsageError(
                f"{self.name} cannot be had for images of {size[0]}x{size[1]}: {error}"
            ) from error
        return network

    def last_map(self, network: Any, pixel_values: Tensor) -> Tensor:
        """The last map [B, K, h, w] before the final norm.

        Raises:
            UsageError: the network tells none.
        """
        if not hasattr(network, "forward_intermediates"):
            raise UsageError(f"{self.name} has no feature maps that timm tells")
        (features,) = network.forward_intermediates(
            pixel_values, indices=1, norm=False, intermediates_only=True
        )
        found: Tensor = features
        return found

    def preprocessing(self, size: tuple[int, int]) -> Preprocessing:
        """ImageNet's, with the network's own mean and standard deviation."""
        import timm

        config: Any = timm.get_pretrained_cfg(self.model)
        usual = IMAGENET_PREPROCESSING.for_size(size)
        if config is None:
            return usual
        return replace(usual, mean=tuple(config.mean), std=tuple(config.std))

    def export(self, network: Any, size: tuple[int, int], path: Path) -> None:
        """Write it as ONNX for pixel_values [1, C, H, W].

        Raises:
            BuildError: PyTorch's exporter cannot.
        """
        import torch

        from vmamba_deploy.exporting.trace import quiet_exporter

        channels = network.pretrained_cfg["input_size"][0]
        with atomic_write(path) as temporary:
            try:
                with quiet_exporter():
                    torch.onnx.export(
                        network,
                        (torch.zeros(1, channels, *size),),
                        temporary,
                        dynamo=True,
                        opset_version=_OPSET,
                        input_names=["pixel_values"],
                        output_names=["logits"],
                        external_data=False,
                        verbose=False,
                    )
            except torch.onnx.errors.OnnxExporterError as error:
                raise BuildError(f"PyTorch cannot export {self.name} to ONNX") from error
