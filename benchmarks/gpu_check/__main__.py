"""`python -m benchmarks.gpu_check`: prove and measure on the GPU, part by part."""

from __future__ import annotations

import argparse
import importlib.util
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from benchmarks.gpu_check.driver import Setting, Stopped, run_parts
from benchmarks.gpu_check.libraries import choose_library, launches
from benchmarks.gpu_check.parts import PARTS, Part, chosen_parts
from benchmarks.gpu_check.record import Json, Record, commit_at_hand
from benchmarks.gpu_check.targets import judge, text_of_targets
from vmamba_deploy.errors import ExitCode, VmambaError
from vmamba_deploy.native.layout import DOWNLOADS_VARIABLE, NATIVE_DIR_VARIABLE, cache_folder
from vmamba_deploy.runtimes.cuda_driver import find_gpus

_STOPPED = 143  # as a shell tells a program that SIGTERM ended


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu_check",
        description="Prove and measure everything on a GPU. A second call goes on with what is "
        "missing.",
        epilog="Exit codes: 0 every part that could run passed, 2 usage, 4 no GPU, no PyTorch or "
        "no library that launches, 6 a part failed, 143 stopped by a signal. Missed "
        "targets are printed and change nothing.",
    )
    parser.add_argument(
        "--part",
        action="append",
        default=[],
        metavar="NAME",
        help=f"of {', '.join(part.name for part in PARTS)}; may be repeated; runs again what is "
        "named",
    )
    parser.add_argument(
        "--keep",
        type=Path,
        default=Path("build/gpu_check"),
        metavar="FOLDER",
        help="where gpu_check.json and logs.tgz lie, whole after every part",
    )
    parser.add_argument(
        "--prebuilt", type=Path, metavar="FOLDER", help="libraries that `gpu-kit` has built"
    )
    parser.add_argument(
        "--previous",
        type=Path,
        metavar="LIBRARY",
        help="another libvmamba_cuda.so, timed beside this one",
    )
    parser.add_argument(
        "--rehearse", action="store_true", help="the same parts on the CPU with tiny sizes"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for and return the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        parts = chosen_parts(tuple(options.part))
    except ValueError as error:
        parser.error(str(error))
    missing = _missing(rehearsal=options.rehearse)
    if missing:
        sys.stderr.write(f"error: {missing}\nhint: --rehearse runs the parts without a GPU\n")
        return int(ExitCode.ENVIRONMENT)
    try:
        return _check(options, parts, sys.argv[1:] if arguments is None else arguments)
    except VmambaError as error:  # the folder is not writable, or full
        sys.stderr.write(f"error: {error.message}\nhint: --keep names another folder\n")
        return int(error.exit_code)


def _check(options: argparse.Namespace, parts: Sequence[Part], given: Sequence[str]) -> int:
    keep, prebuilt = options.keep.resolve(), options.prebuilt and options.prebuilt.resolve()
    # The logs of a rehearsal replace none of a measurement.
    work = cache_folder() / ("gpu_check_rehearsal" if options.rehearse else "gpu_check_work")
    about = {
        "commit": commit_at_hand(prebuilt),
        "command": shlex.join(["python", "-m", "benchmarks.gpu_check", *given]),
        "rehearsal": options.rehearse,
    }
    record = Record(keep, work, about)
    record.save()  # a folder that cannot be written to is told before minutes of work
    variables = {DOWNLOADS_VARIABLE: "0"}
    if not options.rehearse:
        library = choose_library(prebuilt, work, _architecture(), launches)
        record.value["library"] = library
        if library["folder"] is None:
            record.save()
            sys.stderr.write(f"error: no library launches: {library['refused']}\n")
            return int(ExitCode.ENVIRONMENT)
        variables[NATIVE_DIR_VARIABLE] = library["folder"]
        _say(f"library: {library['made_by']}, {library['folder']}")
    elif prebuilt is not None:
        variables[NATIVE_DIR_VARIABLE] = str(prebuilt)
    extra = {"op": ("--previous", str(options.previous.resolve()))} if options.previous else {}
    setting = Setting(work, variables, options.rehearse, extra)
    try:
        run_parts(parts, record, setting, _say, again=options.part)
    except Stopped as stopped:
        _say(f"stopped by {stopped}; what was done is in {record.path}")
        return _STOPPED
    record.value["bars"] = judge(record.value)
    record.save()
    _say(text_of_targets(record.value["bars"]))
    _say(str(record.path))
    return _exit_code(record.value)


def _say(line: str) -> None:
    # A terminal of few characters, or none any more, ends no run.
    encoding = sys.stdout.encoding or "utf-8"
    with suppress(OSError):
        print(line.encode(encoding, "replace").decode(encoding), flush=True)


def _missing(*, rehearsal: bool) -> str | None:
    """What the machine lacks, in one sentence."""
    for name in ("torch", "numpy"):
        if importlib.util.find_spec(name) is None:
            return f"{sys.executable} has no {name}: name a Python that has it with PYTHON=..."
    search = find_gpus()
    return None if rehearsal or search.first is not None else search.reason


def _architecture() -> str:
    first = find_gpus().first
    assert first is not None  # asked for before
    major, minor = first.compute_capability
    return f"{major}{minor}"


def _exit_code(record: Json) -> int:
    bad = ("failed", "timeout", "stopped")
    failed = any(entry["status"] in bad for entry in record["parts"].values())
    return int(ExitCode.PARITY_FAILED if failed else ExitCode.OK)


if __name__ == "__main__":
    sys.exit(main())
