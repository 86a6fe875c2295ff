"""Train a micro VMamba on handwritten digits: `python -m samples.train_digits.train`."""

from __future__ import annotations

from samples.train_digits.sample import DIGITS
from samples.training.program import training_command
from vmamba_deploy.cli.reporting import run_program

command = training_command(DIGITS)


def main() -> None:
    """Run the command; errors that the user can act on end it as those of the product do."""
    run_program(command, DIGITS.program)


if __name__ == "__main__":
    main()
