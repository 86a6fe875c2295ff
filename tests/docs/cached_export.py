"""Stands in for `vmamba-deploy export`: the first of equal exports is real, the others are copies.

Many pages begin with the same export. What decides its files are the arguments but `--output`; a
call without `--output`, or over a folder that exists, is always real.

    cached_export.py CACHE REAL export ...      REAL is `vmamba-deploy`
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def main(cache: Path, real: str, arguments: Sequence[str]) -> int:
    """Run `real` with these arguments, or copy what an equal call wrote."""
    command = [real, *arguments]
    others, output = split_output(arguments)
    if output is None or output.exists():
        return subprocess.run(command, check=False).returncode
    key = hashlib.sha256(json.dumps(others).encode()).hexdigest()[:16]
    kept = cache / key
    if not kept.exists():
        code = subprocess.run(command, check=False).returncode
        if code == 0:
            shutil.copytree(output, kept)
        return code
    shutil.copytree(kept, output)
    print(f"{output}: the same export as on an earlier page")  # noqa: T201
    return 0


def split_output(arguments: Sequence[str]) -> tuple[list[str], Path | None]:
    """The arguments without `--output`, and its value."""
    others, output, given = [], None, iter(arguments)
    for argument in given:
        if argument in {"-o", "--output"}:
            output = Path(next(given, ""))
        elif argument.startswith("--output="):
            output = Path(argument.removeprefix("--output="))
        else:
            others.append(argument)
    return others, output


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
