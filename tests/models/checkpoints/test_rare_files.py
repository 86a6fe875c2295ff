"""Files that are rarely met: each goes one way through the readers that others do not."""

from __future__ import annotations

import io
import math
import pickle
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
import torch

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.models.checkpoints import download
from vmamba_deploy.models.checkpoints.images import declared_preprocessing
from vmamba_deploy.models.checkpoints.labels import as_labels, labels_in, palette_in
from vmamba_deploy.models.checkpoints.pickled import read_pickled
from vmamba_deploy.models.checkpoints.prefixes import without_prefix
from vmamba_deploy.models.checkpoints.reading import read_checkpoint
from vmamba_deploy.models.checkpoints.settings import Settings, metadata_values, settings_of
from vmamba_deploy.models.checkpoints.stand_in import StandIn
from vmamba_deploy.models.checkpoints.unreadable import refuse_tensors_within_objects
from vmamba_deploy.preprocessing import Preprocessing

MAGIC, MACHINE = 0x1950A86A20F9469CFC6C, {"little_endian": True}


def older_layout(*programs: Any) -> bytes:
    return b"".join(pickle.dumps(program, protocol=2) for program in programs)


@pytest.mark.parametrize(
    ("programs", "told"),
    [
        ((7, 1001, MACHINE, {}, []), "torch.save did not write"),
        ((MAGIC, 1000, MACHINE, {}, []), "torch.save did not write"),
        ((MAGIC, 1001, {"little_endian": False}, {}, []), "big-endian"),
        ((MAGIC, 1001, 5, {}, []), "big-endian"),
        ((MAGIC, 1001, MACHINE, {}, 5), "storages without names"),
        ((MAGIC, 1001, MACHINE, {}, [5]), "storages without names"),
        ((MAGIC, 1001, MACHINE, {}, ["0"]), "other storages than its tensors want"),
    ],
)
def test_the_older_layout_with_something_else(
    programs: tuple[Any, ...], told: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(older_layout(*programs))
    with pytest.raises(InputFileError, match=told):
        read_pickled(path)


def test_the_older_layout_without_its_last_numbers(tmp_path: Path) -> None:
    buffer, path = io.BytesIO(), tmp_path / "a.pth"
    torch.save({"a": torch.ones(9)}, buffer, _use_new_zipfile_serialization=False)
    path.write_bytes(buffer.getvalue()[:-1])
    with pytest.raises(InputFileError, match="numbers are missing"):
        read_pickled(path)


def test_bytes_as_old_pickles_have_them(tmp_path: Path) -> None:
    """In protocol 2 they are text that is encoded, one text once however often it stands there."""
    path = tmp_path / "a.pth"
    torch.save({"a": bytes([255, 0]), "b": bytes([255, 0])}, path, pickle_protocol=2)
    tree = read_pickled(path)
    assert tree == {"a": b"\xff\x00", "b": b"\xff\x00"}
    program = b"c_codecs\nencode\n(K\x05X\x06\x00\x00\x00latin1tR."
    path.write_bytes(older_layout(MAGIC, 1001, MACHINE) + program + older_layout([]))
    with pytest.raises(InputFileError, match="bytes of something that is no text"):
        read_pickled(path)


def test_a_tensor_without_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({"model": {"a": torch.ones(2), "empty": torch.ones(0, 3)}}, path)
    tensors = read_checkpoint(path).read()
    assert tensors["empty"].shape == (0, 3)
    assert tensors["a"].tolist() == [1, 1]


def test_a_module_with_a_part_that_is_none(tmp_path: Path) -> None:
    module, path = torch.nn.Linear(2, 3), tmp_path / "a.pth"
    module.register_module("norm", None)
    torch.save(module, path)
    assert set(read_checkpoint(path).stored) == {"weight", "bias"}


def test_labels_by_something_that_is_no_number() -> None:
    assert as_labels({"a": "x"}) is None
    assert as_labels({None: "x"}) is None
    assert as_labels({"1": "b", 0: "a"}) == ("a", "b")


def test_settings_in_an_object_and_in_a_value_too_large_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = StandIn("my.Options", state={"img_size": 256, 5: "no name"})
    (found, inner), unread = settings_of({"args": options})
    assert (found.values, unread) == ({"args": options}, ())
    assert (inner.place, inner.values) == ("args", {"img_size": 256})
    monkeypatch.setattr("vmamba_deploy.models.checkpoints.stand_in.MAX_VALUES", 3)
    assert settings_of({"args": [1, 2, 3, 4]}) == ((), ("",))


def test_metadata_that_are_no_json() -> None:
    assert metadata_values({"a": "[1]", "b": "plain"}) == {"a": [1], "b": "plain"}


def test_tensors_within_objects_that_share_parts(tmp_path: Path) -> None:
    shared = StandIn("a.Shared", ([1],))
    shared.state = {"me": shared}
    tree = {"a": shared, "b": [shared, StandIn("a.Other", (shared,))]}
    refuse_tensors_within_objects(tree, tmp_path)  # there is none


def test_a_part_that_stands_there_twice_is_left_out(tmp_path: Path) -> None:
    tensors = {"net.patch_embed.0.weight": 1, "net.layers.0.blocks.0.norm.weight": 2}
    twice = {"net.classifier.head.weight": 3, "classifier.head.weight": 4}
    found = without_prefix(tensors | twice, tmp_path, "net.")
    assert found.tensors["classifier.head.weight"] == 3
    assert found.left_out == ("classifier.head.weight",)


def test_a_stand_in_shows_its_name_alone() -> None:
    assert repr(StandIn("a.B", ("secret",))) == "StandIn('a.B')"


def test_downloads_stay_with_https() -> None:
    opener = download._default_opener()
    (redirects,) = (
        handler
        for handler in opener.handlers
        if isinstance(handler, urllib.request.HTTPRedirectHandler)
    )
    request = urllib.request.Request("https://a.example/x")
    with pytest.raises(urllib.error.URLError, match="not https"):
        redirects.redirect_request(
            request, io.BytesIO(), 302, "Found", Message(), "http://a.example/x"
        )
    followed = redirects.redirect_request(
        request, io.BytesIO(), 302, "Found", Message(), "https://b.example/x"
    )
    assert followed is not None
    assert followed.full_url == "https://b.example/x"


USUAL = Preprocessing()


@pytest.mark.parametrize(
    ("place", "values", "changes", "noted"),
    [
        ("config", {"crop_pct": 0.75}, {"resize_pixels": 298}, ""),
        ("config", {"crop_pct": True}, {}, ""),
        ("config", {"crop_pct": 0.01}, {}, ""),
        ("config", {"crop_pct": 0.1}, {"resize_pixels": 2240}, ""),
        ("config", {"crop_pct": 1}, {"resize_pixels": 224}, ""),
        ("config", {"crop_pct": 1.5}, {}, ""),
        ("config", {"img_size": [3, 256, 192]}, {"crop_pixels": (256, 192)}, ""),
        ("config", {"img_size": [64, 256, 192]}, {"crop_pixels": (256, 192)}, ""),
        ("config", {"img_size": 32}, {"crop_pixels": (32, 32)}, ""),
        ("config", {"img_size": 8192}, {"crop_pixels": (8192, 8192)}, ""),
        ("config", {"img_size": [256]}, {"crop_pixels": (256, 256)}, ""),
        ("config", {"img_size": 31}, {}, ""),
        ("config", {"img_size": 8193}, {}, ""),
        ("config", {"img_size": "224"}, {}, ""),
        ("config", {"interpolation": "spline"}, {}, "interpolation: spline, which is none"),
        ("config", {"resample": 2}, {"interpolation": "bilinear"}, ""),
        (
            "config",
            {"mean": [127.5] * 3, "std": [127.5] * 3},
            {"mean": (0.5,) * 3},
            "mean 0.5 0.5 0.5",
        ),
        ("config", {"mean": [0.1] * 3, "std": [0.2, 0.2, 0]}, {}, ""),
        ("config", {"mean": [0.1, "x", 0.1], "std": [0.2] * 3}, {}, ""),
        ("config", {"mean": [0.1, "x", 0.1, 0.1], "std": [0.2] * 3}, {}, ""),
        ("config", {"mean": [0.1] * 3, "std": [math.inf] * 3}, {}, ""),
        ("config", {"mean": [300] * 3, "std": [50] * 3}, {}, ""),
        ("config", {"mean": [0.1] * 2, "std": [0.2] * 2}, {}, ""),
        ("config", {"mean": 0.1, "std": 0.2}, {}, ""),
        ("config", {"to_rgb": False}, {}, "its images are BGR"),
        ("preprocessor_config.json", {"size": {"shortest_edge": 320}}, {"resize_pixels": 320}, ""),
        ("config", {"size": 256}, {}, ""),
        ("preprocessor_config.json", {"size": {"shortest_edge": 32}}, {"resize_pixels": 32}, ""),
        (
            "preprocessor_config.json",
            {"size": {"shortest_edge": 8192}},
            {"resize_pixels": 8192},
            "",
        ),
        ("preprocessor_config.json", {"size": {"shortest_edge": 31}}, {}, ""),
        ("preprocessor_config.json", {"size": {"shortest_edge": 8193}}, {}, ""),
        ("config", {"mean": [1.5] * 3, "std": [1.5] * 3}, {"mean": (1.5 / 255,) * 3}, ""),
        ("config", {"mean": [1.0] * 3, "std": [0.2] * 3}, {"mean": (1.0,) * 3}, ""),
        ("config", {"mean": [0.0] * 3, "std": [0.2] * 3}, {"mean": (0.0,) * 3}, ""),
        ("config", {"mean": [-0.1] * 3, "std": [0.2] * 3}, {}, ""),
        ("elsewhere.of.it", {"crop_pct": 0.5}, {}, ""),
    ],
)
def test_what_a_configuration_says_of_images(
    place: str, values: dict[str, object], changes: dict[str, object], noted: str
) -> None:
    prepared, told = declared_preprocessing([Settings(place, values)], USUAL)
    for name, value in changes.items():
        assert getattr(prepared, name) == value
    if not changes:
        assert prepared == USUAL
    assert noted in " ".join(told)
    # The size by itself is told by the step that loads the weights.
    assert bool(told) is bool(noted or changes.keys() - {"crop_pixels"})


def test_a_classifier_beside_the_prefix_is_a_part(tmp_path: Path) -> None:
    tensors = {"net.patch_embed.0.weight": 1, "net.layers.0.blocks.0.norm.weight": 2}
    found = without_prefix(tensors | {"classifier.head.weight": 4}, tmp_path, "net.")
    assert found.tensors["classifier.head.weight"] == 4
    assert found.left_out == ()


FITTED = Preprocessing(interpolation="opencv_bilinear", fit=(1333, 800), pad=32)


@pytest.mark.parametrize(
    ("steps", "fit"),
    [
        (
            [{"type": "Load"}, {"type": "Resize", "scale": [512, 2048], "keep_ratio": True}],
            (2048, 512),
        ),
        ([{"scale": (32, 8192), "keep_ratio": True}], (8192, 32)),
        ([{"scale": (31, 512), "keep_ratio": True}], None),
        ([{"scale": (512, 8193), "keep_ratio": True}], None),
        ([{"scale": (512, 512, 512), "keep_ratio": True}], None),
        ([{"scale": (512, 512), "keep_ratio": False}], None),
        ([{"scale": (512, 512)}], None),
        (["Resize", {"scale": 512, "keep_ratio": True}], None),
        ("Resize", None),
    ],
)
def test_the_frame_that_a_test_pipeline_fits_into(steps: Any, fit: tuple[int, int] | None) -> None:
    section = Settings("meta.cfg", {"test_pipeline": steps})
    prepared, told = declared_preprocessing([Settings("", {}), section], FITTED)
    assert prepared.fit == (fit or FITTED.fit)
    assert ("fit into 2048x512" in " ".join(told)) is (fit == (2048, 512))
    # Of a network whose images are cropped, another thing is meant.
    assert declared_preprocessing([section], USUAL)[0] == USUAL


@pytest.mark.parametrize("place", ["meta", "meta.dataset_meta"])
@pytest.mark.parametrize("named", [str.lower, str.upper])
def test_classes_and_colours_of_a_data_set(place: str, named: Any) -> None:
    values = {named("classes"): ("wall", "sky"), named("palette"): [[0, 0, 255], (1, 2, 3)]}
    of_a_data_set, elsewhere = Settings(place, values), Settings("model.neck", values)
    assert labels_in((elsewhere, of_a_data_set)) == ("wall", "sky")
    assert palette_in((elsewhere, of_a_data_set)) == ((0, 0, 255), (1, 2, 3))
    assert labels_in((elsewhere,)) is None
    assert palette_in((elsewhere,)) is None


@pytest.mark.parametrize(
    "palette",
    [
        [],
        "red",
        [[0, 0]],
        [[0, 0, 256]],
        [[0, -1, 0]],
        [[0, 0, True]],
        [["0", 0, 0]],
        [7],
        [[0] * 4],
    ],
)
def test_colours_that_are_none(palette: Any) -> None:
    assert palette_in((Settings("meta", {"PALETTE": palette}),)) is None


def test_a_part_beside_a_dense_network_is_left_out(tmp_path: Path) -> None:
    """Also where it stands behind the prefix of both, for what they have is known."""
    path = tmp_path / "a.pth"
    names = (
        "backbone.patch_embed.0.weight",
        "backbone.layers.0.blocks.0.op.Ds",
        "decode_head.conv_seg.bias",
    )
    tensors = dict.fromkeys((*(f"net.{name}" for name in names), "net.data_preprocessor.mean"), 1)
    found = without_prefix(tensors, path, None)
    assert (found.prefix, set(found.tensors)) == ("net.", set(names))
    assert found.left_out == ("net.data_preprocessor.mean",)
