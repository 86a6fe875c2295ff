"""The results that the page is made of: JSON files kept in the repository."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.gpu_check.record import SCHEMA_VERSION, write_json
from benchmarks.gpu_check.targets import judge, result_of
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
        cpu_dense: the networks for segmentation and detection on the CPU.
        cpu_vim: Vim beside a transformer on the CPU.
        comparison: networks of papers beside each other on the CPU.
        accuracy: of each trained sample, by its name.
        quantization: of networks in 8 bits, an export each.
    """

    gpu: Json | None = None
    floor: Json | None = None
    cpu_op: Json | None = None
    cpu_model: Json | None = None
    cpu_dense: Json | None = None
    cpu_vim: Json | None = None
    comparison: Json | None = None
    accuracy: Mapping[str, Json] = field(default_factory=dict)
    quantization: Json | None = None

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

    def targets(self) -> list[Json]:
        """What was asked of the times, judged from the record; unmeasured without one."""
        return judge(self.gpu or _NOTHING)


def kept_results(folder: Path = FOLDER) -> Results:
    """Read what the folder has.

    Raises:
        InputFileError: a file is not JSON.
    """
    return Results(
        gpu=read_result(folder / GPU_NAME),
        floor=read_result(folder / "network_floor.json"),
        cpu_op=read_result(folder / "cpu_op.json"),
        cpu_model=read_result(folder / "cpu_model.json"),
        cpu_dense=read_result(folder / "cpu_dense.json"),
        cpu_vim=read_result(folder / "cpu_vim.json"),
        comparison=read_result(folder / "compare.json"),
        accuracy=_accuracy(folder),
        quantization=read_result(folder / "quantization.json"),
    )


def _accuracy(folder: Path) -> dict[str, Json]:
    found = {path.stem.removeprefix("accuracy_"): path for path in folder.glob("accuracy_*.json")}
    return {name: kept for name, path in found.items() if (kept := read_result(path)) is not None}


def keep_gpu_record(path: Path, folder: Path = FOLDER) -> None:
    """Take a record of `make gpu-check` into the folder, without what the page does not show.

    Raises:
        InputFileError: it is not such a record, or that of a rehearsal.
    """
    record = read_result(path)
    known = record is not None and record.get("schema_version") == SCHEMA_VERSION
    if record is None or not known or "parts" not in record or record.get("rehearsal", True):
        raise InputFileError(
            f"{path} is not the record of a run on a GPU", hint="make gpu-check writes one"
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / GPU_NAME, slim(record))


def read_result(path: Path) -> Json | None:
    """What a file of results holds; None where there is no file.

    Raises:
        InputFileError: it holds no JSON object.
    """
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text())
    except ValueError as error:
        raise InputFileError(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InputFileError(f"{path} holds no JSON object")
    return value


def slim(record: Json) -> Json:
    """A copy: no output of what passed, accuracy as the worst of each pair of dtypes."""
    parts = {
        name: part
        | {"commands": {name: _slim_command(row) for name, row in part["commands"].items()}}
        for name, part in record["parts"].items()
    }
    library = {key: value for key, value in record.get("library", {}).items() if key != "folder"}
    made = record | {"parts": parts, "library": library}
    return made | {"bars": judge(made)}


def _slim_command(row: Json) -> Json:
    dropped = set() if row["status"] in ("failed", "timeout") else {"tail"}
    kept = {key: value for key, value in row.items() if key not in dropped}
    kept["arguments"] = [_without_folder(word) for word in row.get("arguments", [])]
    if kept.get("tests"):
        kept["tests"] = kept["tests"] | {"rows": slim_rows(kept["tests"]["rows"])}
    return kept


def _without_folder(word: str) -> str:
    """An argument without the folders of the machine that it was made on."""
    option, equals, path = word.rpartition("=")
    return f"{option}{equals}{Path(path).name}" if path.startswith("/") else word


def slim_rows(rows: Iterable[Json]) -> list[Json]:
    """Errors against float64 as one row for each pair of dtypes; other rows as they are.

    A row so made is left alone, so that a kept record can be kept again.
    """
    pairs: dict[tuple[str, str], list[Json]] = {}
    others = []
    for row in rows:
        if "relative" in row and "cases" not in row:
            pairs.setdefault((_dtype(row["x"]), _dtype(row["y"])), []).append(row)
        else:
            others.append(row)
    return others + [_worst(x, y, same) for (x, y), same in pairs.items()]


def _dtype(name: str) -> str:
    return name.removeprefix("torch.")


def _worst(x: str, y: str, rows: list[Json]) -> Json:
    """Of each error the largest of the rows; `kind` is the case with the largest relative one."""
    worst = max(rows, key=lambda row: float(row["relative"]))
    return {
        "x": x,
        "y": y,
        "cases": len(rows),
        "random": sum(row.get("kind", "").startswith("random") for row in rows),
        "failed": sum(not row.get("passed", True) for row in rows),
        **{name: max(row[name] for row in rows) for name in ("relative", "nmse", "largest")},
        "kind": worst.get("kind") or _sizes(worst),
        "equal_bits": all(row.get("equal_bits", True) for row in rows),
    }


def _sizes(row: Json) -> str:
    """Such as `2 x 28 x 28 x 192, N 1, R 12`, of a row whose case has no name."""
    dims = row.get("dims")
    if not dims:
        return "-"
    extent = " x ".join(str(dims[name]) for name in ("batch", "height", "width", "channels"))
    return f"{extent}, N {dims['state']}, R {dims['rank']}"
