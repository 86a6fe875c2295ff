"""Export networks in the precisions that are asked for, and tell the parity figures in Markdown.

Each run is `export.py` itself, so the numbers are those of report.json and manifest.json. Runs that
are kept already are not repeated. Only what they say is kept, not their files.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmarks.quantized_parity import TABLES, measured, networks_table, quantized_rows
from samples.train_digits.sample import DIGITS
from samples.train_fashion.sample import FASHION
from samples.training.sample import Sample
from vmamba_deploy.errors import BuildError
from vmamba_deploy.precisions import BASES, PRECISIONS
from vmamba_deploy.tasks import CLASSIFICATION

Json = dict[str, Any]
RUNTIMES = ("pytorch", "onnxruntime-body", "onnxruntime-library")
EXPORT = Path(__file__).parents[1] / "export.py"


@dataclass(frozen=True)
class Network:
    """What is exported.

    Attributes:
        arguments: of export.py.
        batch: `--batch`; None: as is asked for all.
    """

    arguments: tuple[str, ...]
    batch: str | None = None


def _sample(sample: Sample) -> Network:
    height, width = sample.preprocessing.crop_pixels
    return Network(("--weights", str(sample.weights), "--image-size", f"{height}x{width}"))


def _dense(preset: str, side: int, *more: str) -> Network:
    return Network(("--model", preset, "--image-size", str(side), *more), batch="1")


NETWORKS: Mapping[str, Network] = MappingProxyType(
    {
        "digits": _sample(DIGITS),
        "fashion": _sample(FASHION),
        # At sizes at which stock ONNX Runtime is done in minutes.
        "upernet_vmamba_tiny_s1l8": _dense(
            "upernet_vmamba_tiny_s1l8", 256, "--outputs", "labels,logits"
        ),
        "mask_rcnn_vmamba_tiny_s1l8": _dense("mask_rcnn_vmamba_tiny_s1l8", 320),
    }
)
"""Those that are more than the name of a preset."""

WAYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **{name: (f"--{name}",) for name in BASES},
        "fp16-engine": ("--fp16", "--no-parity"),
        "int8": ("--int8", "--no-engine"),
        "int8-engine": ("--int8",),
        "fp8": ("--fp8",),
        "auto": ("--precision", "auto", "--no-engine"),
        "auto-engine": ("--precision", "auto"),
    }
)
"""Precisions, and how export.py is asked for them. Quantized for the CPU, the base is fp32; of
fp16-engine the launches are wanted alone."""


def export_report(name: str, way: str, batch: str, kept: Path) -> Json:
    """The report of one export, from `kept` if it is there already.

    Args:
        name: of a preset, or one of NETWORKS.
        way: one of WAYS.
        batch: sizes that are compared, where the network has none of its own.
        kept: the folder of what earlier runs said.

    Returns:
        report.json, and beside it `name`, `way`, `manifest`, and the run's seconds as
        `timings.wall`.

    Raises:
        BuildError: the run ended before it had a report.
    """
    report_path = kept / f"{name}-{way}.json"
    if not report_path.exists():
        network = NETWORKS.get(name) or Network(("--model", name))
        command = [sys.executable, str(EXPORT), *network.arguments, *WAYS[way]]
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "artifact"
            command += ["--batch", network.batch or batch, "--output", str(output), "--quiet"]
            start = time.perf_counter()
            ended = subprocess.run(command, check=False)
            wall = time.perf_counter() - start
            published = output if output.exists() else output.with_name(output.name + ".failed")
            if not published.exists():
                raise BuildError(f"{name} {way}: exit code {ended.returncode}")
            kept.mkdir(parents=True, exist_ok=True)
            report = json.loads((published / "report.json").read_text())
            report["timings"]["wall"] = round(wall, 1)
            report |= {"name": name, "way": way}
            report["manifest"] = json.loads((published / "manifest.json").read_text())
            partial = report_path.with_suffix(".partial")
            partial.write_text(json.dumps(report))
            shutil.move(partial, report_path)
    loaded: Json = json.loads(report_path.read_text())
    return loaded


def row(report: Json) -> str:
    """One line of the table."""
    runs = {run["runtime"]: run for run in report["runs"]}
    cells = [f"{report['name']} {report['precision']}"]
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


def table(reports: Sequence[Json]) -> str:
    """Of classifiers in precisions that are not quantized."""
    head = ["network", *RUNTIMES, "plugins", "engine MB", "build s", "export s", "parity s"]
    return "\n".join([f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *map(row, reports)])


def tables(reports: Sequence[Json]) -> str:
    """A table for each kind of reports that are there."""
    plain = [report for report in reports if not PRECISIONS[report["precision"]].quantized]
    plain = [one for one in plain if one["task"] == CLASSIFICATION.name and one["runs"]]
    rows = [measured(report) for report in reports]
    found = [table(plain)] if plain else []
    if narrow := quantized_rows(rows):
        found.append(networks_table(rows))
        kinds = {kind for row in narrow for kind in row["answers"]}
        found += [write(rows) for kind, write in TABLES.items() if kind in kinds]
    return "\n\n".join(found) + "\n"
