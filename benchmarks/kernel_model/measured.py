"""What `make gpu-check` measured, to stand beside the predictions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from vmamba_deploy.errors import InputFileError


@dataclass(frozen=True)
class Measured:
    """Medians of the op with its projections in one run on one GPU."""

    gpu: str
    total_us: dict[tuple[str, int], float]  # by the shape's name and the batch


def read_measured(path: Path) -> Measured:
    """The stages `environment` and `op_timing` of a record of `make gpu-check`.

    Raises:
        InputFileError: the file has no such stages.
    """
    try:
        stages = json.loads(path.read_text())["stages"]
        rows = stages["op_timing"]["result"]["rows"]
        gpu = stages["environment"]["result"]["gpu"]["name"]
        times = {
            (row["shape"], int(row["batch"])): float(row["times_us"]["ours"]["median"])
            for row in rows
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputFileError(
            f"{path} has no timings of the op: {type(error).__name__} {error}",
            hint="make gpu-check writes such a file on a machine with a GPU",
        ) from error
    return Measured(gpu, times)


def same_gpu(measured: str, modelled: str) -> bool:
    """Whether the device's own name ("NVIDIA H100 80GB HBM3") is of a modelled one ("H100 SXM")."""
    words = [word for word in modelled.replace("-", " ").split() if any(map(str.isdigit, word))]
    return bool(words) and words[0].lower() in measured.lower()
