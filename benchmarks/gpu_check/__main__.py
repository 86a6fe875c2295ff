"""`python3 -m benchmarks.gpu_check`: run the stages, print the tables, write the JSON file."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.gpu_check.bars import judge
from benchmarks.gpu_check.context import Json, write_json
from benchmarks.gpu_check.driver import RunOptions, run_stages
from benchmarks.gpu_check.stages import STAGES, chosen_stages
from benchmarks.gpu_check.tables import text_tables
from vmamba_deploy.errors import ExitCode
from vmamba_deploy.runtimes.tensorrt.cuda_driver import find_gpus


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m benchmarks.gpu_check",
        description="Prove and measure everything on a GPU, in under nine minutes.",
        epilog="Exit codes: 0 every stage that could run passed, 1 one failed, 2 usage, "
        "4 no GPU or no PyTorch, 6 all ran and a bar was missed.",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("build/gpu_check"), help="folder of the results"
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="STAGE",
        help=f"of {', '.join(stage.name for stage in STAGES)}; may be repeated",
    )
    parser.add_argument("--resume", action="store_true", help="keep the stages that have passed")
    parser.add_argument(
        "--rehearse", action="store_true", help="the same stages on the CPU with tiny sizes"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for and return the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        stages = chosen_stages(tuple(options.only))
    except ValueError as error:
        parser.error(str(error))
    missing = _missing(rehearsal=options.rehearse)
    if missing:
        sys.stderr.write(f"error: {missing}\nhint: --rehearse runs the stages without a GPU\n")
        return int(ExitCode.ENVIRONMENT)
    # A stage alone builds on the record of the run before; what is built is known by its sources.
    run = RunOptions(
        folder=options.out.resolve(),
        device="cpu" if options.rehearse else "cuda",
        resume=options.resume or bool(options.only),
        repeat=("build", *options.only),
    )
    record = run_stages(stages, run, announce=lambda line: print(line, flush=True))
    record["bars"] = judge(record)
    write_json(run.record_path, record)
    print(text_tables(record))
    print(f"\n{run.record_path}, {record['seconds']:.0f} s")
    return _exit_code(record)


def _missing(*, rehearsal: bool) -> str | None:
    """What the machine lacks, in one sentence."""
    for name in ("torch", "numpy"):
        if importlib.util.find_spec(name) is None:
            return f"{sys.executable} has no {name}: name a Python that has it with PYTHON=..."
    search = find_gpus()
    return None if rehearsal or search.first is not None else search.reason


def _exit_code(record: Json) -> int:
    stages, bars = record["stages"], record["bars"]
    if any(entry["status"] in ("failed", "timeout") for entry in stages.values()):
        return int(ExitCode.BUG)
    if any(bar["passed"] is False and not bar.get("goal") for bar in bars):
        return int(ExitCode.PARITY_FAILED)
    return int(ExitCode.OK)


if __name__ == "__main__":
    sys.exit(main())
