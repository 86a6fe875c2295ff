"""The results that the page is made of: JSON files kept in the repository."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.gpu_check.context import write_json
from vmamba_deploy.errors import InputFileError

Json = dict[str, Any]
FOLDER = Path(__file__).resolve().parents[1] / "results"
GPU_NAME = "gpu_check.json"


@dataclass(frozen=True)
class Results:
    """What was measured or computed; None where there is none yet.

    Attributes:
        gpu: the record of `make gpu-check`.
        kernel_model: predicted times of the CUDA kernels at the judged shapes.
        predicted_resolutions: predicted cost per pixel over image sizes.
        floor: the network's floor, layer by layer.
        cpu_op: the op on the CPU.
        cpu_model: the network on the CPU.
    """

    gpu: Json | None = None
    kernel_model: Json | None = None
    predicted_resolutions: Json | None = None
    floor: Json | None = None
    cpu_op: Json | None = None
    cpu_model: Json | None = None

    def stage(self, name: str) -> Json:
        """The result of a stage of the GPU check, {} where it has none."""
        entry = self.gpu["stages"].get(name, {}) if self.gpu else {}
        result: Json = entry.get("result") or {}
        return result


def kept_results(folder: Path = FOLDER) -> Results:
    """Read what the folder has.

    Raises:
        InputFileError: a file is not JSON.
    """
    return Results(
        gpu=_read(folder / GPU_NAME),
        kernel_model=_read(folder / "kernel_times_predicted.json"),
        predicted_resolutions=_read(folder / "resolutions_predicted.json"),
        floor=_read(folder / "network_floor.json"),
        cpu_op=_read(folder / "cpu_op.json"),
        cpu_model=_read(folder / "cpu_model.json"),
    )


def keep_gpu_record(path: Path, folder: Path = FOLDER) -> None:
    """Take a record of `make gpu-check` into the folder.

    Raises:
        InputFileError: it is not such a record, or that of a rehearsal.
    """
    record = _read(path)
    if record is None or "stages" not in record or record.get("rehearsal", True):
        raise InputFileError(
            f"{path} is not the record of a run on a GPU", hint="make gpu-check writes one"
        )
    write_json(folder / GPU_NAME, record)


def _read(path: Path) -> Json | None:
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text())
    except ValueError as error:
        raise InputFileError(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InputFileError(f"{path} holds no JSON object")
    return value
