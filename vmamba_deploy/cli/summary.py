"""The tables that end a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmamba_deploy.errors import ExitCode
from vmamba_deploy.files import human_size

if TYPE_CHECKING:
    from pathlib import Path

    from rich.table import Table

    from vmamba_deploy.artifacts.manifest import Manifest
    from vmamba_deploy.cli.terminal import Terminal
    from vmamba_deploy.parity.results import RunResult
    from vmamba_deploy.pipeline.export import ExportOutcome
    from vmamba_deploy.quantization.results import QuantizationProof

_STATUS_STYLE = {"passed": "green", "failed": "bold red", "skipped": "yellow", "slow": "yellow"}


def table(title: str, *columns: str) -> Table:
    """An empty table; columns whose name starts with `>` are aligned to the right."""
    from rich.table import Table

    drawn = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        right = column.startswith(">")
        drawn.add_column(column.lstrip(">"), justify="right" if right else "left", overflow="fold")
    return drawn


def show_export(terminal: Terminal, outcome: ExportOutcome) -> None:
    """Draw files, parity and times of an export, and its verdict."""
    terminal.show(files_table(outcome.folder, outcome.manifest))
    if outcome.parity:
        terminal.show(parity_table(outcome.parity, outcome.verdict.reference))
    if outcome.proof is not None:
        terminal.show(proof_table(outcome.proof))
    times = table("\nTime", "step", ">seconds")
    for step, seconds in outcome.seconds.items():
        times.add_row(step, f"{seconds:.1f}")
    times.add_row("total", f"{sum(outcome.seconds.values()):.1f}", style="bold")
    terminal.show(times)
    terminal.verdict(_verdict(outcome), good=outcome.exit_code == ExitCode.OK)


def files_table(folder: Path, manifest: Manifest) -> Table:
    """One row per file of a folder: name, size, start of its sha256."""
    files = table(f"\nFiles in {folder}", "file", ">size", "sha256")
    for name, described in sorted(manifest.files.items()):
        files.add_row(name, human_size(described.size_bytes), described.sha256[:16])
    return files


def parity_table(records: tuple[RunResult, ...], reference: str) -> Table:
    """One row per runtime: what it measured, or why it was skipped."""
    from rich.text import Text

    from vmamba_deploy.reports.columns import COLUMNS, figure_kinds, furthest_of

    kind = next(iter(figure_kinds(records)), None)
    columns = [column for column in COLUMNS[kind] if column.short] if kind else []
    titles = [f">{column.title.lower()}" for column in columns]
    judged = any(record.elements for record in records)
    titles += [">beyond tolerance", ">worst"] if judged else []
    drawn = table(f"\nParity with {reference}", "runtime", "status", *titles, "reason")
    for record in records:
        furthest = furthest_of(record, kind) if kind else None
        cells = [column.text(furthest[1]) if furthest else "" for column in columns]
        if judged:
            found = record.elements
            cells += (
                [f"{found.beyond} of {found.elements}", f"{found.worst:.3g}x"]
                if found
                else ["", ""]
            )
        status = Text(record.status, _STATUS_STYLE[record.status])
        drawn.add_row(record.runtime, status, *cells, record.reason or "")
    return drawn


def proof_table(proof: QuantizationProof) -> Table:
    """One row for each part of the proof of what was quantized, beside the parity of the file."""
    from rich.text import Text

    facts, title = proof.facts, "\nQuantized by another tool"
    if facts is not None:
        count = f"{facts.products} of {len(facts.layers)} layers"
        title = f"\nQuantized: {count}, {facts.share:.0%} of their multiply-adds"
    drawn = table(title, "part", "status", "reason")
    runs = [(f"base in {run.runtime}", run.status, run.reason or "") for run in proof.base]
    checks = [(check.name, check.status, check.reason) for check in proof.checks]
    for part, status, reason in [*runs, *checks]:
        drawn.add_row(part, Text(status, _STATUS_STYLE[status]), reason)
    return drawn


def _verdict(outcome: ExportOutcome) -> str:
    what = f"{outcome.manifest.preset} in {outcome.manifest.precision}"
    said = f"{what}: {outcome.verdict.sentence}"
    if outcome.exit_code != ExitCode.OK:
        return f"{said}; see report.html in {outcome.folder}{_instead(outcome)}"
    return f"{said}; written to {outcome.folder}"


def _instead(outcome: ExportOutcome) -> str:
    """What to try where all layers were quantized and that failed."""
    facts = outcome.proof.facts if outcome.proof is not None else None
    if facts is None or facts.max_nmse is not None:
        return ""
    return "; --precision auto leaves out the layers that cost the most"
