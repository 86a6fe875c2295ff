"""Whole networks."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click

from benchmarks.commands.options import DEVICE, JSON, ON_GPU, ROUNDS, THREADS, TINY, give
from benchmarks.texts import dense_text, floor_text, layers_text, model_text, rows_text, vim_text
from vmamba_deploy.errors import ExitCode


@click.command()
@click.option("--model", "preset", default="t", show_default=True)
@click.option("--batch", type=click.IntRange(1), default=1, show_default=True)
@click.option("--image-size", type=click.IntRange(32), default=224, show_default=True)
@DEVICE
@click.option(
    "--competitor",
    "names",
    multiple=True,
    help="May be repeated; default: all but those that compile for minutes.",
)
@THREADS
@ROUNDS
@TINY
@JSON
def model(
    preset: str,
    batch: int,
    image_size: int,
    device: str,
    names: tuple[str, ...],
    threads: int,
    rounds: int,
    tiny: bool,
    json_path: Path | None,
) -> None:
    """A whole network: every runtime of this machine, fp32 on the CPU and fp16 on a GPU."""
    from benchmarks.competitors import Entrants, chosen_competitors, compare_model
    from benchmarks.networks import REHEARSED

    if tiny:  # whatever was asked for, in its smallest form on the CPU
        preset, batch, image_size, rounds = REHEARSED, 2, 32, 2
        names = ("pytorch-plain-chain",)
    chosen_competitors(device, names)  # a wrong name is told before minutes of export
    with tempfile.TemporaryDirectory() as folder:
        entrants = Entrants(preset, batch, threads, device, Path(folder), image_size)
        results = compare_model(entrants, rounds, names)
    give(model_text, results, json_path)
    if results["failed"]:
        sys.exit(int(ExitCode.PARITY_FAILED))


@click.command()
@ON_GPU
@TINY
@JSON
def layers(device: str, tiny: bool, json_path: Path | None) -> None:
    """The time of every operation of VMamba-T in fp16 at batch 128."""
    from benchmarks.gpu.network import time_layers

    give(layers_text, time_layers(device, tiny=tiny), json_path)


@click.command()
@ON_GPU
@TINY
@JSON
def resolutions(device: str, tiny: bool, json_path: Path | None) -> None:
    """What a pixel of the image costs in VMamba-T at five sizes of image."""
    from benchmarks.gpu.network import time_resolutions

    give(rows_text, time_resolutions(device, tiny=tiny), json_path)


@click.command()
@THREADS
@click.option("--rounds", default=5, show_default=True, help="Interleaved rounds.")
@JSON
def dense(threads: int, rounds: int, json_path: Path | None) -> None:
    """Segmentation and detection in ONNX Runtime: time, memory and the ops' share, on the CPU."""
    from benchmarks.dense_networks import compare_dense

    give(dense_text, compare_dense(threads, rounds), json_path)


@click.command()
@THREADS
@click.option("--rounds", default=40, show_default=True, help="Interleaved rounds.")
@JSON
def vim(threads: int, rounds: int, json_path: Path | None) -> None:
    """Vim-tiny beside DeiT-Ti in ONNX Runtime on the CPU, and what neither can be faster than."""
    from benchmarks.beside_deit import compare_beside_deit

    give(vim_text, compare_beside_deit(threads, rounds), json_path)


@click.command("network-floor")
@click.option("--model", "preset", default="t", show_default=True)
@click.option("--batch", "batches", multiple=True, type=click.IntRange(1), default=(128, 1))
@JSON
def network_floor_command(preset: str, batches: tuple[int, ...], json_path: Path | None) -> None:
    """The least time of every layer on an H100, from its bytes, products and special functions."""
    from benchmarks.network_floor import network_floor
    from vmamba_deploy.models import resolve_preset

    give(floor_text, network_floor(resolve_preset(preset).name, batches), json_path)
