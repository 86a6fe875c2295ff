"""report.html: one file that opens offline, and what it shares with the page of an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmamba_deploy.artifacts.atomic import atomic_write
from vmamba_deploy.files import human_size, readable
from vmamba_deploy.precisions import precision_named
from vmamba_deploy.reports.columns import (
    COLUMNS,
    EXPLANATIONS,
    figure,
    figure_kinds,
    furthest_of,
    percent,
)
from vmamba_deploy.reports.model import Report

if TYPE_CHECKING:
    import jinja2

    from vmamba_deploy.reports.pictures import Picture

_DASH = "\N{EN DASH}"


def write_page(text: str, path: Path) -> None:
    """Write a page, whole or not at all.

    Raises:
        ResourceError, UsageError: the disk is full, or the place not writable.
    """
    with atomic_write(path) as temporary:
        temporary.write_text(readable(text), encoding="utf-8")


def render_html(report: Report, pictures: Sequence[Picture] = ()) -> str:
    """The page, with style and drawings inside; every value is escaped."""
    from markupsafe import Markup

    from vmamba_deploy.reports.plots import layer_error_svg
    from vmamba_deploy.reports.quantization_plot import selection_svg

    filters = {
        "figure": figure,
        "percent": percent,
        "size": size,
        "seconds": seconds,
    }
    drawn = [series for series in report.layers if series.errors]
    # matplotlib escapes the labels in the SVG that it writes.
    plot = Markup(layer_error_svg(drawn)) if drawn else None
    facts = report.quantization.facts if report.quantization is not None else None
    curve = selection_svg(facts) if facts is not None else None
    return page_template("report.html.j2", filters).render(
        report=report,
        plot=plot,
        curve=Markup(curve) if curve is not None else None,
        pictures=pictures,
        kinds=figure_kinds(report.runs),
        columns=COLUMNS,
        furthest_of=furthest_of,
        figure_kinds=figure_kinds,
        explanations=[EXPLANATIONS[kind] for kind in figure_kinds(report.runs)],
        kind_of=type,
        flat=any(one.flat for run in report.runs for one in run.inputs),
        flat_limits=precision_named(report.precision).flat_thresholds,
    )


def page_template(name: str, filters: Mapping[str, Callable[..., Any]]) -> jinja2.Template:
    """A template of this package: every value is escaped, and one that is missing is an error."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vmamba_deploy.reports", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= dict(filters)
    return environment.get_template(name)


def size(size_bytes: int | None) -> str:
    """Bytes as `human_size` writes them."""
    return _DASH if size_bytes is None else human_size(size_bytes)


def seconds(value: float | None) -> str:
    """A duration, in ms below one second."""
    if value is None:
        return _DASH
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"
