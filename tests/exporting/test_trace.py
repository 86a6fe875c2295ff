"""What PyTorch cannot export is told in one sentence of ours."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vmamba_deploy.errors import BuildError
from vmamba_deploy.exporting.options import ExportOptions
from vmamba_deploy.exporting.trace import trace
from vmamba_deploy.tasks import CLASSIFICATION


class Branching(nn.Module):
    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        return pixel_values if pixel_values.sum() > 0 else -pixel_values


class Raising(nn.Module):
    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("\x1b[31mno such thing\x1b[0m\nand more of it")


@pytest.mark.parametrize(
    ("module", "words"),
    [(Branching(), "ata-dependent"), (Raising(), "RuntimeError: no such thing")],
)
def test_a_failure_is_one_line_and_nothing_on_the_console(module, words, capfd):
    with pytest.raises(BuildError, match="PyTorch could not export the model to ONNX: ") as failed:
        trace(module, ExportOptions(image_size=32), CLASSIFICATION)
    assert words in failed.value.message
    assert "more of it" not in failed.value.message
    assert "\n" not in failed.value.message
    assert failed.value.message.isprintable()
    assert capfd.readouterr() == ("", "")
