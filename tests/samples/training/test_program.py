from __future__ import annotations

from dataclasses import replace

import pytest
from click.testing import CliRunner

from samples.train_digits.digits_data import read_digits
from samples.train_digits.sample import DIGITS
from samples.training.program import train_and_save, training_command
from vmamba_deploy.errors import UsageError


def test_more_images_than_there_are(tmp_path):
    with pytest.raises(UsageError, match="--images 1348: there are 1347 to learn from"):
        train_and_save(DIGITS, tmp_path / "a.safetensors", 1348)
    assert not list(tmp_path.iterdir())


def test_what_is_said_of_a_sample_s_images_is_that_of_its_splits(tmp_path):
    """The network learns the first split, and the second alone says how well."""
    asked = []

    def read(split):
        asked.append(split)
        return read_digits("train" if split == "learned" else "test").first(64)

    sample = replace(DIGITS, read=read, splits=("learned", "judged", "unseen"))
    output = tmp_path / "a.safetensors"
    arguments = ["--epochs", "1", "--images", "64", "--output", str(output)]
    told = CliRunner().invoke(training_command(sample), arguments)
    assert told.exit_code == 0, told.output
    assert "learned accuracy" in told.output
    assert "judged accuracy" in told.output
    assert asked == ["learned", "judged"]
    assert output.is_file()
