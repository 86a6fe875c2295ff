"""The operators share a library, whichever of them is called first."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import torch
from vmamba_deploy.ops.selective_scan_2d.torch_op import selective_scan_2d
a, row, weight = -torch.ones(4, 1, 2), torch.ones(4, 2), torch.ones(4, 1, 2)
selective_scan_2d(torch.ones(1, 1, 1, 2), torch.ones(1, 1, 1, 12), weight, row, a, row, 1)
from vmamba_deploy.ops.multi_level_roi_align.torch_op import multi_level_roi_align
maps = [torch.ones(1, 1, 8, 8) for _ in range(4)]
print(multi_level_roi_align(*maps, torch.tensor([[[0.0, 0.0, 16.0, 16.0]]]), 2, 1).mean().item())
"""


def test_an_operator_is_defined_after_the_library_was_loaded_for_another():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "1.0"), done.stderr
