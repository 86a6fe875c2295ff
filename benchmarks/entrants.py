"""What the competitors of a whole-network comparison share: the network, its file, the images."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchmarks.interleaving import Call
from benchmarks.networks import REHEARSED, network

if TYPE_CHECKING:
    import torch

    from vmamba_deploy.models import LoadedModel, VMamba
    from vmamba_deploy.runtimes.base import Runtime


class Absent(Exception):  # noqa: N818 - nothing is wrong: the machine lacks it
    """The competitor cannot run here; the text says why."""


@dataclass
class Entrants:
    """What the competitors share: the network, its file and the images.

    Attributes:
        device: `cpu`, in float32, or `cuda`, in fp16.
    """

    preset: str
    batch: int
    threads: int
    device: str
    folder: Path
    image_side: int = 224
    open_sessions: list[Any] = field(default_factory=list)

    @property
    def precision(self) -> str:
        """fp16 on a GPU, where it is what is deployed; fp32 on a CPU."""
        return "fp16" if self.device == "cuda" else "fp32"

    @cached_property
    def loaded(self) -> LoadedModel:
        """The preset with random weights."""
        from vmamba_deploy.models import LoadedModel, load_weights

        if self.preset_name == REHEARSED:
            model = network(REHEARSED, "cpu")
            return LoadedModel(model, None, source="random", sha256="")
        return load_weights("random", preset=self.preset_name)

    @property
    def preset_name(self) -> str:
        """The preset's full name, or that of the network of rehearsals."""
        from vmamba_deploy.models import resolve_preset

        return REHEARSED if self.preset == REHEARSED else resolve_preset(self.preset).name

    @cached_property
    def full(self) -> VMamba:
        """The network in float32 on the device of the run."""
        import torch

        from vmamba_deploy.models import freeze_scan_parameters

        network = copy.deepcopy(self.loaded.model)
        freeze_scan_parameters(network)
        # Convolutions then take and give channels last, as all layers between them do.
        return network.to(self.device, memory_format=torch.channels_last)

    @cached_property
    def model(self) -> VMamba:
        """The network in the precision and on the device of the run."""
        from vmamba_deploy.models import convert_precision

        return convert_precision(self.full, self.precision)

    @cached_property
    def onnx_file(self) -> Path:
        """The exported file."""
        from vmamba_deploy.export import ExportOptions, export_onnx

        path = self.folder / "model.onnx"
        options = ExportOptions(precision=self.precision, image_size=self.image_side)
        export_onnx(self.loaded, path, options)
        return path

    @cached_property
    def images(self) -> npt.NDArray[np.float32]:
        """Noise [batch, 3, side, side]."""
        shape = (self.batch, 3, self.image_side, self.image_side)
        return np.random.default_rng(0).normal(size=shape).astype(np.float32)

    @cached_property
    def tensor(self) -> torch.Tensor:
        """The images on the device."""
        import torch

        return torch.from_numpy(self.images).to(self.device)

    def torch_call(self, module: Callable[[torch.Tensor], object]) -> Call:
        """A forward pass of a module, ended before it returns."""
        import torch

        def call() -> object:
            with torch.inference_mode():
                result = module(self.tensor)
            if self.device == "cuda":
                torch.cuda.synchronize()
            return result

        return call

    def autocast_call(self, module: Callable[[torch.Tensor], object]) -> Call:
        """The same under PyTorch's automatic mixed precision, as the public code evaluates."""
        import torch

        def with_amp(pixel_values: torch.Tensor) -> object:
            with torch.autocast(self.device, dtype=torch.float16):
                return module(pixel_values)

        return self.torch_call(with_amp)

    def graph_call(self, module: Callable[[torch.Tensor], object]) -> Call:
        """The same as the replay of a CUDA graph."""
        import torch

        from benchmarks.gpu.timing import captured

        kept: list[object] = []

        def forward() -> None:
            kept[:] = [module(self.tensor)]

        with torch.inference_mode():
            replay = captured(forward, times=1)

        def call() -> object:
            replay()
            torch.cuda.synchronize()
            return kept[0]

        return call

    def runtime_call(self, runtime: Runtime) -> Call:
        """A forward pass of one of the project's runtimes.

        Raises:
            Absent: it cannot run here.
        """
        status = runtime.status()
        if not status.available:
            raise Absent(status.reason)
        session = runtime.open()
        self.open_sessions.append(session)
        return lambda: session(self.images)["logits"]

    @cached_property
    def expected(self) -> torch.Tensor:
        """Logits of the first images in float32 by plain tensor operations."""
        import torch

        from benchmarks.network_parity import expected_logits

        with torch.inference_mode():
            return expected_logits(self.full, self.tensor)

    def close(self) -> None:
        """End the sessions."""
        for session in self.open_sessions:
            session.close()
