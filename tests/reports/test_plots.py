from dataclasses import replace

import pytest

from vmamba_deploy.parity.localise import LayerError
from vmamba_deploy.reports.plots import layer_error_svg, short_name


@pytest.mark.parametrize(
    ("layer", "short"),
    [
        ("patch_embed", "stem"),
        ("layers.2.blocks.11", "2.11"),
        ("model.layers.0.downsample", "0 down"),
        ("classifier", "classifier"),
    ],
)
def test_short_names(layer, short):
    assert short_name(layer) == short


def test_drawing_takes_the_pages_colour_and_names_every_runtime(make_series):
    svg = layer_error_svg([make_series(), make_series("onnxruntime-library", 1e-12)])
    assert svg.startswith("<svg")
    assert "currentColor" in svg
    assert "#123456" not in svg
    assert "onnxruntime-body" in svg
    assert "onnxruntime-library" in svg


def test_exact_agreement_and_missing_layers_can_be_drawn(make_series):
    series = make_series()
    exact = replace(series, errors=tuple(LayerError(e.layer, 0.0, 0.0, 1.0) for e in series.errors))
    shorter = replace(series, runtime="onnxruntime-library", errors=series.errors[:3])
    assert "2.7" in layer_error_svg([exact, shorter])
