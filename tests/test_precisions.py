"""The table of precisions: its limits, its names, and the flags made from it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any, get_args

import click
import pytest
from click.testing import CliRunner

from vmamba_deploy.cli.parameters import (
    pop_precision,
    pop_quantization,
    precision_flags,
    quantization_options,
)
from vmamba_deploy.errors import UsageError
from vmamba_deploy.precisions import BASES, PRECISIONS, PrecisionName, precision_named


def test_the_table_has_every_name() -> None:
    assert tuple(PRECISIONS) == get_args(PrecisionName)
    assert all(name == precision.name for name, precision in PRECISIONS.items())


@pytest.mark.parametrize("names", [("fp32", "fp16", "bf16"), ("fp32", "fp16", "int8", "fp8")])
def test_more_bits_mean_tighter_limits(names: tuple[str, ...]) -> None:
    limits = [PRECISIONS[name].thresholds for name in names]
    for tight, wide in itertools.pairwise(limits):
        assert tight.nmse < wide.nmse
        assert tight.cosine > wide.cosine
        assert tight.max_spread < wide.max_spread


@pytest.mark.parametrize("name", PRECISIONS)
def test_flat_images_have_wider_limits_that_still_mean_something(name: str) -> None:
    limits, flat = PRECISIONS[name].thresholds, PRECISIONS[name].flat_thresholds
    assert limits.nmse < flat.nmse < 0.2
    assert limits.max_spread < flat.max_spread
    assert flat.cosine > 0.8


@pytest.mark.parametrize("name", [*PRECISIONS])
def test_a_quantized_precision_has_bases_and_the_others_are_some(name: str) -> None:
    precision = PRECISIONS[name]
    assert precision.quantized == (name not in BASES)
    assert set(precision.bases) <= set(BASES)
    # What limits the base limits what is made of it.
    assert all(PRECISIONS[base].min_opset <= precision.min_opset for base in precision.bases)


def test_an_unknown_precision_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="fp32, fp16, bf16, int8 or fp8, got 'int4'"):
        precision_named("int4")


def test_a_new_entry_is_a_new_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    fp6 = replace(PRECISIONS["fp16"], name="fp6", description="Six bits.")
    monkeypatch.setitem(PRECISIONS, "fp6", fp6)

    @click.command()
    @precision_flags
    def command(**options: bool) -> None:
        click.echo(pop_precision(options))

    assert CliRunner().invoke(command, ["--fp6"]).output == "fp6\n"
    assert CliRunner().invoke(command, []).output == "fp32\n"
    assert "Six bits." in CliRunner().invoke(command, ["--help"]).output


@pytest.mark.parametrize(
    ("said", "precision", "budget"),
    [
        (["--precision", "fp16"], "fp16", None),
        (["--precision", "auto"], "int8", PRECISIONS["int8"].thresholds.nmse / 4),
        (["--precision", "auto", "--max-nmse", "1e-3"], "int8", 1e-3),
        (["--int8"], "int8", None),
    ],
)
def test_a_precision_is_named_by_its_flag_or_by_one_option(
    said: list[str], precision: str, budget: float | None
) -> None:
    assert CliRunner().invoke(_command, said).output == f"{precision} {budget}\n"


def test_two_precisions_are_refused() -> None:
    result = CliRunner().invoke(_command, ["--int8", "--precision", "auto"])
    assert isinstance(result.exception, UsageError)
    assert str(result.exception) == "choose one precision, not --int8 and --precision auto"


@click.command()
@precision_flags
@quantization_options
def _command(**options: Any) -> None:
    click.echo(f"{pop_precision(options)} {pop_quantization(options).max_nmse}")
