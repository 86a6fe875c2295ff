"""PyTorch as a runtime: the reference that every artefact is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmamba_deploy.runtimes.base import RuntimeStatus

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import nn


class PyTorchRuntime:
    """Runs a module in eval mode on the CPU, in whatever precision its weights have."""

    name = "pytorch"

    def __init__(self, module: nn.Module) -> None:
        self._module = module

    def status(self) -> RuntimeStatus:
        """Always available: exporting needs PyTorch anyway."""
        import torch

        return RuntimeStatus(available=True, reason=f"PyTorch {torch.__version__}, CPU")

    def open(self) -> PyTorchSession:
        """A session over the module; nothing is loaded."""
        return PyTorchSession(self._module)


class PyTorchSession:
    """Calls the module under inference mode."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module

    def __call__(self, pixel_values: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        """Map pixel_values, in the layout that the module takes, to float32 logits [B,classes]."""
        import numpy as np
        import torch

        with torch.inference_mode():
            logits: torch.Tensor = self._module(torch.from_numpy(pixel_values))
        return np.asarray(logits.float().numpy())

    def close(self) -> None:
        """Nothing to give back: the module belongs to the caller."""
