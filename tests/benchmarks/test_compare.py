"""The comparison: everything takes turns, a run can be stopped and goes on, targets are judged."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks.__main__ import main
from benchmarks.compare import comparison, turns
from benchmarks.compare.contenders import CONTENDERS, Contender
from benchmarks.compare.files import Files
from benchmarks.compare.record import Record
from benchmarks.compare.running import FP32, INT8, Asked, Cell, rows_beside
from benchmarks.compare.targets import INT8_RATIO, OPENVINO_RATIO, judge
from benchmarks.compare.text import bars_text, group_text
from benchmarks.compare.turns import LEAST_ROUNDS, MOST_ROUNDS, take_turns
from benchmarks.compare.ways import ONNXRUNTIME, ways
from tests.benchmarks.compare_stand_ins import MICRO, RESIDUAL, SIDE, STAND_INS, TOKENS
from vmamba_deploy.errors import InputFileError, UsageError

Json = dict[str, Any]
ASKED = Asked(
    ways=(ONNXRUNTIME,),
    precisions=(FP32, INT8),
    batches=(1, 2),
    sides=(SIDE, 2 * SIDE),
    threads=1,
    seconds=0.01,
    yardstick=TOKENS,
)


@dataclass(frozen=True)
class Broken:
    """Its file is none."""

    def module(self, side: int) -> Any:
        return TOKENS.network.module(side)

    def write(self, path: Path, side: int) -> None:
        path.write_text("no model")


BROKEN = Contender("Broken", "Broken", Broken(), 50.0, "a test", (SIDE,))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def run(files: Files, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Json]:
    """A run that was stopped after the first contender, and went on; the record of each part."""
    path = tmp_path_factory.mktemp("record") / "compare.json"
    record = Record(ASKED, STAND_INS, path)
    todo = comparison.missing(STAND_INS, ASKED, record)

    def stop(_group: Json) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        comparison.run(todo, ASKED, files, record, stop)
    first = json.loads(path.read_text())
    record = Record(ASKED, STAND_INS, path, resume=True)
    left = comparison.missing(STAND_INS, ASKED, record)
    assert left == todo[1:]
    comparison.run(left, ASKED, files, record)
    assert comparison.missing(STAND_INS, ASKED, record) == []
    return path, first


def rows_of(record: Json, name: str, side: int) -> list[Json]:
    (group,) = (
        each for each in record["groups"] if (each["network"], each["side"]) == (name, side)
    )
    return group["rows"]


def test_a_run_that_was_stopped_goes_on(run: tuple[Path, Json]) -> None:
    path, first = run
    whole = json.loads(path.read_text())
    assert [(each["network"], each["side"]) for each in first["groups"]] == [("Tokens", SIDE)]
    assert [(each["network"], each["side"]) for each in whole["groups"]] == [
        ("Tokens", SIDE),
        ("Residual", SIDE),
        ("VMamba-T", SIDE),
        ("Tokens", 2 * SIDE),
    ]
    assert whole["groups"][0] == first["groups"][0]
    assert set(whole["networks"]) == set(STAND_INS)


def test_every_cell_has_its_time_memory_and_ratios(run: tuple[Path, Json]) -> None:
    record = json.loads(run[0].read_text())
    for name, side, batches in (("VMamba-T", SIDE, (1, 2)), ("Tokens", 2 * SIDE, (1,))):
        rows = rows_of(record, name, side)
        cells = [(row["precision"], row["batch"]) for row in rows]
        assert cells == [(precision, batch) for batch in batches for precision in (FP32, INT8)]
        for row in rows:
            assert row["images_per_s"] == pytest.approx(row["batch"] / row["ms"]["median"] * 1e3)
            assert LEAST_ROUNDS <= row["rounds"] <= MOST_ROUNDS
            assert 30e6 < row["peak_bytes"] < 1e9
            assert row["over_yardstick"]["median"] > 0
            if row["precision"] == FP32:
                assert row["over_fp32"] == {"median": 1.0, "q25": 1.0, "q75": 1.0}
    for group in record["groups"]:
        assert not group["absent"]
        assert not group["failed"]
        text = group_text(group)
        assert f"{group['network']} {group['side']}" in text
        assert text.count(" images/s ") == len(group["rows"])
    assert "cores busy with other work" in bars_text(record)


def test_a_record_of_other_settings_is_left_alone(run: tuple[Path, Json], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="measured otherwise: threads"):
        Record(replace(ASKED, threads=2), STAND_INS, run[0], resume=True)
    for text in ("{", "[]", "{}"):
        (tmp_path / "other.json").write_text(text)
        with pytest.raises(InputFileError):
            Record(ASKED, STAND_INS, tmp_path / "other.json", resume=True)


def test_a_contender_that_cannot_be_opened_does_not_stop_the_others(files: Files) -> None:
    asked = replace(
        ASKED, precisions=(FP32,), batches=(1,), sides=(SIDE,), ways=(ONNXRUNTIME, "openvino-npu")
    )
    both = {BROKEN.name: BROKEN, RESIDUAL.name: RESIDUAL}
    record = Record(asked, both)
    comparison.run(comparison.missing(both, asked, record), asked, files, record)
    broken, residual = record.value["groups"]
    assert broken["rows"] == []
    assert "is not an ONNX" in broken["absent"][0]["reason"]
    assert [row["runtime"] for row in residual["rows"]] == [ONNXRUNTIME]
    assert residual["absent"][0]["reason"] == "there is no runtime openvino-npu"
    assert "absent: there is no runtime openvino-npu" in group_text(residual)


def test_a_process_that_dies_is_told_and_measured_again(files: Files) -> None:
    # A number that is none ends each process before it has opened anything.
    asked = replace(ASKED, precisions=(FP32,), sides=(SIDE,), threads="many")  # type: ignore
    record = Record(asked, STAND_INS)
    comparison.run([(RESIDUAL, SIDE)], asked, files, record)
    (group,) = record.value["groups"]
    assert group["failed"][0]["reason"] == "the session's process ended with 1"
    assert not group["rows"]
    assert record.failed
    assert not record.has(RESIDUAL.name, SIDE)


class Clock:
    """Calls that take as long as they say, and tell in which order they came."""

    def __init__(self) -> None:
        self.order: list[str] = []

    def call(self, name: str, ms: float) -> Callable[[], float]:
        def made() -> float:
            self.order.append(name)
            return ms

        return made


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "SETTLE_SECONDS", 0.0)


@pytest.mark.usefixtures("no_pause")
def test_each_call_has_its_turn_in_every_round() -> None:
    clock = Clock()
    calls = {"slow": clock.call("slow", 500.0), "slower": clock.call("slower", 900.0)}
    times = take_turns(calls, seconds=0.1)
    assert times == {"slow": [500.0] * LEAST_ROUNDS, "slower": [900.0] * LEAST_ROUNDS}
    assert clock.order == ["slow", "slow", "slower", "slower"] + ["slow", "slower"] * LEAST_ROUNDS


@pytest.mark.usefixtures("no_pause")
def test_short_calls_are_woken_and_fill_a_stretch() -> None:
    clock = Clock()
    times = take_turns({"quick": clock.call("quick", 8.0)}, seconds=1000.0)
    assert times == {"quick": [8.0] * MOST_ROUNDS}
    assert len(clock.order) == 2 + MOST_ROUNDS * (1 + 3)  # 3 x 8 ms fill 20 ms


@pytest.mark.usefixtures("no_pause")
def test_there_are_as_many_rounds_as_the_time_allows() -> None:
    calls = {name: Clock().call(name, 200.0) for name in "ab"}
    assert len(take_turns(calls, seconds=1.0)["a"]) == 5


class Fixed:
    """Answers as a process does whose call takes so long for each image."""

    def __init__(self, ms: float, peak: int = 0) -> None:
        self._ms, self._peak = ms, peak

    def ask(self, line: str) -> str:
        return str(self._peak) if line == "peak" else str(self._ms * int(line))


@pytest.mark.usefixtures("no_pause")
def test_a_ratio_is_of_the_time_of_the_cell_over_that_of_another() -> None:
    asked = replace(ASKED, ways=("first", "second"))
    own = {
        Cell("first", FP32): Fixed(300.0, peak=7),
        Cell("second", FP32): Fixed(150.0, peak=5),
        Cell("second", INT8): Fixed(75.0, peak=3),
    }
    yardsticks = {Cell("first", FP32): Fixed(100.0), Cell("second", FP32): Fixed(50.0)}
    whole, other, narrow = rows_beside(own, yardsticks, 2, asked)
    ratios = ("over_yardstick", "over_yardstick_here", "over_fp32")
    assert [[row[name]["median"] for name in ratios] for row in (whole, other, narrow)] == [
        [3.0, 3.0, 1.0],
        [1.5, 3.0, 1.0],
        [0.75, 1.5, 0.5],
    ]
    assert [row["peak_bytes"] for row in (whole, other, narrow)] == [7, 5, 3]
    assert [row["runtime"] for row in (whole, other, narrow)] == ["first", "second", "second"]
    assert narrow["ms"]["median"] == 150.0
    assert narrow["images_per_s"] == pytest.approx(2 / 0.150)


@pytest.mark.usefixtures("no_pause")
def test_without_its_counterpart_a_cell_has_no_ratio() -> None:
    (row,) = rows_beside({Cell("second", INT8): Fixed(200.0)}, {}, 1, ASKED)
    assert not [name for name in row if name.startswith("over")]
    assert rows_beside({}, {Cell("first", FP32): Fixed(100.0)}, 1, ASKED) == []


def record_with(ratio: float, threads: int = 2) -> Json:
    """Its ratios are that, where they are judged; the others are far from it."""

    def row(runtime: str, precision: str, batch: int) -> Json:
        judged = "over_fp32" if runtime == ONNXRUNTIME else "over_yardstick_here"
        values = dict.fromkeys(("over_fp32", "over_yardstick", "over_yardstick_here"), 9.0)
        values[judged] = ratio if (precision == INT8) == (runtime == ONNXRUNTIME) else 9.0
        about = {"runtime": runtime, "precision": precision, "batch": batch}
        return about | {name: {"median": value} for name, value in values.items()}

    rows = [
        row(runtime, precision, batch)
        for runtime in (ONNXRUNTIME, "openvino")
        for precision in (FP32, INT8)
        for batch in (1, 8)
    ]
    group = {"network": "VMamba-T", "side": 224, "rows": rows}
    return {"threads": threads, "yardstick": "Swin-T", "groups": [group]}


def test_bars_are_judged_by_the_ratio_of_their_own_rows() -> None:
    targets = judge(record_with(INT8_RATIO))
    assert [target["passed"] for target in targets] == [True] * 4
    assert [target["wanted"] for target in targets] == ["<= 1", "<= 1", "<= 0.56", "<= 0.56"]
    assert [target["passed"] for target in judge(record_with(0.57))] == [True, True, False, False]
    assert [target["passed"] for target in judge(record_with(OPENVINO_RATIO + 0.01))] == [False] * 4
    assert [target["passed"] for target in judge(record_with(0.1, threads=1))] == [None] * 4
    one = record_with(0.1)
    one["groups"][0]["side"] = 384
    assert [target["passed"] for target in judge(one)] == [None] * 4


def test_only_those_that_are_named_take_part() -> None:
    assert list(comparison.chosen(("vmamba-t", "Swin-T"))) == ["Swin-T", "VMamba-T"]
    assert comparison.chosen(()) == CONTENDERS
    asked = comparison.asked_for((), (), (8, 1), (), 2, 0.7)
    todo = comparison.groups(comparison.chosen(("DeiT-T", "VMamba-T")), asked)
    assert [(each.name, side) for each, side in todo] == [
        ("VMamba-T", 224),
        ("DeiT-T", 224),
        ("VMamba-T", 384),
        ("VMamba-T", 512),
        ("VMamba-T", 768),
    ]
    assert asked.batches_of(224) == (1, 8)
    assert asked.batches_of(768) == (1,)


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--only", "AlexNet", "no contender 'AlexNet'"),
        ("--runtime", "pytorch", "no runtime 'pytorch'"),
        ("--precision", "int2", "no precision 'int2'"),
    ],
)
def test_what_is_not_there_is_told_before_anything_is_made(
    option: str, value: str, told: str, tmp_path: Path
) -> None:
    folder = tmp_path / "files"
    result = CliRunner().invoke(main, ["compare", option, value, "--files", str(folder)])
    assert isinstance(result.exception, UsageError)
    assert told in result.exception.message
    assert not folder.exists()


def test_the_command_measures_and_writes(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "CONTENDERS", STAND_INS)
    monkeypatch.setattr(comparison, "YARDSTICK", TOKENS.name)
    path = tmp_path / "compare.json"
    words = ["compare", "--only", MICRO.name, "--size", str(SIDE), "--batch", "1"]
    words += ["--runtime", ONNXRUNTIME, "--threads", "1", "--seconds", "0.01"]
    words += ["--files", str(files.folder), "--json", str(path)]
    prepared = CliRunner().invoke(main, [*words, "--prepare"], catch_exceptions=False)
    assert prepared.exit_code == 0
    assert not path.exists()
    done = CliRunner().invoke(main, words, catch_exceptions=False)
    assert done.exit_code == 0
    assert "about 0 minutes" in done.output
    assert "batch 1" in done.output
    assert len(json.loads(path.read_text())["groups"]) == 1
    again = CliRunner().invoke(main, [*words, "--resume"], catch_exceptions=False)
    assert "images/s" not in again.output


def test_every_runtime_of_the_project_can_take_part() -> None:
    from vmamba_deploy.runtimes.registry import RUNTIMES

    assert set(ways()) == {ONNXRUNTIME, *RUNTIMES} - {"pytorch"}
