"""`vmamba-deploy analyze`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vmamba_deploy.cli.parameters import BatchList, ImageSize
from vmamba_deploy.cli.reporting import reporting

if TYPE_CHECKING:
    from vmamba_deploy.cli.terminal import Terminal
    from vmamba_deploy.pipeline.analyze import NetworksPlan

_NETWORKS = (
    click.option("-m", "--model", help="Preset or alias.  [default: t, or what the weights tell]"),
    click.option(
        "--weights",
        default="random",
        show_default=True,
        help="Checkpoint file, https URL, or 'random'.",
    ),
    click.option(
        "--beside",
        multiple=True,
        metavar="timm:NAME[,KEY=N]",
        help="A network of timm's to measure as well, with random weights; may be given several "
        "times. KEY=N goes to its set_input_size: timm:swin_tiny_patch4_window7_224,window_size=7.",
    ),
    click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, help="Of random weights."),
    click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Folder of the JSON file and the figure.  [default: analyses/ANALYSIS-NAME]",
    ),
)


def _networks_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_NETWORKS):
        command = option(command)
    return command


@click.group("analyze")
def command() -> None:
    """Look at networks as the paper does: what they see, and what larger images cost."""


@command.command("receptive-field")
@click.option(
    "--image-size", type=ImageSize(), help="n or HxW.  [default: that of the weights, else 224]"
)
@click.option(
    "--images",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Folder of images, at any depth, to average over.  [default: six photographs]",
)
@click.option("--limit", type=int, help="Take so many images, evenly spread.")
@reporting
@_networks_options
def receptive_field(terminal: Terminal, **options: Any) -> None:
    """Measure how much each pixel of an image adds to the centre of the last feature map.

    Before training and, with --weights, after it. Writes receptive_field.json and .svg.
    """
    from vmamba_deploy.cli.summary import table
    from vmamba_deploy.pipeline.analyze import FieldPlan, analyze_receptive_field

    networks = _networks_plan(options)
    report, folder = analyze_receptive_field(networks, FieldPlan(**options), terminal.on_event)
    shares = [extent.share for extent in report.fields[0].extents]
    drawn = table(
        "\nReceptive fields: radius in pixels that holds a share, and the area of the square",
        "network",
        *(f">{share:.0%}" for share in shares),
        *(f">area of {share:.0%}" for share in shares),
    )
    for one in report.fields:
        drawn.add_row(
            one.title,
            *(f"{extent.radius_pixels:.1f}" for extent in one.extents),
            *(f"{extent.square_share:.1%}" for extent in one.extents),
        )
    terminal.show(drawn)
    terminal.verdict(f"receptive fields: written to {folder}", good=True)
    terminal.result({"receptive_field": report, "files": _files(folder, "receptive_field")})


@command.command("resolution")
@click.option(
    "--sizes",
    "sides",
    type=BatchList(),
    default="128,192,256,384,512,768,1024",
    show_default=True,
    help="Sides of the square images in pixels.",
)
@click.option("--rounds", type=int, default=5, show_default=True, help="Turns of each network.")
@click.option("--threads", type=click.IntRange(0, 1024), default=0, help="0: ONNX Runtime's own.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Labelled images for the accuracy: a folder of a folder per class, or a CSV file.",
)
@click.option(
    "--classes",
    "classes_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The name in the data of class 0, of class 1, ..., one a line.",
)
@click.option("--limit", type=int, help="Take so many labelled images, evenly spread.")
@reporting
@_networks_options
def resolution(terminal: Terminal, **options: Any) -> None:
    """Measure time, memory, multiply-adds and accuracy of a classifier over sizes of image.

    One image a call in ONNX Runtime, fp32, on the CPU. Writes resolution.json and .svg.
    """
    from vmamba_deploy.cli.summary import table
    from vmamba_deploy.evaluation.intervals import percent
    from vmamba_deploy.files import human_size
    from vmamba_deploy.pipeline.analyze import SizesPlan, analyze_resolution

    networks = _networks_plan(options)
    report, folder = analyze_resolution(networks, SizesPlan(**options), terminal.on_event)
    columns = (">side", ">median ms", ">CPU ms", ">floor ms", ">memory", ">G multiply-adds")
    drawn = table("\nOver sizes", "network", *columns, ">top-1")
    for curve in report.curves:
        for one in curve.figures:
            drawn.add_row(
                curve.network,
                str(one.side),
                f"{one.median_ms:.1f}",
                f"{one.cpu_ms:.1f}",
                f"{one.floor_ms:.1f}",
                human_size(one.model_bytes),
                f"{one.multiply_adds / 1e9:.2f}",
                percent(one.top1.share) if one.top1 is not None else "",
            )
    terminal.show(drawn)
    growth = table(
        "\nExponent of the growth with pixels; 1 is linear",
        *("network", ">time", ">CPU time", ">memory", ">multiply-adds"),
    )
    for curve in report.curves:
        if curve.exponents is not None:
            powers = (getattr(curve.exponents, each.name) for each in fields(curve.exponents))
            growth.add_row(curve.network, *(f"{power:.2f}" for power in powers))
    terminal.show(growth)
    terminal.verdict(f"sizes: written to {folder}", good=True)
    terminal.result({"resolution": report, "files": _files(folder, "resolution")})


def _files(folder: Path, name: str) -> list[Path]:
    return [folder / f"{name}{suffix}" for suffix in (".json", ".svg")]


def _networks_plan(options: dict[str, Any]) -> NetworksPlan:
    """Take what `_NETWORKS` added out of a command's options."""
    from vmamba_deploy.pipeline.analyze import NetworksPlan

    values = {one.name: options.pop(one.name) for one in fields(NetworksPlan)}
    if values["model"] is None and values["weights"] == "random":
        values["model"] = "t"
    return NetworksPlan(**values)
