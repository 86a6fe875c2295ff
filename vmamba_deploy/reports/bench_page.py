"""The page of `vmamba-deploy bench`: one file that opens offline."""

from __future__ import annotations

from itertools import groupby

from vmamba_deploy.reports.bench import BenchReport
from vmamba_deploy.reports.columns import digits
from vmamba_deploy.reports.html_file import page_template, size


def render_bench(report: BenchReport) -> str:
    """The page, with style and drawings inside; every value is escaped."""
    from markupsafe import Markup

    from vmamba_deploy.reports.bench_plots import histogram_svg

    batches = [
        (batch, [(row, Markup(histogram_svg(row.times))) for row in rows])
        for batch, rows in groupby(report.latencies, key=lambda row: row.batch)
    ]
    return page_template("bench.html.j2", {"digits": digits, "size": size}).render(
        report=report, batches=batches, headline=headline(report)
    )


def headline(report: BenchReport) -> str:
    """One sentence: the fastest at each batch size."""
    said = []
    for batch, rows in groupby(report.latencies, key=lambda row: row.batch):
        best = max(rows, key=lambda row: row.images_per_second)
        said.append(f"batch {batch}: {best.runtime}, {digits(best.images_per_second)} images/s")
    return "Fastest at " + "; ".join(said)
