"""What a stage is given, and how it gives back."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vmamba_deploy.artifacts.atomic import atomic_write
from vmamba_deploy.native.layout import NATIVE_DIR_VARIABLE

Json = dict[str, Any]


class StageSkippedError(Exception):
    """This machine lacks what the stage needs; the text says what."""


def write_json(path: Path, value: object) -> None:
    """Write a JSON file that appears whole or not at all."""
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(value, indent=1) + "\n")


@dataclass
class StageContext:
    """One run of one stage.

    Attributes:
        device: `cuda`, or `cpu` in a rehearsal.
        folder: where the run's files go.
        deadline: `time.monotonic()` at which the stage is stopped.
        earlier: records of the stages before it.
    """

    device: str
    folder: Path
    deadline: float
    result_path: Path
    earlier: Mapping[str, Json] = field(default_factory=dict)

    @property
    def rehearsal(self) -> bool:
        """Whether tiny sizes on the CPU stand in for the real ones."""
        return self.device == "cpu"

    def seconds_left(self) -> float:
        """Until the stage is stopped."""
        return self.deadline - time.monotonic()

    def save(self, result: Json) -> None:
        """Keep what is there so far: a stage that is stopped later loses only the rest."""
        write_json(self.result_path, result)

    def built_library(self) -> dict[str, str]:
        """The variable under which a process finds what `build` made, without asking compilers."""
        return {NATIVE_DIR_VARIABLE: str(Path(self.result_of("build")["library"]).parent)}

    def result_of(self, stage: str) -> Json:
        """The result of an earlier stage, {} if it has none."""
        result: Json = self.earlier.get(stage, {}).get("result") or {}
        return result
