"""Whole networks: every way that was measured or is asked for, beside the public form."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.competitors import COMPETITORS, PUBLIC, YARDSTICK
from benchmarks.gpu_check.bars import rows_by_competitor
from benchmarks.gpu_check.parts import PARTS, Command
from benchmarks.report.floors import network_floor_of
from benchmarks.report.reasons import NETWORK_GROUP, REASONS
from benchmarks.report.results import Json, Results
from vmamba_deploy.models.vmamba.presets import resolve_preset

_COMMANDS = tuple(
    each
    for part in PARTS
    for each in part.commands
    if each.arguments[:2] == ("benchmarks", "model")
)
_FLOOR_PRECISION = "fp16"


def network_rows(results: Results) -> list[Json]:
    """One row per network, batch size and way; without a time where it was not measured."""
    rows: dict[tuple[str, int, str], Json] = {}
    for command in _COMMANDS:
        preset, batch = _network_of(command)
        for row in _rows_of(results, command):
            key = (preset, batch, row["competitor"])
            if rows.get(key, {}).get("ms") is None:
                rows[key] = (
                    row | {"preset": preset, "batch": batch} | _derived(results, command, row)
                )
    places = {preset: number for number, (preset, *_) in reversed(list(enumerate(rows)))}
    return sorted(rows.values(), key=lambda row: (places[row["preset"]], -row["batch"]))


def _network_of(command: Command) -> tuple[str, int]:
    words = command.arguments
    values = {name: words[words.index(name) + 1] for name in ("--model", "--batch")}
    return resolve_preset(values["--model"]).name, int(values["--batch"])


def _rows_of(results: Results, command: Command) -> Iterator[Json]:
    """Those measured, then those asked for that have no time."""
    measured = rows_by_competitor(results.gpu, command.name)
    yield from measured.values()
    words = command.arguments
    asked = [words[place + 1] for place, word in enumerate(words) if word == "--competitor"]
    for name in (YARDSTICK, *asked):
        if name not in measured:
            precision = COMPETITORS[name].precision or _FLOOR_PRECISION
            yield {"competitor": name, "precision": precision, "ms": None}


def _derived(results: Results, command: Command, row: Json) -> Json:
    preset, batch = _network_of(command)
    has_floor = row["precision"] == _FLOOR_PRECISION
    made: Json = {
        "floor": network_floor_of(results, preset, batch) if has_floor else None,
        "images_per_s": None,
        "ms_per_image": None,
        "over_public": None,
    }
    if row["ms"] is None:
        return made
    median = row["ms"]["median"]
    public = _public_ms(results, command)
    return made | {
        "images_per_s": batch / median * 1e3,
        "ms_per_image": median / batch,
        "over_public": public / median if public else None,
    }


def _public_ms(results: Results, command: Command) -> float | None:
    """Of the public form: in the same command, else in another of the network and batch size."""
    same = [each for each in _COMMANDS if _network_of(each) == _network_of(command)]
    for each in (command, *same):
        row = rows_by_competitor(results.gpu, each.name).get(PUBLIC)
        if row:
            return float(row["ms"]["median"])
    return None


def not_measured(results: Results) -> list[str]:
    """Ways that were left out or failed, with the reason."""
    found = []
    for command in _COMMANDS:
        given = results.result(command.name)
        for word in ("absent", "failed"):
            for name, why in given.get(word, {}).items():
                found.append(f"{command.name}, {name}, {word}: {why.splitlines()[0][:200]}")
    return found


def best_row(results: Results, preset: str, batch: int) -> Json | None:
    """The fastest way of ours in half precision that agrees with float32."""
    rows = [
        row
        for row in network_rows(results)
        if (row["preset"], row["batch"]) == (preset, batch)
        and row["ms"]
        and row["precision"] == _FLOOR_PRECISION
        and row.get("agrees")
        and not row["competitor"].startswith("public")
    ]
    return min(rows, key=lambda row: float(row["ms"]["median"]), default=None)


def network_bars(results: Results) -> list[Json]:
    """What was asked of whole networks."""
    return [bar for bar in results.bars() if not bar["name"].startswith("op ")]


def network_reason(results: Results) -> str | None:
    """Why the bar at batch 128 is missed, where it is."""
    missed = any(
        bar["passed"] is False and NETWORK_GROUP.removeprefix("network ") in bar["name"]
        for bar in network_bars(results)
    )
    return REASONS.get(NETWORK_GROUP) if missed else None
