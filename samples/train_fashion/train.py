"""Train a micro VMamba on Fashion-MNIST: `python -m samples.train_fashion.train`."""

from __future__ import annotations

from samples.train_fashion.sample import FASHION
from samples.training.program import training_command
from vmamba_deploy.cli.reporting import run_program

command = training_command(FASHION)


def main() -> None:
    """Run the command; errors that the user can act on end it as those of the product do."""
    run_program(command, FASHION.program)


if __name__ == "__main__":
    main()
