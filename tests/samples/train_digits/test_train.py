from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from samples.train_digits import train as train_program
from samples.train_digits.digits_data import LABELS, read_digits
from samples.train_digits.sample import CONFIG
from samples.training.training import accuracy
from vmamba_deploy.errors import ExitCode
from vmamba_deploy.models import load_model

ROOT = Path(__file__).parents[3]
QUICK = ["--epochs", "1", "--images", "192"]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The program as a user starts it, in a process of its own."""
    command = [sys.executable, "-m", "samples.train_digits.train", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)


def sha256_of(output: str) -> str:
    (digest,) = re.findall(r"sha256 ([0-9a-f]{64})", output)
    return digest


@pytest.fixture(scope="module")
def short_training(tmp_path_factory) -> tuple[str, Path]:
    path = tmp_path_factory.mktemp("trained") / "first.safetensors"
    ended = run(*QUICK, "--output", path)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout, path


def test_the_same_command_gives_the_same_bytes(short_training, tmp_path):
    told, path = short_training
    torch.manual_seed(1234)  # the program's own seed decides, not what ran before it
    again = CliRunner().invoke(
        train_program.command, [*QUICK, "--output", str(tmp_path / "b.safetensors")]
    )
    assert again.exit_code == 0, again.output
    assert sha256_of(again.output) == sha256_of(told)
    assert (tmp_path / "b.safetensors").read_bytes() == path.read_bytes()


def test_another_seed_gives_other_weights(short_training, tmp_path):
    arguments = [*QUICK, "--seed", "1", "--output", str(tmp_path / "other.safetensors")]
    ended = CliRunner().invoke(train_program.command, arguments)
    assert ended.exit_code == 0, ended.output
    assert sha256_of(ended.output) != sha256_of(short_training[0])


def test_the_program_tells_both_accuracies(short_training):
    told, _ = short_training
    assert re.search(r"train accuracy \d+\.\d\d% of 192 images", told)
    assert re.search(r"test accuracy \d+\.\d\d% of 450 images", told)


def test_the_file_loads_as_any_checkpoint_does(short_training):
    model = load_model(short_training[1])
    assert model.config == CONFIG
    assert model.class_labels == LABELS


def test_data_out_writes_both_splits_and_trains_nothing(tmp_path):
    arguments = ["--data-out", str(tmp_path / "data"), "--output", str(tmp_path / "none")]
    ended = CliRunner().invoke(train_program.command, arguments)
    assert ended.exit_code == 0, ended.output
    assert len(list((tmp_path / "data" / "train").glob("*/*.png"))) == 1347
    assert len(list((tmp_path / "data" / "test").glob("*/*.png"))) == 450
    assert not (tmp_path / "none").exists()


def test_a_place_that_cannot_be_written_is_a_usage_error(tmp_path):
    (tmp_path / "file").write_text("")
    ended = run("--data-out", tmp_path / "file" / "data")
    assert ended.returncode == ExitCode.USAGE
    assert ended.stderr.startswith("error: cannot write")
    assert "Traceback" not in ended.stderr


def test_the_committed_weights_are_small_and_good(digits_weights):
    assert digits_weights.stat().st_size < 1_000_000
    model = load_model(digits_weights)
    assert model.config == CONFIG
    assert model.class_labels == LABELS
    assert accuracy(model, read_digits("test")) >= 0.97
