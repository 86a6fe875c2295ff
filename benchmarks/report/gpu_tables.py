"""Rows of the page's other tables about a GPU, from the record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.competitors import COMPETITORS, PUBLIC, YARDSTICK
from benchmarks.gpu_check.parts import PARTS, Command
from benchmarks.gpu_check.targets import rows_by_competitor
from benchmarks.op_shapes import OP_SHAPES
from benchmarks.report.op_table import network_floor_of, op_rows
from benchmarks.report.reasons import NETWORK_GROUP, REASONS, SANITIZER_REASON
from benchmarks.report.results import Json, Results, slim_rows
from vmamba_deploy.models import resolve_preset

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


def network_targets(results: Results) -> list[Json]:
    """What was asked of whole networks."""
    return [target for target in results.targets() if not target["name"].startswith("op ")]


def network_reason(results: Results) -> str | None:
    """Why the target at batch 128 is missed, where it is."""
    missed = any(
        target["passed"] is False and NETWORK_GROUP.removeprefix("network ") in target["name"]
        for target in network_targets(results)
    )
    return REASONS.get(NETWORK_GROUP) if missed else None


_TESTS = tuple(each.name for part in PARTS for each in part.commands if not each.measures)
# The calls that `benchmarks.gpu.device_calls profiled` makes, in their order.
PROFILED = tuple(
    (OP_SHAPES[shape].name, batch) for shape, batch in ((0, 128), (3, 128), (6, 128), (0, 1))
)
_STALLED = "stalled: "
# Of ncu, which chooses a unit by the size of the numbers.
_MICROSECONDS = {"ns": 1e-3, "us": 1.0, "ms": 1e3}
_GIGAHERTZ = {"hz": 1e-9, "khz": 1e-6, "mhz": 1e-3, "ghz": 1.0}
_LIMITS = ("registers", "shared_mem", "barriers")


def part_rows(results: Results) -> list[Json]:
    """Every part of the check in its order, run or not."""
    found = (results.gpu or {"parts": {}})["parts"]
    nothing = {"status": "not run yet", "seconds": None, "reason": None}
    rows = [
        nothing | found.get(part.name, {}) | {"name": part.name, "summary": part.summary}
        for part in PARTS
    ]
    ended = "the run was ended before it was done"
    return [row | {"reason": ended} if row["status"] == "stopped" else row for row in rows]


def other_commits(results: Results) -> dict[str, list[str]]:
    """Commits that are not the record's own -> the parts that ran at them."""
    commits: dict[str, list[str]] = {}
    for name, part in (results.gpu or {"parts": {}})["parts"].items():
        commit = part.get("commit")
        if results.gpu and commit and commit != results.gpu["commit"]:
            commits.setdefault(commit, []).append(name)
    return commits


def accuracy_rows(results: Results) -> list[Json]:
    """The worst errors of each pair of dtypes."""
    return [row for row in slim_rows(results.tests("accuracy").get("rows", [])) if "cases" in row]


def test_rows(results: Results) -> list[Json]:
    """Counts of every pytest run; a run that is not there has none."""
    return [{"name": name} | _counts(results.tests(name)) for name in _TESTS]


def _counts(tests: Json) -> Json:
    counts = {key: tests.get(key) for key in ("passed", "failed", "skipped")}
    failures = [_first_line(text) for text in tests.get("failures", [])]
    errors = [row["relative"] for row in tests.get("rows", []) if "relative" in row]
    return counts | {"failures": failures, "relative": max(errors, default=None)}


def _first_line(text: str) -> str:
    """The test, and the start of its message where that is no plain assertion."""
    test = text.partition(": AssertionError")[0]
    return " ".join(test.split("\n")[0].replace("|", "/").split())[:160]


def sanitizer_rows(results: Results) -> list[Json]:
    """What each tool of compute-sanitizer found."""
    rows = results.tests("sanitizer").get("rows", [])
    return [
        {
            "tool": row["tool"],
            "ways": len(row.get("ways", [])),
            "errors": row["errors"],
            "chained": row.get("chained", row.get("hand_overs", 0)),
        }
        for row in rows
        if "tool" in row
    ]


def sanitizer_reason(results: Results) -> str | None:
    """What stands under the table where a tool reported something about chains of warps."""
    rows = sanitizer_rows(results)
    return SANITIZER_REASON if any(row["chained"] for row in rows) else None


def sequence_rows(results: Results) -> list[Json]:
    """One row for each sequence and batch size that was timed."""
    return [
        {
            "sequence": row["sequence"],
            "routes": len(row["dims"]["routes"]),
            "batch": row["batch"],
            "op_alone": row["times_us"]["op_alone"],
            "floor": row["floor_us"]["larger"],
            "over_floor": row["times_us"]["op_alone"]["median"] / row["floor_us"]["larger"],
            "four_routes_over_op": row["four_routes_over_op"],
        }
        for row in results.result("sequences").get("rows", [])
    ]


def counter_rows(results: Results) -> list[Json]:
    """A row for each launch, with the call that it belongs to where that can be told."""
    launches = results.result("counters").get("rows", [])
    calls = _calls_of(results, len(launches))
    return [
        {
            "call": call,
            "kernel": row["kernel"].split("(")[0].removeprefix("void "),
            "us": _number(row, "duration", _MICROSECONDS),
            "clock_ghz": _number(row, "clock", _GIGAHERTZ),
            "per_clock": _number(row, "instructions per clock"),
            **{name: _number(row, f"{name} %") for name in ("occupancy", "memory")},
            "special": _number(row, "special functions %"),
            "stalls": _stalls(row),
            "limits": [_whole(row, f"blocks by {name}") for name in _LIMITS],
        }
        for row, call in zip(launches, calls, strict=True)
    ]


def _calls_of(results: Results, launches: int) -> list[str]:
    """The call of each launch: one launch where a map is not cut, the rest where one is."""
    plans = {(row["shape"], row["batch"]): row["segments"] for row in op_rows(results)}
    cut = [call for call in PROFILED if plans[call] != 1]
    if len(cut) > 1 or launches < len(PROFILED) or (not cut and launches > len(PROFILED)):
        return ["-"] * launches
    names: list[str] = []
    for shape, batch in PROFILED:
        count = launches - len(PROFILED) + 1 if (shape, batch) in cut else 1
        names += [f"{shape} batch {batch}"] * count
    return names


def _number(row: Json, name: str, units: Mapping[str, float] | None = None) -> float | None:
    """A counter, times the factor of its unit where it is to have another."""
    text = row.get(name)
    if not text:
        return None
    value, _, unit = text.partition(" ")
    return float(value.replace(",", "")) * (units or {}).get(unit.lower(), 1.0)


def _whole(row: Json, name: str) -> str:
    value = _number(row, name)
    return "-" if value is None else f"{value:.0f}"


def _stalls(row: Json) -> str:
    """The three reasons for which warps wait longest."""
    found = {name: _number(row, name) or 0.0 for name in row if name.startswith(_STALLED)}
    largest = sorted(found, key=lambda name: -found[name])[:3]
    return ", ".join(
        f"{name.removeprefix(_STALLED).replace('_', ' ')} {found[name]:.2f}" for name in largest
    )


def resolution_rows(rows: Sequence[Json]) -> list[Json]:
    """The rows with a full batch, each with the cost of a single image beside it."""
    single = {
        (row["height"], row["width"]): row["ns_per_pixel"] for row in rows if row["batch"] == 1
    }
    return [
        row | {"single": single.get((row["height"], row["width"]))}
        for row in rows
        if row["full_batch"]
    ]
