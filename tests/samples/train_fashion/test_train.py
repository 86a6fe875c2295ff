from __future__ import annotations

from click.testing import CliRunner

from samples.train_fashion import train as train_program
from samples.train_fashion.fashion_data import LABELS
from samples.train_fashion.sample import CONFIG, FASHION
from samples.training.training import accuracy
from tests.fashion import first_unseen
from vmamba_deploy.models import load_model


def test_the_program_says_what_it_trains():
    told = CliRunner().invoke(train_program.command, ["--help"])
    assert told.exit_code == 0
    assert "the train images of fashion" in told.output
    assert "FOLDER/validation" in told.output
    assert f"[default: {FASHION.plan.epochs};" in told.output


def test_the_network_is_chosen_by_images_that_are_not_for_the_test():
    assert FASHION.splits == ("train", "validation", "test")


def test_the_committed_weights_are_small_and_good():
    assert FASHION.weights.stat().st_size < 2_000_000
    model = load_model(FASHION.weights)
    assert model.config == CONFIG
    assert model.class_labels == LABELS
    assert accuracy(model, first_unseen()) >= 0.9
