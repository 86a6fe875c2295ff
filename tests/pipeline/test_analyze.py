import json
import re
import sys

import jsonschema
import numpy as np
import pytest
import torch
from PIL import Image

from tests.analysis import stub_timm
from vmamba_deploy import extras
from vmamba_deploy.analysis.receptive_field import receptive_field
from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.models import load_model
from vmamba_deploy.models.vmamba.initialization import training_start
from vmamba_deploy.parity.inputs import PHOTOS
from vmamba_deploy.pipeline.analyze import (
    FieldPlan,
    NetworksPlan,
    SizesPlan,
    analyze_receptive_field,
    analyze_resolution,
)
from vmamba_deploy.preprocessing import preprocess
from vmamba_deploy.reports.schema import schema_of

SIDE = 64


def silent(_event):
    """Nobody listens."""


@pytest.fixture
def timm(monkeypatch):
    found = extras.find_spec
    monkeypatch.setitem(sys.modules, "timm", stub_timm)
    monkeypatch.setattr(extras, "find_spec", lambda name: name == "timm" or found(name))


@pytest.fixture(scope="module")
def noise_images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    (folder / "deep").mkdir()
    noise = np.random.default_rng().integers(0, 256, (3, 90, 70, 3), np.uint8)
    for name, pixels in zip(("a.png", "deep/b.JPEG", "c.txt.png"), noise, strict=True):
        Image.fromarray(pixels).save(folder / name)
    (folder / "notes.txt").write_text("no image")
    return folder


def check_files(folder, name, count):
    content = json.loads((folder / f"{name}.json").read_text())
    jsonschema.validate(content, schema_of(name))
    drawn = (folder / f"{name}.svg").read_text()
    assert len(re.findall("<image ", drawn)) >= count
    assert sorted(path.name for path in folder.iterdir()) == [f"{name}.json", f"{name}.svg"]
    return content


def test_fields_are_of_the_weights_before_and_after(digits_weights, noise_images, tmp_path, timm):
    networks = NetworksPlan(None, str(digits_weights), ("timm:plain",), seed=5, output=tmp_path)
    plan = FieldPlan((SIDE, SIDE), noise_images, limit=2)
    report, folder = analyze_receptive_field(networks, plan, silent)
    assert folder == tmp_path
    assert report.images == ("a.png", "c.txt.png")
    titles = [(one.network, one.state) for one in report.fields]
    assert titles == [
        ("digits", "before training"),
        ("digits", "after training"),
        ("timm:plain", "before training"),
    ]
    content = check_files(folder, "receptive_field", 3)
    assert [one["map_size"] for one in content["fields"]] == [[2, 2], [2, 2], [16, 16]]

    # The same through the network alone.
    network = load_model(digits_weights).requires_grad_(False)
    prepared = network_preprocessing(digits_weights).for_size((SIDE, SIDE))
    files = (noise_images / "a.png", noise_images / "c.txt.png")
    pixels = [torch.from_numpy(preprocess(file, prepared)[None]) for file in files]
    for one, weights in zip(report.fields, ("before", "after"), strict=False):
        if weights == "before":
            trained = {name: each.clone() for name, each in network.state_dict().items()}
            training_start(network, seed=5)
        else:
            network.load_state_dict(trained)
        field = receptive_field(lambda one: network.forward_features(one)[-1], pixels)
        radii = [extent.radius_pixels for extent in one.extents]
        assert radii == pytest.approx(expected_radii(field, one), abs=1e-3)


def network_preprocessing(weights):
    from vmamba_deploy.models import load_weights

    return load_weights(str(weights)).preprocessing


def expected_radii(field, facts):
    """By sorting all pixels; the centre of a map of two cells lies at three quarters."""
    place = np.arange(SIDE) + 0.5 - 0.75 * SIDE
    far = np.hypot(place[:, None], place[None, :]).ravel()
    order = np.argsort(far)
    within = np.cumsum(field.ravel()[order]) / field.sum()
    return [far[order][np.argmax(within >= one.share)] for one in facts.extents]


def test_random_weights_are_shown_before_training_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    networks = NetworksPlan("vmamba_tiny_s1l8")
    report, folder = analyze_receptive_field(networks, FieldPlan((32, 64)), silent)
    assert [one.state for one in report.fields] == ["before training"]
    assert report.images == PHOTOS
    assert (report.image_size, report.fields[0].map_size) == ((32, 64), (1, 2))
    assert str(folder) == "analyses/receptive-field-vmamba_tiny_s1l8"
    check_files(folder, "receptive_field", 1)


def test_a_network_without_maps_is_refused(tmp_path):
    networks = NetworksPlan("vim_tiny", output=tmp_path)
    with pytest.raises(UsageError, match="a Vim has no feature maps"):
        analyze_receptive_field(networks, FieldPlan(), silent)
    assert not list(tmp_path.iterdir())


def test_a_folder_without_images(tmp_path, digits_weights):
    networks = NetworksPlan(None, str(digits_weights), output=tmp_path / "out")
    with pytest.raises(InputFileError, match="no image in"):
        analyze_receptive_field(networks, FieldPlan(images=tmp_path), silent)
    with pytest.raises(UsageError, match="--limit must be at least 1"):
        analyze_receptive_field(networks, FieldPlan(images=tmp_path, limit=0), silent)


def test_sizes_are_measured_with_accuracy(digits_weights, digits_folder, tmp_path, timm):
    networks = NetworksPlan(None, str(digits_weights), ("timm:windowed",), output=tmp_path)
    plan = SizesPlan((32, 64), rounds=1, threads=1, data=digits_folder, limit=60)
    told = []
    report, folder = analyze_resolution(networks, plan, told.append)
    assert [curve.network for curve in report.curves] == ["digits", "timm:windowed"]
    ours, other = report.curves
    small, large = ours.figures
    # It reads the size that it was trained with, and enlarged digits worse.
    assert small.top1.total == large.top1.total == report.images == 60
    assert small.top1.share > 0.95
    assert small.top1.count > large.top1.count
    assert all(one.top1 is None for one in other.figures)
    assert ours.exponents.multiply_adds == pytest.approx(1.0, abs=0.02)
    content = json.loads((folder / "resolution.json").read_text())
    jsonschema.validate(content, schema_of("resolution"))
    drawn = (folder / "resolution.svg").read_text()
    for text in ("digits", "timm:windowed", "top-1 accuracy"):
        assert f"<!-- {text}" in drawn or text in drawn
    steps = [event.step for event in told if event.event == "step-finished"]
    assert steps == ["weights", "library", "analyze", "report"]


@pytest.mark.parametrize(
    ("networks", "plan", "word"),
    [
        (NetworksPlan("t"), {"data": "images"}, "random weights have no accuracy"),
        (NetworksPlan("upernet_vmamba_tiny_s1l8"), {}, "is no classifier"),
        (NetworksPlan("t"), {"sides": (16, 64)}, "at least 32 pixels"),
        (NetworksPlan("t"), {"sides": (64, 32)}, "ascend"),
        (NetworksPlan("vim_tiny"), {"sides": (40, 48)}, "patches of 16"),
    ],
)
def test_what_cannot_be_measured_is_refused(tmp_path, networks, plan, word):
    with pytest.raises(UsageError, match=word):
        analyze_resolution(networks, SizesPlan(**plan), silent)
    assert not list(tmp_path.iterdir())
