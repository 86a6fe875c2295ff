"""The program that trains a sample: one command line for all of them."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from samples.training.sample import Sample
from vmamba_deploy.errors import UsageError


def training_command(sample: Sample) -> click.Command:
    """The command that trains a sample's network, or writes its images."""
    return click.Command(
        "train",
        params=_options(sample),
        callback=lambda **asked: _run(sample, **asked),
        help=f"Train a micro VMamba on the {sample.splits[0]} images of {sample.name}, and tell "
        f"its accuracy on the {sample.splits[1]} images. The same machine gives the same file "
        "every time.",
    )


def _options(sample: Sample) -> list[click.Parameter]:
    def option(*names: str, **facts: Any) -> click.Parameter:
        return click.Option(names, show_default=facts.get("default") is not None, **facts)

    splits = ", ".join(f"FOLDER/{split}" for split in sample.splits)
    return [
        option("--epochs", type=click.IntRange(1), default=sample.plan.epochs),
        option("--seed", type=click.IntRange(0, 2**32 - 1), default=sample.plan.seed),
        option(
            "--output",
            type=click.Path(path_type=Path, dir_okay=False),
            help=f"The weights, safetensors.  [default: {sample.weights.name} beside the program]",
        ),
        option(
            "--images",
            type=click.IntRange(sample.plan.batch),
            metavar="N",
            help="Train on the first N of the training images only.",
        ),
        option(
            "--data-out",
            type=click.Path(path_type=Path, file_okay=False),
            metavar="FOLDER",
            help=f"Train nothing: write the images to {splits}.",
        ),
    ]


def _run(
    sample: Sample,
    *,
    epochs: int,
    seed: int,
    output: Path | None,
    images: int | None,
    data_out: Path | None,
) -> None:
    if data_out is not None:
        write_data(sample, data_out)
    else:
        asked = replace(sample, plan=replace(sample.plan, epochs=epochs, seed=seed))
        train_and_save(asked, output or sample.weights, images)


def write_data(sample: Sample, folder: Path) -> None:
    """Write every split as a tree of PNG files with a labels.csv."""
    from samples.training.images import write_images

    for split in sample.splits:
        images = sample.read(split)
        click.echo(f"{write_images(images, folder / split)}: {len(images)} images")


def train_and_save(sample: Sample, output: Path, images: int | None = None) -> None:
    """Train, tell the accuracy on the first two splits, and write the weights.

    Args:
        sample: what to train, and how.
        output: the weights.
        images: train on so many only.

    Raises:
        UsageError: there are not so many, or the output is not writable.
    """
    from samples.training.micro_vmamba import new_network, save_network
    from samples.training.training import accuracy, train

    started = time.perf_counter()
    (learned_name, learned), (judged_name, judged) = (
        (split, sample.read(split)) for split in sample.splits[:2]
    )
    if images is not None and images > len(learned):
        raise UsageError(f"--images {images}: there are {len(learned)} to learn from")
    learned = learned.first(len(learned) if images is None else images)
    network = new_network(sample.config, sample.plan.seed)

    def tell(epoch: int, loss: float) -> None:
        seconds = time.perf_counter() - started
        click.echo(f"epoch {epoch:3d} of {sample.plan.epochs}  loss {loss:.4f}  {seconds:5.1f} s")

    train(network, learned, sample.plan, tell)
    for name, part in ((learned_name, learned), (judged_name, judged)):
        click.echo(f"{name} accuracy {accuracy(network, part):.2%} of {len(part)} images")
    save_network(network, learned.class_labels, sample.preprocessing.crop_pixels, output)
    content = output.read_bytes()
    click.echo(f"{output}: {len(content):,} bytes, sha256 {hashlib.sha256(content).hexdigest()}")
