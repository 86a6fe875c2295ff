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
    from vmamba_deploy.reports.top_classes import PhotoClasses

_DASH = "\N{EN DASH}"


def write_page(text: str, path: Path) -> None:
    """Write a page, whole or not at all.

    Raises:
        ResourceError, UsageError: the disk is full, or the place not writable.
    """
    with atomic_write(path) as temporary:
        temporary.write_text(readable(text), encoding="utf-8")


def render_html(
    report: Report,
    pictures: Sequence[Picture] = (),
    photos: Sequence[PhotoClasses] = (),
    *,
    json_name: str = "report.json",
) -> str:
    """The page, with style and drawings inside; every value is escaped.

    Args:
        report: everything that is also in the JSON file.
        pictures: of answers that are pictures.
        photos: with their most probable classes.
        json_name: of the JSON file beside the page.
    """
    from markupsafe import Markup

    from vmamba_deploy.reports.comparison_plots import (
        differences_svg,
        input_errors_svg,
        layer_heat_svg,
    )
    from vmamba_deploy.reports.plots import layer_error_svg
    from vmamba_deploy.reports.quantization_plot import selection_svg

    filters = {
        "figure": figure,
        "percent": percent,
        "size": size,
        "probability": "{:.4f}".format,
        "seconds": seconds,
    }
    drawn = [series for series in report.layers if series.errors]
    # matplotlib escapes the labels in the SVG that it writes.
    plot = Markup(layer_error_svg(drawn)) if drawn else None
    limits = precision_named(report.precision).thresholds
    differences = report.differences
    heats = [(series.runtime, layer_heat_svg(series)) for series in drawn]
    by_input = input_errors_svg(report.runs, report.reference)
    facts = report.quantization.facts if report.quantization is not None else None
    curve = selection_svg(facts) if facts is not None else None
    return page_template("report.html.j2", filters).render(
        report=report,
        plot=plot,
        curve=Markup(curve) if curve is not None else None,
        pictures=pictures,
        photos=photos,
        json_name=json_name,
        differences=Markup(differences_svg(differences, limits.max_spread))
        if differences
        else None,
        heats=[(runtime, Markup(svg)) for runtime, svg in heats if svg is not None],
        by_input=Markup(by_input) if by_input is not None else None,
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
