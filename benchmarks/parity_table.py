"""Export every preset in every precision and print the parity figures as a Markdown table.

Each run is `export.py` itself, so the numbers are those of report.json. Runs whose report is there
already are not repeated. Only the reports are kept.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from vmamba_deploy.errors import BuildError

RUNTIMES = ("pytorch", "onnxruntime-body", "onnxruntime-library")
EXPORT = Path(__file__).parents[1] / "export.py"


def export_report(preset: str, precision: str, batch: str, kept: Path) -> dict[str, Any]:
    """The report of one export run, from `kept` if it is there already."""
    report_path = kept / f"{preset}-{precision}.json"
    if not report_path.exists():
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "artifact"
            command = [sys.executable, str(EXPORT), "--model", preset, f"--{precision}", "--quiet"]
            start = time.perf_counter()
            ended = subprocess.run(
                [*command, "--batch", batch, "--output", str(output)], check=False
            )
            wall = time.perf_counter() - start
            published = output if output.exists() else output.with_name(output.name + ".failed")
            if not published.exists():
                raise BuildError(f"{preset} {precision}: exit code {ended.returncode}")
            kept.mkdir(parents=True, exist_ok=True)
            report = json.loads((published / "report.json").read_text())
            report["timings"]["wall"] = round(wall, 1)
            partial = report_path.with_suffix(".partial")
            partial.write_text(json.dumps(report))
            shutil.move(partial, report_path)
    loaded: dict[str, Any] = json.loads(report_path.read_text())
    return loaded


def row(report: dict[str, Any]) -> str:
    """One line of the table."""
    runs = {run["runtime"]: run for run in report["runs"]}
    cells = [f"{report['preset']} {report['precision']}"]
    for runtime in RUNTIMES:
        run = runs[runtime]
        metrics = run["metrics"]
        cells.append(
            f"{metrics['max_abs']:.1e} / {metrics['nmse']:.1e} / {1 - metrics['cosine']:.0e} / "
            f"{metrics['top1_agreement']:.0%} / {metrics['top5_agreement']:.0%}"
            + ("" if run["status"] == "passed" else " **failed**")
            if metrics
            else run["status"]
        )
    engine = report["engine"]
    cells += (
        [
            str(engine["plugin_layers"]),
            f"{engine['size_bytes'] / 1e6:.0f}",
            f"{engine['build_seconds']:.1f}",
        ]
        if engine["built"]
        else ["-", "-", "-"]
    )
    cells += [f"{report['timings']['export']:.0f}", f"{report['timings']['parity']:.0f}"]
    return f"| {' | '.join(cells)} |"


def table(reports: list[dict[str, Any]]) -> str:
    """The whole table."""
    head = ["network", *RUNTIMES, "plugins", "engine MB", "build s", "export s", "parity s"]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *map(row, reports)]
    return "\n".join(lines) + "\n"
