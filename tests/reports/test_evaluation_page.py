import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import pytest

from vmamba_deploy.evaluation.judging import Thresholds
from vmamba_deploy.evaluation.report_data import (
    ArtifactInfo,
    DataInfo,
    EvaluationReport,
    RunInfo,
    Thumbnail,
    data_name,
)
from vmamba_deploy.evaluation.results import ImageResult, ReferenceResult
from vmamba_deploy.evaluation.samples import DataSet, Sample
from vmamba_deploy.evaluation.summary import summarise
from vmamba_deploy.reports.evaluation_page import render_evaluation
from vmamba_deploy.reports.evaluation_views import evaluation_document
from vmamba_deploy.reports.evaluation_views.classification import CLASSIFICATION_VIEW
from vmamba_deploy.reports.html_file import write_page
from vmamba_deploy.reports.json_file import plain, write_json
from vmamba_deploy.reports.plots import short
from vmamba_deploy.reports.schema import schema_of


def evaluation_as_json(report):
    return plain(evaluation_document(report))


NAMES = ("ant", "bee", "<b>cow</b>", "dog", "eel", "fly", "gnu with a very long name indeed")
PIXEL = "data:image/png;base64,iVBORw0KGgo="


def results(count, *, against):
    """Every fifth is wrong; every tenth changed class; the second could not be read."""
    for index in range(count):
        label, wrong = index % 7, index % 5 == 4
        first = (label + 2) % 7 if wrong else label
        reference = None
        if against:
            before = (first + 1) % 7 if index % 10 == 9 else first
            reference = ReferenceResult(before, 0.1 * index, 1e-9, 3.0, 1e-4, 1.0, 7.5)
        if index == 1:
            yield ImageResult(index, error="bee/1.png is damaged")
        else:
            known = {"top": (first, 6 - first), "margin": 0.5, "probability": 0.9}
            yield ImageResult(index, 3.5, 1.25, reference=reference, **known)


def make(*, against=True, shortfalls=(), count=70, names=NAMES, **changes):
    samples = tuple(
        Sample(Path(f"/d/{n}.png"), f"{names[n % 7]}/{n}.png", n % 7) for n in range(count)
    )
    data = DataSet(Path("/d"), "folder", samples, names, "folder names are the model's labels")
    summary = summarise(data, results(count, against=against), top_k=2)
    shown = CLASSIFICATION_VIEW.pictured(summary)
    report = EvaluationReport(
        artifact=ArtifactInfo("artifacts/x", "pets-fp16", "ab" * 32, "custom", "fp16", "ort"),
        data=DataInfo("/d", "pets/test", "folder", 200, count, names, data.rule, "cd" * 32),
        run=RunInfo(count, 2.0, 32, 1, False, 2, 0),
        summary=summary,
        thresholds=Thresholds(min_top1_percent=75.0),
        against="PyTorch fp32, weights 0123456789abcdef" if against else None,
        shortfalls=shortfalls,
        created="2026-11-24T12:00:00+00:00",
        thumbnails=tuple(Thumbnail(index, PIXEL) for index in sorted(shown)),
    )
    return replace(report, **changes)


class Page(HTMLParser):
    """Collects the text, the tags and what refers to elsewhere; every tag must be closed."""

    VOID = frozenset({"meta", "img", "br", "path", "use", "rect"})

    def __init__(self, html):
        super().__init__()
        self.open, self.text, self.references, self.tags, self.title = [], [], [], [], ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.references += [
            value for name, value in attributes if name in {"href", "src", "data", "action"}
        ]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)
        self.title += data if self.open[-1:] == ["title"] else ""

    def words(self):
        return re.sub(r"\s+", " ", " ".join(self.text))


def test_the_page_tells_what_was_measured():
    page = Page(render_evaluation(make()))
    words = page.words()
    for text in (
        "passed",
        "79.71%",  # 55 of 69
        "55 of 69",
        "pets-fp16 on pets/test",
        "7 of 69 images changed class",
        "truth gnu with a very long name indeed prediction bee probability 90.00%",
        "PyTorch alone: 133/s",
        "ort, batches of 32, one process",
        "Unreadable: 1 image ",
        "bee/1.png is damaged",
        "70 of 200, evenly spread",
        "800/s",  # 1.25 ms
        "35/s",
        "3.5 ms",
        "top-1 at least 75.0%; at most 0 images changed",
    ):
        assert text in words, text
    # 14 wrong images, and 7 that changed class.
    assert page.references.count(PIXEL) == 21
    assert "pets-fp16 on pets/test" in page.title


def test_the_page_needs_nothing_from_elsewhere():
    html = render_evaluation(make())
    page = Page(html)
    beside = {"predictions.csv", "evaluation.json"}
    others = [one for one in page.references if one not in beside]
    assert all(one.startswith(("#", "data:image/png;base64,")) for one in others)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert "@import" not in html
    assert "url(http" not in html


def cells(html, table):
    """Of the table whose class starts so: text by row, without the row's name."""
    body = html.split(f'<table class="{table}')[1].split("<tbody>")[1].split("</tbody>")[0]
    return [re.findall(r"<td[^>]*>([^<]*)</td>", line) for line in body.split("<tr>")[1:]]


def test_the_whole_confusion_matrix_of_a_few_classes():
    report = make()
    drawn = [[int(one or 0) for one in row] for row in cells(render_evaluation(report), "matrix")]
    assert drawn == [list(row) for row in report.summary.confusion.counts]
    assert sum(map(sum, drawn)) == 69


def test_of_many_classes_the_worst_pairs_are_told():
    names = tuple(f"class {index}" for index in range(60))
    samples = tuple(Sample(Path(f"/d/{n}.png"), f"{n}.png", n % 60) for n in range(240))
    data = DataSet(Path("/d"), "folder", samples, names, "rule")
    found = [
        ImageResult(n, 3.5, 1.25, top=(7 if n % 60 == 3 else n % 60,), margin=1, probability=0.9)
        for n in range(240)
    ]
    summary = summarise(data, found, top_k=1)
    report = make(against=False, summary=summary, thumbnails=())
    report = replace(report, data=replace(report.data, class_names=names))
    words = Page(render_evaluation(report)).words()
    assert "Confusion matrix" not in words
    assert "Truth Prediction Images Share class 3 class 7 4 100.00% Classes" in words
    assert "class 7 4 8 50.00% 100.00% 66.66% 7" in words


def test_of_very_many_classes_the_worst_are_in_the_table():
    report = make(against=False)
    one = replace(report.summary.classes[0], name="newt")
    many = tuple(replace(one, index=index, correct=min(index, 10)) for index in range(1003))
    report = replace(report, summary=replace(report.summary, classes=many, confusion=None))
    words = Page(render_evaluation(report)).words()
    assert "1000 of 1003 are shown, evaluation.json has all" in words
    assert words.count("newt") == 1000


def test_a_dozen_images_are_open_and_the_others_on_demand():
    html = render_evaluation(make(against=False, thresholds=Thresholds()))
    before, after = html.split('<details class="more"><summary>2 more</summary>')
    assert (before.count("<img"), after.count("<img")) == (12, 2)
    many = Page(render_evaluation(make(count=700, against=False))).words()
    assert "48 of 140 are shown, predictions.csv has all" in many


def test_names_are_escaped_in_text_and_drawing():
    html = render_evaluation(make())
    assert "<b>cow</b>" not in html
    assert html.count("&lt;b&gt;cow&lt;/b&gt;") >= 3


def test_a_missed_threshold_stands_at_the_top():
    html = render_evaluation(make(shortfalls=("top-1 is 79.71%, asked for is 90%",)))
    assert '<p class="verdict failed">' in html
    assert "asked for is 90%" in html


def test_without_a_reference_there_is_no_word_of_one():
    report = make(against=False, thresholds=Thresholds())
    assert report.verdict == "measured"
    words = Page(render_evaluation(report)).words()
    assert "PyTorch" not in words
    assert "changed class" not in words


def test_nothing_left_to_do_and_nothing_wrong():
    report = make(count=1, run=RunInfo(0, 0.0, 32, 0, False, 2, 1), thumbnails=())
    words = Page(render_evaluation(report)).words()
    assert "every image was in the journal already" in words
    assert "None: every image is right." in words
    assert "None: every image has the class that PyTorch gives." in words


def test_no_image_could_be_read():
    data = DataSet(Path("/d"), "folder", (Sample(Path("/d/0"), "0", 0),), NAMES, "rule")
    summary = summarise(data, [ImageResult(0, error="damaged")], top_k=2)
    report = make(count=2, summary=summary, thumbnails=())
    words = Page(render_evaluation(report)).words()
    for absent in ("Time per image", "Artefact alone", "Confusion", "Calibration"):
        assert absent not in words
    assert evaluation_as_json(report)["top1"]["share"] is None


@pytest.mark.parametrize("against", [True, False])
def test_the_json_fits_its_schema_and_keeps_the_figures(tmp_path, against):
    report = make(against=against)
    write_json(evaluation_document(report), tmp_path / "evaluation.json")
    content = json.loads((tmp_path / "evaluation.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema_of("evaluation"))
    jsonschema.validate(content, schema_of("evaluation"))
    assert content["top1"]["count"] == 55
    assert content["run"]["images_per_second"] == 35.0
    assert content["skipped"] == [["bee/1.png", "bee/1.png is damaged"]]
    assert (content["agreement"] is not None) == against
    assert "thumbnails" not in content


def test_the_json_lists_a_thousand_changes_and_counts_all():
    content = evaluation_as_json(make(count=10_030))["agreement"]
    assert (content["changed_images"], len(content["changed"])) == (1003, 1000)


def test_figures_that_are_not_finite_become_null():
    report = make()
    broken = replace(report.summary.agreement, nmse=float("nan"), max_abs=float("inf"))
    content = evaluation_as_json(
        replace(report, summary=replace(report.summary, agreement=broken))
    )["agreement"]
    jsonschema.validate(content["nmse"], {"type": "null"})
    assert (content["nmse"], content["max_abs"]) == (None, None)


def test_files_appear_whole_or_not_at_all(tmp_path, monkeypatch):
    (tmp_path / "evaluation.html").write_text("older")
    monkeypatch.setattr(
        Path, "write_text", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        write_page(render_evaluation(make()), tmp_path / "evaluation.html")
    assert [one.name for one in tmp_path.iterdir()] == ["evaluation.html"]
    assert (tmp_path / "evaluation.html").read_bytes() == b"older"


@pytest.mark.parametrize(
    ("path", "split", "name"),
    [
        ("flowers", None, "flowers"),
        ("flowers/Test", None, "flowers/Test"),
        ("flowers", "validation", "flowers/validation"),
        ("flowers/instances_val2017.json", None, "instances_val2017"),
    ],
)
def test_what_a_data_set_is_called(tmp_path, monkeypatch, path, split, name):
    (tmp_path / "flowers" / "Test").mkdir(parents=True)
    (tmp_path / "flowers" / "instances_val2017.json").touch()
    assert data_name(tmp_path / path, split) == name
    monkeypatch.chdir(tmp_path / path if (tmp_path / path).is_dir() else tmp_path / "flowers")
    assert data_name(Path(), split).startswith("flowers")


def test_long_names_are_cut_on_the_axes():
    assert short(NAMES[6]) == "gnu with a very long \N{HORIZONTAL ELLIPSIS}"
    assert short("ant") == "ant"
