"""The results that the page is made of: JSON files kept in the repository."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.gpu_check.bars import judge, result_of
from benchmarks.gpu_check.record import SCHEMA_VERSION
from benchmarks.json_file import write_json
from benchmarks.report.kept_record import slim
from vmamba_deploy.errors import InputFileError

Json = dict[str, Any]
FOLDER = Path(__file__).resolve().parents[1] / "results"
GPU_NAME = "gpu_check.json"
_NOTHING: Json = {"rehearsal": False, "parts": {}}


@dataclass(frozen=True)
class Results:
    """What was measured or computed; None where there is none yet.

    Attributes:
        gpu: the record of `make gpu-check`.
        floor: the network's floor, layer by layer.
        cpu_op: the op on the CPU.
        cpu_model: the network on the CPU.
    """

    gpu: Json | None = None
    floor: Json | None = None
    cpu_op: Json | None = None
    cpu_model: Json | None = None

    def result(self, command: str) -> Json:
        """What a benchmark of the GPU check gave, {} where it gave nothing."""
        return result_of(self.gpu, command)

    def tests(self, command: str) -> Json:
        """Counts and rows of a pytest run of the GPU check, {} where it gave nothing."""
        for part in (self.gpu or _NOTHING)["parts"].values():
            found: Json = part["commands"].get(command, {}).get("tests") or {}
            if found:
                return found
        return {}

    def bars(self) -> list[Json]:
        """What was asked of the times, judged from the record; unmeasured without one."""
        return judge(self.gpu or _NOTHING)


def kept_results(folder: Path = FOLDER) -> Results:
    """Read what the folder has.

    Raises:
        InputFileError: a file is not JSON.
    """
    return Results(
        gpu=_read(folder / GPU_NAME),
        floor=_read(folder / "network_floor.json"),
        cpu_op=_read(folder / "cpu_op.json"),
        cpu_model=_read(folder / "cpu_model.json"),
    )


def keep_gpu_record(path: Path, folder: Path = FOLDER) -> None:
    """Take a record of `make gpu-check` into the folder, without what the page does not show.

    Raises:
        InputFileError: it is not such a record, or that of a rehearsal.
    """
    record = _read(path)
    known = record is not None and record.get("schema_version") == SCHEMA_VERSION
    if record is None or not known or "parts" not in record or record.get("rehearsal", True):
        raise InputFileError(
            f"{path} is not the record of a run on a GPU", hint="make gpu-check writes one"
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / GPU_NAME, slim(record))


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
