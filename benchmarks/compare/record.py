"""The comparison as a file, whole after every contender: a run can be stopped, and go on later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.compare.contenders import Contender
from benchmarks.compare.running import Asked
from benchmarks.compare.targets import judge
from benchmarks.gpu_check.record import write_json
from benchmarks.timing import spread
from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.reports.machine import cpu_model, tool_versions, usable_cores, utc_now

Json = dict[str, Any]
SCHEMA_VERSION = 1
_TOOLS = ("torch", "timm", "onnxruntime", "openvino")


class Record:
    """What was measured so far.

    Args:
        asked: how everything is measured.
        contenders: that take part, by name.
        path: of the file; None keeps it in memory alone.
        resume: keep what the file has.

    Raises:
        InputFileError: the file is not such a record.
        UsageError: it is one of another machine, or of other settings.
    """

    def __init__(
        self,
        asked: Asked,
        contenders: Mapping[str, Contender],
        path: Path | None = None,
        *,
        resume: bool = False,
    ) -> None:
        self._path = path
        about = _about(asked)
        earlier = _read(path, about) if resume and path is not None and path.is_file() else {}
        told = {
            name: {"family": each.family, "top1": each.top1, "source": each.source}
            for name, each in contenders.items()
        }
        groups = earlier.get("groups", [])
        self.value: Json = about | {"date": utc_now()[:10], "groups": groups}
        self.value["networks"] = earlier.get("networks", {}) | told
        self.value |= _in_sum(self.value)

    def has(self, network: str, side: int) -> bool:
        """Whether it was measured, and nothing failed."""
        group = self._group(network, side)
        return group is not None and not group["failed"]

    def keep(self, group: Json) -> None:
        """Put what `running.measure` gave in its place, and write the file."""
        former = self._group(group["network"], group["side"])
        groups = [each for each in self.value["groups"] if each is not former]
        self.value["groups"] = [*groups, group]
        self.value |= _in_sum(self.value)
        if self._path is not None:
            write_json(self._path, self.value)

    @property
    def failed(self) -> bool:
        """Whether a process of some group ended where it should not."""
        return any(group["failed"] for group in self.value["groups"])

    def _group(self, network: str, side: int) -> Json | None:
        wanted = network, side
        groups = self.value["groups"]
        return next((each for each in groups if (each["network"], each["side"]) == wanted), None)


def _in_sum(record: Json) -> Json:
    """What all groups together say."""
    rates = [group["multiply_adds_per_s"] for group in record["groups"]]
    busy = [group["busy_cores"] for group in record["groups"]]
    return {
        # A floor is what nothing can be faster than, so on a shared machine the best of them.
        "multiply_adds_per_s": max(rates, default=None),
        "busy_cores": spread(busy) if busy else None,
        "bars": judge(record),
    }


def _about(asked: Asked) -> Json:
    """What all groups of a record have in common."""
    return {
        "schema_version": SCHEMA_VERSION,
        "cpu": cpu_model(),
        "cores": usable_cores(),
        "tools": tool_versions(_TOOLS),
        "threads": asked.threads,
        "runtimes": list(asked.ways),
        "yardstick": asked.yardstick.name,
    }


def _read(path: Path, about: Json) -> Json:
    try:
        record = json.loads(path.read_text())
    except ValueError as error:
        raise InputFileError(f"{path} is not JSON: {error}") from error
    if not isinstance(record, dict) or "groups" not in record:
        raise InputFileError(f"{path} is not the record of a comparison")
    others = [name for name, value in about.items() if record.get(name) != value]
    if others:
        raise UsageError(
            f"{path} was measured otherwise: {', '.join(others)}",
            hint="write to another file, or leave out --resume",
        )
    return record
