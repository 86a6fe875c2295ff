"""The plots of a comparison show what was measured."""

from __future__ import annotations

import math
import re
from dataclasses import replace

from tests.reports.conftest import layer_series, metrics, run
from vmamba_deploy.parity.differences import DifferenceHistogram
from vmamba_deploy.reports.comparison_plots import (
    differences_svg,
    input_errors_svg,
    layer_heat_svg,
)
from vmamba_deploy.reports.model import LayerInput
from vmamba_deploy.reports.plots import COLOURS

EDGES = (1e-4, 1e-3, 1e-2, 1e-1)


def cells(svg):
    """Fills of the drawn rectangles, of a colour map."""
    return re.findall(r'<path d="[^"]*z\s*"[^>]*style="fill: (#[0-9a-f]{6})"', svg)


def heat(rows):
    series = layer_series()
    inputs = tuple(
        LayerInput(name, tuple(factor * one.nmse for one in series.errors))
        for name, factor in rows.items()
    )
    return layer_heat_svg(replace(series, inputs=inputs))


def test_each_layer_of_each_input_is_a_cell_coloured_by_its_error():
    same, worse = heat({"cat": 1.0, "normal": 1.0}), heat({"cat": 1.0, "normal": 1e6})
    layers = len(layer_series().errors)
    colours = cells(same)[: 2 * layers]
    assert colours[:layers] == colours[layers:]
    colours = cells(worse)[: 2 * layers]
    assert not set(colours[:layers]) & set(colours[layers:])
    assert ">normal<" in worse
    assert "2.5" in worse


def test_a_layer_that_is_nan_is_crossed_out_and_without_inputs_nothing_is_drawn():
    broken = heat({"cat": 1.0, "normal": math.nan})
    layers = len(layer_series().errors)
    assert broken.count(">\N{MULTIPLICATION SIGN}<") == layers
    assert heat({"cat": math.nan}) is None
    assert layer_heat_svg(layer_series()) is None


def test_an_engine_that_ran_has_its_curve_and_its_differences():
    engine = run("tensorrt", "passed", figures=metrics(3e-6))
    svg = input_errors_svg([run("onnxruntime-body", "passed"), engine], "model.onnx in fp32")
    assert "NMSE against model.onnx in fp32" in svg
    assert ">tensorrt<" in svg
    assert COLOURS[1] in svg
    for name in ("photos-b1", "photos-b8", "normal-b1"):
        assert f">{name}<" in svg
    assert "black-b1" not in svg
    histograms = [DifferenceHistogram("tensorrt", EDGES, (5, 2000, 3), 1000)]
    assert "tensorrt, 1,000 of 3,008 equal" in differences_svg(histograms, 0.15)


def test_many_names_of_inputs_stand_upright_and_long_ones_are_cut():
    one = run("tensorrt", "passed")
    few = input_errors_svg([one])
    inputs = tuple(replace(one.inputs[0], name=f"a/long/name/of/a/file/{n}.jpg") for n in range(9))
    many = input_errors_svg([replace(one, inputs=inputs)])
    assert "rotate(-90" in many.partition("matplotlib.axis_2")[0]
    assert "rotate(-90" not in few.partition("matplotlib.axis_2")[0]
    assert "a/long/name/of/a/file\N{HORIZONTAL ELLIPSIS}" in many


def test_without_an_error_to_draw_there_is_no_curve():
    assert input_errors_svg([run("tensorrt", "skipped", "no GPU")]) is None
    assert input_errors_svg([]) is None
    broken = metrics(non_finite=3)
    assert ">tensorrt<" in input_errors_svg([run("tensorrt", "failed", "NaN", broken)])
