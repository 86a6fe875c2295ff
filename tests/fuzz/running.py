"""Running a harness for as long as the environment says, from the corpus beside it.

`FUZZ_SECONDS` (20) or `FUZZ_RUNS`, whose runs end by number. What is learnt, and an input that
breaks a promise, goes to build/fuzz: mend the product, then keep the input in the corpus.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from vmamba_deploy.native.layout import cache_folder

ROOT = Path(__file__).parents[2]
CORPUS = Path(__file__).parent / "corpus"
_LIMITS = ("-timeout=300", "-rss_limit_mb=4096")


def fuzz(name: str, command: Sequence[str | Path]) -> None:
    """Replay the corpus of the harness, then go on from it."""
    runs = os.environ.get("FUZZ_RUNS")
    seconds = os.environ.get("FUZZ_SECONDS", "20")
    run(name, command, f"-runs={runs}" if runs else f"-max_total_time={seconds}")


def run(name: str, command: Sequence[str | Path], *options: str, **environment: str) -> str:
    """What a harness prints; fails with the end of it where it does not end well."""
    learnt = cache_folder() / "fuzz" / name
    learnt.mkdir(parents=True, exist_ok=True)
    found = f"-artifact_prefix={learnt}-"
    result = subprocess.run(
        [*map(str, command), *_LIMITS, *options, found, str(learnt), str(CORPUS / name)],
        cwd=ROOT,
        env=os.environ | {"UBSAN_OPTIONS": "abort_on_error=1:print_stacktrace=1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert result.returncode == 0, result.stdout[-6000:]
    assert "Done " in result.stdout, result.stdout[-6000:]
    return result.stdout
