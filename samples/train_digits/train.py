"""Train a micro VMamba on scikit-learn's digits: `python -m samples.train_digits.train`."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import click

from vmamba_deploy.cli.reporting import run_program

WEIGHTS = Path(__file__).with_name("digits.safetensors")


@click.command()
@click.option("--epochs", type=click.IntRange(1), default=40, show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=WEIGHTS,
    help="The weights, safetensors.  [default: digits.safetensors beside this file]",
)
@click.option(
    "--images",
    type=click.IntRange(64, 1347),
    default=1347,
    show_default=True,
    help="Train on the first N of the training images only.",
)
@click.option(
    "--data-out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Train nothing: write the images of both splits to FOLDER/train and FOLDER/test.",
    metavar="FOLDER",
)
def command(epochs: int, seed: int, output: Path, images: int, data_out: Path | None) -> None:
    """Train a micro VMamba on 1347 images of digits and test it on the other 450.

    The same machine gives the same file every time.
    """
    if data_out is not None:
        write_data(data_out)
    else:
        train_and_save(epochs, seed, output, images)


def write_data(folder: Path) -> None:
    """Write both splits as trees of PNG files, each with a labels.csv."""
    from samples.train_digits.digits_data import read_digits, write_images

    for split in ("train", "test"):
        digits = read_digits(split)
        click.echo(f"{write_images(digits, folder / split)}: {len(digits)} images")


def train_and_save(epochs: int, seed: int, output: Path, images: int) -> None:
    """Train, tell both accuracies, and write the weights."""
    from samples.train_digits.digits_data import read_digits
    from samples.train_digits.micro_vmamba import new_network, save_network
    from samples.train_digits.training import TrainingPlan, accuracy, train

    started = time.perf_counter()
    learned, unseen = read_digits("train").first(images), read_digits("test")
    network = new_network(seed)

    def tell(epoch: int, loss: float) -> None:
        seconds = time.perf_counter() - started
        click.echo(f"epoch {epoch:3d} of {epochs}  loss {loss:.4f}  {seconds:5.1f} s")

    train(network, learned, TrainingPlan(epochs=epochs, seed=seed), tell)
    for name, digits in (("train", learned), ("test", unseen)):
        click.echo(f"{name} accuracy {accuracy(network, digits):.2%} of {len(digits)} images")
    save_network(network, output)
    content = output.read_bytes()
    click.echo(f"{output}: {len(content):,} bytes, sha256 {hashlib.sha256(content).hexdigest()}")


def main() -> None:
    """Run the command; errors that the user can act on end it as those of the product do."""
    run_program(command, "python -m samples.train_digits.train")


if __name__ == "__main__":
    main()
