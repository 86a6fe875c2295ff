"""A measurement of latencies as data. The JSON file of `vmamba-deploy bench` has the same names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vmamba_deploy.precisions import PrecisionName
from vmamba_deploy.reports.evaluation_views.view import MadeWith
from vmamba_deploy.runtimes.profiles import Profile
from vmamba_deploy.timing.latencies import Latency


@dataclass(frozen=True, kw_only=True)
class BenchReport:
    """What a report of `vmamba-deploy bench` tells.

    Version 1.0. A field may be added within version 1; a change of meaning raises the first number.

    Attributes:
        network: name of the preset; of another network the folder's or file's.
        precision: of the file.
        onnx_sha256: of the file.
        command: that measures the same again.
        rounds, seconds: each runtime had at least so many turns and so long at each batch size.
        warmup: calls of each stream before the first round.
        threads: of each runtime; 0 for its own choice.
        latencies: of each batch size; the first runtime of each is what speed-ups are over.
        skipped: the reason of each runtime that was left out, some of them at one batch size.
        profiles: where the time of calls goes, where that was asked for.
        unprofiled: the reason of each runtime without a profile.
        created: UTC time, ISO 8601.
        gpus: of the machine, as the driver names them.
    """

    schema_version: Literal["1.0"] = "1.0"
    network: str
    precision: PrecisionName
    onnx_sha256: str
    command: str
    rounds: int
    seconds: float
    warmup: int
    threads: int
    latencies: tuple[Latency, ...]
    skipped: dict[str, str]
    profiles: tuple[Profile, ...]
    unprofiled: dict[str, str]
    created: str
    made_with: MadeWith
    gpus: tuple[str, ...]
