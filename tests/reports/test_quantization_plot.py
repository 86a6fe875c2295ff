import re

import pytest

from vmamba_deploy.artifacts.quantization_facts import (
    CalibrationFacts,
    LayerFacts,
    QuantizationFacts,
    SetFacts,
)
from vmamba_deploy.cli.summary import proof_table
from vmamba_deploy.quantization.results import Check, QuantizationProof
from vmamba_deploy.reports.html_file import render_html
from vmamba_deploy.reports.json_file import write_json
from vmamba_deploy.reports.quantization_plot import selection_svg


def facts(**changes):
    costs = {"in_proj": 1e-4, "gate.out_proj": 2.6e-2, "fc1": 3e-4, "fc2": 0.0}
    layers = tuple(
        LayerFacts(
            name=name,
            largest=3.0,
            multiply_adds=1000,
            nmse=cost,
            kept="costs too much" if cost > 1e-3 else None,
        )
        for name, cost in costs.items()
    )
    made = {
        "base": "fp32",
        "images": {"cat.jpg": "0" * 64},
        "samples": 4,
        "layers": layers,
        "max_nmse": 2.5e-3,
        "nmse": 4.2e-4,
        "curve": (
            SetFacts(share=0.5, expected=1e-4, nmse=1.1e-4),
            SetFacts(share=1.0, expected=2.64e-2, nmse=2.5e-2),
        ),
    }
    return QuantizationFacts(**made | changes)


@pytest.fixture
def make_proof(make_run):
    def make(told, *checks):
        return QuantizationProof(told, (make_run("onnxruntime-body", "passed"),), checks)

    return make


def test_the_curve_names_the_dearest_layers_and_takes_the_pages_colour():
    svg = selection_svg(facts())
    assert "currentColor" in svg
    assert "gate.out_proj: 2.6e-02" in svg
    for text in ("measured together", "taken", "budget", "sum of layers alone"):
        assert text in svg


def test_there_is_no_curve_where_no_layer_was_measured():
    plain = tuple(LayerFacts(name="fc1", largest=1.0, multiply_adds=10) for _ in range(2))
    assert selection_svg(facts(layers=plain, max_nmse=None, nmse=None, curve=())) is None


def test_the_page_tells_the_proof_the_share_and_why_layers_were_kept(make_report, make_proof):
    proof = make_proof(facts(), Check("structure", "passed", "the base's graph"))
    source = render_html(make_report(precision="int8", quantization=proof))
    text = " ".join(re.sub("<[^>]*>", " ", source).split())
    assert "3 of 4 layers, 75.0% of their multiply-adds, are in int8" in text
    assert "structure passed the base's graph" in text.replace("&#39;", "'")
    assert "base in onnxruntime-body passed" in text
    assert "gate.out_proj fp32 3 1,000 0.026 costs too much" in text


def test_the_terminal_tells_the_share_and_each_part_of_the_proof(make_proof):
    drawn = proof_table(make_proof(facts(), Check("structure", "failed", "fc1 has other values")))
    assert drawn.title == "\nQuantized: 3 of 4 layers, 75% of their multiply-adds"
    cells = [[str(cell) for cell in column.cells] for column in drawn.columns]
    assert cells[0] == ["base in onnxruntime-body", "structure"]
    assert cells[1:] == [["passed", "failed"], ["", "fc1 has other values"]]
    assert proof_table(make_proof(None)).title == "\nQuantized by another tool"


def test_a_file_of_another_tool_has_its_checks_alone(make_report, make_proof):
    proof = make_proof(None, Check("structure", "passed", "as it was"))
    source = render_html(make_report(precision="int8", quantization=proof))
    assert "Another tool quantized this file" in source
    assert "layers</summary>" not in source


def test_the_record_stands_in_the_json(make_report, make_proof, tmp_path):
    write_json(
        make_report(precision="int8", quantization=make_proof(facts())), tmp_path / "report.json"
    )
    assert '"kept": "costs too much"' in (tmp_path / "report.json").read_text()


def test_hostile_names_are_escaped(make_report, make_proof):
    evil = "<script>x</script>"
    layer = LayerFacts(name=evil, largest=1.0, multiply_adds=10, nmse=1e-3, kept=evil)
    proof = make_proof(facts(layers=(layer,), curve=()), Check(evil, "failed", evil))
    assert "<script" not in render_html(make_report(precision="int8", quantization=proof))


@pytest.mark.parametrize(
    ("largest", "words"),
    [(12.5, "12.5 on 4 samples of 1 files: they are float16."), (9000.0, "9e+03 on")],
)
def test_the_page_tells_how_large_results_of_scans_are(make_report, make_proof, largest, words):
    seen = CalibrationFacts(images={"cat.jpg": "0" * 64}, samples=4, largest_scan=largest)
    quantized = make_proof(facts(base="fp16", largest_scan=largest))
    pages = [
        render_html(make_report(precision="fp16", calibration=seen)),
        render_html(make_report(precision="int8", quantization=quantized)),
    ]
    for page in pages:
        assert f"Results of scans reach {words}" in page
        assert ("they stay float32" in page) == (largest > 8188)
    plain = render_html(make_report(precision="int8", quantization=make_proof(facts())))
    assert "Results of scans" not in plain + render_html(make_report(precision="fp16"))


def test_the_page_names_the_layers_that_were_smoothed(make_report, make_proof):
    layer = LayerFacts(name="out_proj", largest=1.0, multiply_adds=10, smoothed="mnl")
    page = render_html(
        make_report(precision="int8", quantization=make_proof(facts(layers=(layer,), curve=())))
    )
    assert page.count("channels divided by powers of two") == 1
    plain = render_html(make_report(precision="int8", quantization=make_proof(facts())))
    assert "powers of two" not in plain
