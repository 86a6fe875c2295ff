"""The driver of the GPU check: how commands end, what is on disk, what a later call repeats."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import textwrap
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import main as benchmarks_main
from benchmarks.competitors import chosen_competitors
from benchmarks.gpu_check import __main__ as program
from benchmarks.gpu_check.driver import Setting, Stopped, run_parts
from benchmarks.gpu_check.parts import PARTS, Command, Part, chosen_parts
from benchmarks.gpu_check.record import Record
from tests.processes import HANG_S, is_running, wait_until

ROOT = Path(__file__).resolve().parents[2]
LONG_S = 600.0  # a limit that no command here meets, and as long as hanging ones sleep
MODULES = {
    "good": """
        print("measured")
        write({"rows": [1, 2]})
    """,
    "broken": """
        write({"rows": [1]})
        raise ValueError("the scan is upside down")
    """,
    "silent": "print('no results')",
    "hanging": """
        child = subprocess.Popen(["sleep", "600"])
        print("started", flush=True)
        write({"child": child.pid, "own": os.getpid()})
        time.sleep(600)
    """,
    "leaving": """
        child = subprocess.Popen(["sleep", "600"])
        write({"child": child.pid})
    """,
    "crashing": """
        print("before the fault", flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)
    """,
    "lacking": """
        print("error: there is no profiler here")
        print("hint: it comes with the toolkit")
        sys.exit(4)
    """,
    "binary": r"""
        sys.stdout.buffer.write(b"\\xff\\xfe of 8 \\xb5s\\n")
        write({"rows": []})
    """,
    "counting": """
        count = Path(__file__).with_name("count")
        runs = int(count.read_text()) + 1 if count.exists() else 1
        count.write_text(str(runs))
        write({"runs": runs})
    """,
    "torn": """
        Path(sys.argv[sys.argv.index("--json") + 1]).write_text('{"rows": [')
        sys.exit(1)
    """,
}
START = """
import json, os, signal, subprocess, sys, time
from pathlib import Path

def write(value):
    path = Path(sys.argv[sys.argv.index("--json") + 1])
    path.with_suffix(".partial").write_text(json.dumps(value))
    path.with_suffix(".partial").replace(path)
"""
TESTS = """
import json
import pytest

@pytest.mark.parametrize("error", [0.1, 0.2])
def test_good(error, record_property):
    record_property("row", json.dumps({"error": error}))

def test_bad(record_property):
    record_property("row", json.dumps({"error": 7.0}))
    assert 1 == 2, "one is not two"

def test_skipped():
    pytest.skip("no GPU here")

@pytest.fixture
def falling():
    yield
    raise OSError("the floor is gone")

def test_skipped_and_fallen(falling):
    pytest.skip("no floor here")
"""


@pytest.fixture(autouse=True)
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fake commands that `python -m` finds, and fake tests."""
    for name, source in MODULES.items():
        path = tmp_path / f"fake_{name}.py"
        path.write_text(START + textwrap.dedent(source).replace("\\\\", "\\"))
    (tmp_path / "test_fake.py").write_text(TESTS)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")


def part(*names: str, limit_s: float = LONG_S, part_name: str = "", **more: Any) -> Part:
    commands = tuple(Command(name, (f"fake_{name}",)) for name in names)
    return Part(part_name or names[0], limit_s, f"the {names[0]} one", commands, **more)


def pytest_part(folder: Path, *arguments: str) -> Part:
    command = ("pytest", "-q", "-p", "no:xdist", "--rootdir", str(folder))
    tests = Command("tests", (*command, str(folder / "test_fake.py"), *arguments), measures=False)
    return Part("tests", LONG_S, "the tests", (tests,))


class Run:
    """Calls of the driver with one folder for the record and one for the logs."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.work = folder / "keep", folder / "work"
        self.lines: list[str] = []

    def __call__(
        self, *parts: Part, commit: str = "abc", rehearsal: bool = False, again: tuple = ()
    ) -> dict[str, Any]:
        about = {"commit": commit, "command": "check", "rehearsal": rehearsal}
        record = Record(self.folder, self.work, about)
        run_parts(parts, record, Setting(self.work, {}, rehearsal), self.lines.append, again)
        assert self.record() == record.value
        return record.value["parts"]

    def record(self) -> dict[str, Any]:
        return json.loads((self.folder / "gpu_check.json").read_text())

    def log(self, name: str, kind: str = "log") -> str:
        with tarfile.open(self.folder / "logs.tgz") as archive:
            member = archive.extractfile(f"logs/{name}.{kind}")
            assert member is not None
            return member.read().decode(errors="replace")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_a_measurement_leaves_its_results_and_its_log(run: Run) -> None:
    entry = run(part("good"))["good"]
    assert (entry["status"], entry["reason"], entry["commit"]) == ("passed", None, "abc")
    row = entry["commands"]["good"]
    assert row["result"] == {"rows": [1, 2]}
    assert row["tail"] == "measured"
    assert row["arguments"][:3] == ["python", "-m", "fake_good"]
    assert run.log("good") == "measured\n"
    assert json.loads(run.log("good", "json")) == {"rows": [1, 2]}


def test_what_fails_leaves_its_reason_and_the_rest_runs(run: Run) -> None:
    parts = run(
        part("broken", "good", part_name="two"), part("silent"), part("torn"), part("crashing"),
        part("lacking"), part("counting"),
    )  # fmt: skip
    assert {name: entry["status"] for name, entry in parts.items()} == {
        "two": "failed",
        "silent": "failed",
        "torn": "failed",
        "crashing": "failed",
        "lacking": "skipped",
        "counting": "passed",
    }
    assert parts["two"]["reason"] == "broken: ValueError: the scan is upside down"
    assert parts["two"]["commands"]["broken"]["result"] == {"rows": [1]}
    assert parts["two"]["commands"]["good"]["status"] == "passed"
    assert parts["silent"]["reason"] == "silent: no results"
    assert parts["torn"]["commands"]["torn"]["result"] is None
    crash = parts["crashing"]
    assert crash["commands"]["crashing"]["exit_code"] == -signal.SIGSEGV
    assert crash["reason"] == "crashing: ended by signal 11: Segmentation fault"
    assert "before the fault" in run.log("crashing")
    assert parts["lacking"]["reason"] == "lacking: error: there is no profiler here"


def test_what_hangs_is_stopped_with_its_children(run: Run) -> None:
    # The limit begins once the command has started, however slow this machine is.
    hanging = run.work / "hanging.json"

    entry = None
    for limit_s in (2.0, 10.0, 40.0):
        entry = run(part("hanging", limit_s=limit_s), part("good"))
        if hanging.is_file():
            break
    assert entry is not None
    row = entry["hanging"]["commands"]["hanging"]
    assert (entry["hanging"]["status"], row["exit_code"]) == ("timeout", None)
    assert entry["hanging"]["reason"].startswith("hanging: stopped after ")
    assert not is_running(row["result"]["own"])
    wait_until(lambda: not is_running(row["result"]["child"]))
    assert run.log("hanging").startswith("started\n")
    assert entry["good"]["status"] == "passed"


def test_a_command_for_which_no_time_is_left_has_timed_out(run: Run) -> None:
    entry = run(part("good", limit_s=-1.0), part("counting"))
    assert entry["good"]["status"] == "timeout"
    assert entry["good"]["reason"] == "good: stopped after 0 s"
    assert entry["counting"]["status"] == "passed"


def test_what_a_command_leaves_behind_is_ended(run: Run) -> None:
    entry = run(part("leaving"))["leaving"]
    assert entry["status"] == "passed"
    wait_until(lambda: not is_running(entry["commands"]["leaving"]["result"]["child"]))


def test_a_log_of_any_bytes_is_kept(run: Run) -> None:
    entry = run(part("binary"))["binary"]
    assert entry["status"] == "passed"
    assert entry["commands"]["binary"]["tail"] == "\ufffd\ufffd of 8 \ufffds"
    with tarfile.open(run.folder / "logs.tgz") as archive:
        assert archive.extractfile("logs/binary.log").read() == b"\xff\xfe of 8 \xb5s\n"


def test_any_terminal_takes_what_is_announced() -> None:
    say = "from benchmarks.gpu_check.__main__ import _say\n_say('8 \\u00b5s \\ufffd')\n"
    done = subprocess.run(
        [sys.executable, "-c", say],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "8 ?s ?\n"), done.stderr


def test_tests_are_counted_and_their_rows_are_kept(run: Run, tmp_path: Path) -> None:
    entry = run(pytest_part(tmp_path))["tests"]
    assert entry["status"] == "failed"
    assert entry["reason"].startswith("tests: 1 failed, 2 passed, 2 skipped, 1 error")
    tests = entry["commands"]["tests"]["tests"]
    assert {name: tests[name] for name in ("passed", "failed", "skipped")} == {
        "passed": 2,
        "failed": 2,
        "skipped": 1,
    }
    assert [row["error"] for row in tests["rows"]] == [0.1, 0.2, 7.0]
    assert "test_bad: AssertionError: one is not two" in tests["failures"][0]
    assert "the floor is gone" in tests["failures"][1]
    assert "one is not two" in run.log("tests")
    assert "<testcase" in run.log("tests", "xml")


def test_tests_that_pass_or_are_skipped_or_are_none(run: Run, tmp_path: Path) -> None:
    def status(*arguments: str) -> tuple[str, str | None]:
        entry = run(pytest_part(tmp_path, *arguments), again=("tests",))["tests"]
        return entry["status"], entry["reason"]

    assert status("-k", "good or test_skipped and not fallen") == ("passed", None)
    assert status("-k", "test_skipped and not fallen") == ("skipped", "tests: no GPU here")
    nothing = status("-k", "no_such_test")
    assert nothing[0] == "skipped"
    assert "deselected" in nothing[1]
    # Exit code 4, which is that of a benchmark without what it needs, is a usage error of pytest.
    assert status("--no-such-option")[0] == "failed"


def test_a_missing_package_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    entry = run(part("good"))["good"]
    assert (entry["status"], entry["reason"]) == ("skipped", "Python has no click")


def test_both_files_are_whole_after_every_part(run: Run) -> None:
    seen: list[dict[str, str]] = []

    class Watching(list):
        def append(self, line: str) -> None:
            if line.startswith("  "):  # how a part has ended
                statuses = {name: e["status"] for name, e in run.record()["parts"].items()}
                assert run.log("good") == "measured\n"
                assert all(run.log(name) is not None for name in statuses)
                assert {path.name for path in run.folder.iterdir()} == {
                    "gpu_check.json",
                    "logs.tgz",
                }
                seen.append(statuses)

    run.lines = Watching()
    run(part("good"), part("broken"), part("counting"))
    assert seen[0] == {"good": "passed"}
    assert seen[1] == {"good": "passed", "broken": "failed"}
    assert len(seen) == 3


def test_a_second_call_goes_on_with_what_is_missing(run: Run, tmp_path: Path) -> None:
    counting, broken = part("counting"), part("broken")

    def runs(**options: Any) -> int:
        parts = run(counting, broken, **options)
        return parts["counting"]["commands"]["counting"]["result"]["runs"]

    assert runs() == 1
    (tmp_path / "fake_broken.py").write_text(START + "write({'mended': True})\n")
    assert runs() == 1
    assert run.record()["parts"]["broken"]["commands"]["broken"]["result"] == {"mended": True}
    assert "counting: kept from the earlier call" in run.lines
    assert runs(again=("counting",)) == 2
    assert runs(commit="def") == 3
    assert runs(commit="def") == 3
    assert runs(commit="def", rehearsal=True) == 4
    assert set(run.record()["parts"]) == {"counting", "broken"}


def test_a_call_for_one_part_keeps_the_others(run: Run) -> None:
    run(part("good"), part("broken"))
    parts = run(part("counting"))
    assert {name: entry["status"] for name, entry in parts.items()} == {
        "good": "passed",
        "broken": "failed",
        "counting": "passed",
    }
    assert run.log("good")
    assert run.log("counting", "json")


def test_logs_of_another_run_are_not_among_its_own(run: Run) -> None:
    run.work.mkdir()
    (run.work / "of_yesterday.log").write_text("old")
    run(part("good"))
    with tarfile.open(run.folder / "logs.tgz") as archive:
        assert set(archive.getnames()) == {"logs/good.log", "logs/good.json"}


@pytest.mark.parametrize("text", ["{", '{"schema_version": 1, "stages": {}}', "[]", "null"])
def test_a_record_that_is_none_gives_way(run: Run, text: str) -> None:
    run.folder.mkdir()
    (run.folder / "gpu_check.json").write_text(text)
    assert run(part("good"))["good"]["status"] == "passed"


def test_without_a_gpu_a_part_that_needs_one_is_not_rehearsed(run: Run) -> None:
    entry = run(part("good", rehearsed=False), rehearsal=True)["good"]
    assert (entry["status"], entry["reason"]) == ("skipped", "it needs a GPU")


def test_a_rehearsal_on_a_slow_machine_has_more_time(run: Run) -> None:
    limits = [run(part("good"), rehearsal=tiny)["good"]["limit_s"] for tiny in (False, True)]
    assert limits == [LONG_S, 10 * LONG_S]


SIGNALLED = """
import signal, sys
from pathlib import Path
from benchmarks.gpu_check import __main__ as program
from benchmarks.gpu_check.parts import Command, Part

def part(*names):
    return Part(names[0], 600, "", tuple(Command(name, ("fake_" + name,)) for name in names))

for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)  # a background job ignores some
folder = Path(sys.argv[1])
program.chosen_parts = lambda _: (part("good"), part("counting", "hanging"), part("broken"))
program.cache_folder = lambda: folder / "cache"
sys.exit(program.main(["--rehearse", "--keep", str(folder / "keep")]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_leaves_all_that_was_done_and_no_process(
    run: Run, tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "driver.py").write_text(SIGNALLED)
    driver = subprocess.Popen(
        [sys.executable, str(tmp_path / "driver.py"), str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
    )
    results = tmp_path / "cache" / "gpu_check_rehearsal" / "hanging.json"
    wait_until(lambda: results.is_file() or driver.poll() is not None)
    for _ in range(5):  # the impatient press Ctrl-C more than once
        driver.send_signal(number)
    try:
        output, _ = driver.communicate(timeout=HANG_S)
    finally:
        driver.kill()
    assert driver.returncode == 143, output
    assert f"stopped by {number.name}; what was done is in {run.folder}" in output
    processes = json.loads(results.read_text())
    for process in processes.values():
        wait_until(lambda process=process: not is_running(process))
    parts = run.record()["parts"]
    assert {name: entry["status"] for name, entry in parts.items()} == {
        "good": "passed",
        "counting": "stopped",
    }
    stopped = parts["counting"]["commands"]
    assert {name: row["status"] for name, row in stopped.items()} == {
        "counting": "passed",
        "hanging": "stopped",
    }
    assert stopped["hanging"]["result"] == processes
    assert run.log("hanging").startswith("started\n")
    assert {path.name for path in run.folder.iterdir()} == {"gpu_check.json", "logs.tgz"}


def test_after_a_signal_between_two_parts_no_other_begins(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def announce(line: str) -> None:
        if line.startswith("  passed"):
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(run, "lines", type("Lines", (), {"append": staticmethod(announce)}))
    with pytest.raises(Stopped, match="SIGTERM"):
        run(part("good"), part("counting"))
    assert set(run.record()["parts"]) == {"good"}
    assert not (run.work / "counting.log").exists()


def test_a_signal_that_is_ignored_stays_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:

        def announce(_: str) -> None:
            os.kill(os.getpid(), signal.SIGHUP)

        monkeypatch.setattr(run, "lines", type("Lines", (), {"append": staticmethod(announce)}))
        assert set(run(part("good"), part("counting"))) == {"good", "counting"}
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_folder_that_cannot_be_written_to_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "cache_folder", lambda: tmp_path / "cache")
    (tmp_path / "file").write_text("")
    code = program.main(["--rehearse", "--part", "machine", "--keep", str(tmp_path / "file/keep")])
    assert code == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: cannot write {tmp_path}/file/keep/gpu_check.json: ")
    assert told.endswith("hint: --keep names another folder\n")


def test_a_part_that_is_no_part_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        program.main(["--part", "acuracy"])
    assert ending.value.code == 2
    assert (
        "there is no part 'acuracy'; the parts are machine, accuracy, " in capsys.readouterr().err
    )


def test_parts_are_chosen_in_their_order() -> None:
    assert [each.name for each in chosen_parts(("op", "machine"))] == ["machine", "op"]
    assert chosen_parts(()) == PARTS
    with pytest.raises(ValueError, match="there is no part 'a'; the parts are machine, "):
        chosen_parts(("b", "op", "a"))


def test_the_limits_stay_below_a_quarter_of_an_hour() -> None:
    assert sum(each.limit_s for each in PARTS) < 900
    assert all(each.limit_s > 0 and each.commands for each in PARTS)


def test_names_are_given_once() -> None:
    parts = [each.name for each in PARTS]
    commands = [command.name for each in PARTS for command in each.commands]
    assert len(set(parts)) == len(parts)
    assert len(set(commands)) == len(commands)


MEASURED = [command for each in PARTS for command in each.commands if command.measures]


@pytest.mark.parametrize("command", MEASURED, ids=lambda command: command.name)
def test_each_measurement_is_an_entry_of_the_benchmarks(command: Command) -> None:
    module, name, *words = command.arguments
    assert module == "benchmarks"
    entry = benchmarks_main.commands[name]
    options = entry.make_context(name, [*words, "--json", "results.json"]).params
    assert options["device"] == "cuda"
    assert options["json_path"] == Path("results.json")
    if name == "model":
        assert set(options["names"]) < set(chosen_competitors("cuda", options["names"]))


def test_tests_are_files_of_the_project() -> None:
    for each in PARTS:
        for command in each.commands:
            if not command.measures:
                files = [word for word in command.arguments if word.endswith(".py")]
                assert files
                assert all((ROOT / file).is_file() for file in files)
