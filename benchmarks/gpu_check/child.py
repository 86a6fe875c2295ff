"""The process that one stage runs in: `python3 -m benchmarks.gpu_check.child '{...}'`."""

from __future__ import annotations

import importlib
import json
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from benchmarks.gpu_check.context import StageContext, StageSkippedError

OK, FAILED, SKIPPED = 0, 1, 77


def main(arguments: Sequence[str]) -> int:
    """Run the stage that the one argument describes; the exit code tells how it ended.

    The reason of a skip and the traceback of a failure are the last thing on stderr.
    """
    order = json.loads(arguments[0])
    record = Path(order["record"])
    earlier = json.loads(record.read_text())["stages"] if record.is_file() else {}
    context = StageContext(
        device=order["device"],
        folder=Path(order["folder"]),
        deadline=time.monotonic() + order["limit_s"],
        result_path=Path(order["result"]),
        earlier=earlier,
    )
    try:
        context.save(importlib.import_module(order["module"]).run(context))
    except StageSkippedError as reason:
        sys.stderr.write(f"{reason}\n")
        return SKIPPED
    except Exception:  # noqa: BLE001 - the driver records whatever went wrong
        traceback.print_exc()
        return FAILED
    return OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
