"""PyTorch in fp32 beside an artefact that is evaluated, in this process or on a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmamba_deploy.tasks.classification import LOGITS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from vmamba_deploy.evaluation.scorer import Network


@dataclass(frozen=True)
class PyTorchReference:
    """Opens PyTorch in fp32 with the weights that an ONNX file was exported from.

    Attributes:
        onnx_file: of the artefact.
        weights: where they are now; None: where the file says.
        threads: of PyTorch; 0 leaves the number to it.
    """

    onnx_file: Path
    weights: str | None = None
    threads: int = 0

    def __call__(self) -> Network:
        """The network, from the artefact's own input to float32 logits [B, K].

        Raises:
            InputFileError: the weights are gone, or are others than those of the artefact.
        """
        import torch

        from vmamba_deploy.exporting.onnx_model import OnnxModel
        from vmamba_deploy.pipeline.parity import load_reference, network
        from vmamba_deploy.runtimes.pytorch import PyTorchSession

        if self.threads:
            torch.set_num_threads(self.threads)
        facts = OnnxModel.read(self.onnx_file)
        session = PyTorchSession(network(facts, load_reference(facts, self.weights), "fp32"))

        def run(pixel_values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
            return session(pixel_values)[LOGITS]

        return run
