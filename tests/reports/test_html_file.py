import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from vmamba_deploy.parity.differences import DifferenceHistogram
from vmamba_deploy.parity.localise import LayerError
from vmamba_deploy.precisions import PRECISIONS
from vmamba_deploy.reports.columns import figure, percent
from vmamba_deploy.reports.html_file import render_html, write_page
from vmamba_deploy.reports.model import (
    Command,
    EngineInfo,
    LayerInput,
    LayerSeries,
    TensorInfo,
    WeightsInfo,
)
from vmamba_deploy.reports.top_classes import PhotoClasses
from vmamba_deploy.tasks.classification import Prediction

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Collects the text, and fails on unbalanced tags."""

    def __init__(self, source):
        super().__init__()
        self.open, self.text, self.tags, self.links = [], [], [], []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in {"href", "src", "action"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in {"href", "src", "action"}]

    def handle_data(self, data):
        self.text.append(data)


def test_page_is_well_formed_and_tells_what_ran_and_what_not(make_report, tmp_path):
    write_page(render_html(make_report()), tmp_path / "report.html")
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    text = " ".join(" ".join(page.text).split())
    assert (
        "agrees with PyTorch fp32 in ONNX Runtime; TensorRT-RTX engine built, not executed" in text
    )
    assert "no NVIDIA GPU on this machine" in text
    assert "The weights are random." in text
    assert "63.0 MB" in text
    assert not re.search(r"[KMG]iB", text)
    assert "layers.2" not in text.split("Error by layer")[0]
    assert "svg" in page.tags


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_an_image_of_one_colour_stands_beside_the_limits_by_which_it_was_judged(
    make_report, make_run, precision
):
    limits, flat = PRECISIONS[precision].thresholds, PRECISIONS[precision].flat_thresholds
    run = replace(make_run("onnxruntime-body", "passed"), thresholds=limits)
    text = " ".join(Page(render_html(make_report(run, precision=precision))).text)
    of_black = text.split("black-b1")[1].split("normal-b1")[0]
    for limit in (f"≤ {figure(flat.nmse)}", f"≥ {figure(flat.cosine)}"):
        assert limit in of_black
        assert limit not in text.replace(of_black, "")


def test_page_needs_nothing_from_outside(make_report):
    source = render_html(make_report())
    page = Page(source)
    assert {link for link in page.links if not link.startswith("#")} == {"report.json"}
    assert "script" not in page.tags
    assert not re.search(r"(https?:)?//[a-z]|@import|url\((?!#)", source)


def test_page_shows_inputs_classes_differences_layers_and_commands(make_report, make_series):
    series = make_series()
    inputs = tuple(
        LayerInput(name, tuple(error.nmse for error in series.errors)) for name in ("cat", "black")
    )
    right, wrong = Prediction(3, "tabby", 0.75), Prediction(4, "lynx", 0.625)
    photo = PhotoClasses(
        "cat", "data:,", (right, wrong), {"tensorrt": (right, right), "openvino": None}
    )
    report = make_report(
        layers=(replace(series, inputs=inputs),),
        inputs=(TensorInfo("pixel_values", "float32", ("batch", 3, 224, 224)),),
        differences=(DifferenceHistogram("tensorrt", (1e-3, 1e-2, 1e-1), (3, 4), 5),),
        commands=(Command("export", "vmamba-deploy export --fp16 -o 'a folder'"),),
    )
    page = Page(render_html(report, (), [photo]))
    text = " ".join(" ".join(page.text).split())
    assert "pixel_values float32 batch \N{MULTIPLICATION SIGN} 3" in text
    assert "tabby 0.7500 0.7500 not finite lynx 0.6250 tabby 0.7500 not finite" in text
    assert "tensorrt, 5 of 12 equal" in text
    assert "Error by input" in text
    assert "Layers and inputs, onnxruntime-body" in text
    assert "vmamba-deploy export --fp16 -o 'a folder'" in text
    assert page.links.count("report.json") == 1


def test_hostile_text_is_escaped_everywhere(make_report, make_run):
    evil = "<script>alert('x')</script>\"><img src=x onerror=y>&"
    series = LayerSeries(evil, (LayerError(evil, 1e-3, 1, 1),), 1e-6, evil)
    source = render_html(
        make_report(
            make_run("pytorch", "failed", evil),
            make_run("tensorrt", "skipped", evil),
            preset=evil,
            weights=WeightsInfo(evil, "0" * 64, evil),
            engine=EngineInfo(False, reason=evil),
            tools={evil: evil},
            timings={evil: 1.0},
            layers=(series,),
        )
    )
    page = Page(source)
    assert not {"script", "img"} & set(page.tags)
    assert source.count("&lt;script&gt;") >= 10


def test_failure_names_the_layer_and_the_limit(make_report, make_run, make_series):
    series = make_series(scale=1e-3, drift="layers.2.blocks.5")
    run = make_run("onnxruntime-body", "failed", "nmse 0.02 is above 0.0001")
    text = " ".join(Page(render_html(make_report(run, layers=(series,)))).text)
    assert "ONNX Runtime disagrees with PyTorch fp32" in text
    assert "layers.2.blocks.5" in text
    assert "nmse 0.02 is above 0.0001" in text


def test_pages_without_parity_or_engine(make_report):
    source = render_html(
        replace(make_report(), runs=(), layers=(), engine=EngineInfo(False, reason="not asked for"))
    )
    text = " ".join(Page(source).text)
    assert "not compared with PyTorch" in text
    assert "not asked for" in text


def test_nan_layers_are_drawn(make_report, make_series):
    series = make_series()
    broken = (*series.errors[:-1], LayerError("classifier", float("nan"), 1.0, 0.0))
    source = render_html(make_report(layers=(replace(series, errors=broken),)))
    assert "onnxruntime-body: NaN" in source


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1.0, "1"),
        (1.234e-9, "1.23e-09"),
        (1 - 2e-7, "1 \N{MINUS SIGN} 2e-07"),
        (float("nan"), "NaN"),
    ],
)
def test_figures(value, text):
    assert figure(value) == text


def test_percent_never_rounds_up_to_all():
    assert percent(0.99999) == "99.9%"
    assert percent(1.0) == "100%"
