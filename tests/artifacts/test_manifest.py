import json
import os
import re
import secrets
import shutil
from pathlib import Path

import jsonschema
import msgspec
import pytest

from tests.artifacts.bad_manifests import GOOD, GOOD_ONES, ROWS, bad_manifest
from vmamba_deploy.artifacts.manifest import (
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    Description,
    read_manifest,
    write_manifest,
)
from vmamba_deploy.artifacts.verification import read_verified, require_files, verify
from vmamba_deploy.errors import IntegrityError
from vmamba_deploy.reports.schema import schema_of

ENGINE = {
    "built": True,
    "reason": None,
    "flavour": "tensorrt_rtx",
    "version": "1.7.1.116",
    "compute_capabilities": ["8.0", "8.6"],
    "plugin_layers": 14,
    "launches": 196,
    "narrow_products": ["node_linear"],
    "lone_launches": ["QuantizeLinear_x"],
    "profile": {"min": [1, 3, 224, 224], "opt": [8, 3, 224, 224], "max": [32, 3, 224, 224]},
    "plugin": {
        "name": "SelectiveScan2D",
        "version": "1",
        "namespace": "vmamba",
        "delivery": "beside",
    },
}


def description(**changes):
    return {
        "status": "complete",
        "preset": "vmamba_tiny_s1l8",
        "precision": "fp16",
        "weights": {"source": "random", "sha256": secrets.token_hex(32)},
        "versions": {"vmamba_deploy": "0.1.0"},
        "onnx": {
            "opset": 20,
            "op_sets": {"ai.onnx": 20, "vmamba": 1},
            "inputs": [
                {"name": "pixel_values", "dtype": "float32", "shape": ["batch", 3, 224, 224]}
            ],
            "outputs": [{"name": "logits", "dtype": "float32", "shape": ["batch", 1000]}],
        },
        "engine": ENGINE,
        "preprocessing": {
            "mean": [0.485, 0.456, 0.406],
            "std": [0.229, 0.224, 0.225],
            "crop_pixels": [224, 224],
            "resize_pixels": 256,
            "interpolation": "bicubic",
        },
        "labels": None,
        **changes,
    }


def write_description(folder, **changes):
    write_manifest(folder, msgspec.convert(description(**changes), Description))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model.onnx").write_bytes(secrets.token_bytes(1000))
    (tmp_path / "model.engine").write_bytes(secrets.token_bytes(500))
    write_description(tmp_path)
    return tmp_path


def edit(folder, change):
    path = folder / MANIFEST_NAME
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_an_untouched_folder_verifies(folder):
    manifest = verify(folder, flavour="tensorrt_rtx", version="1.7.1.116", compute_capability="8.6")
    assert set(manifest.files) == {"model.onnx", "model.engine"}
    assert manifest.files["model.onnx"].size_bytes == 1000
    assert manifest == read_manifest(folder)


def test_one_changed_bit_is_found(folder):
    content = bytearray((folder / "model.engine").read_bytes())
    content[secrets.randbelow(len(content))] ^= 1
    (folder / "model.engine").write_bytes(content)
    with pytest.raises(IntegrityError, match=r"model\.engine has sha256"):
        verify(folder)


def test_a_cut_and_a_missing_file_are_found(folder):
    (folder / "model.onnx").write_bytes(b"short")
    with pytest.raises(IntegrityError, match=r"model\.onnx has 5 bytes, the manifest says 1000"):
        verify(folder)
    (folder / "model.onnx").unlink()
    with pytest.raises(IntegrityError, match=r"model\.onnx is missing"):
        verify(folder)


def test_the_activation_is_written_where_it_is_not_the_usual_one(tmp_path):
    """Older releases refuse a field that they do not know."""
    for activation, told in ((None, {}), ("softmax", {}), ("sigmoid", {"activation": "sigmoid"})):
        described = msgspec.convert(description(activation=activation), Description)
        written = write_manifest(tmp_path, described).as_json()
        assert {key: written[key] for key in written if key == "activation"} == told
        assert read_manifest(tmp_path).activation == told.get("activation")


@pytest.mark.parametrize(
    ("machine", "message"),
    [
        ({"flavour": "tensorrt"}, "for tensorrt_rtx, not tensorrt"),
        ({"version": "1.8.0.1"}, "built by tensorrt_rtx 1.7.1.116"),
        ({"compute_capability": "9.0"}, "8.0, 8.6, this one has 9.0"),
    ],
)
def test_an_engine_for_another_machine_is_explained(folder, machine, message):
    with pytest.raises(IntegrityError, match=message):
        verify(folder, **machine)


def test_compatible_engines_fit_more_machines(folder):
    engine = {**ENGINE, "version_compatible": True, "hardware_compatible": True}
    write_description(folder, engine=engine)
    verify(folder, version="10.1", compute_capability="12.0")
    with pytest.raises(IntegrityError, match=r"this one has 7\.5"):
        verify(folder, compute_capability="7.5")
    with pytest.raises(IntegrityError, match=r"this machine has 0\.9"):
        verify(folder, version="0.9")


def test_no_engine_says_why(folder):
    write_description(folder, engine={"built": False, "reason": "no TensorRT here"})
    verify(folder)
    with pytest.raises(IntegrityError, match="no engine: no TensorRT here"):
        verify(folder, flavour="tensorrt")


def test_failed_artefacts_are_refused(folder):
    write_description(folder, status="failed", status_reason="parity failed")
    with pytest.raises(IntegrityError, match="marked as failed: parity failed"):
        verify(folder)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../b", "..", "c:\\x"])
def test_names_that_leave_the_folder_are_refused(folder, name):
    def rename(document):
        document["files"][name] = document["files"].pop("model.onnx")

    edit(folder, rename)
    with pytest.raises(IntegrityError):
        read_manifest(folder)


def test_links_are_followed_for_the_content_is_what_counts(folder, tmp_path_factory):
    """The caches of Hugging Face, Kubernetes volumes (`..data`), DVC and Bazel are made of them."""
    blobs, snapshot = tmp_path_factory.mktemp("blobs"), tmp_path_factory.mktemp("snapshot")
    shutil.copytree(folder, blobs / "..2026_11_26")
    (snapshot / "..data").symlink_to(blobs / "..2026_11_26")
    for file in folder.iterdir():
        (snapshot / file.name).symlink_to(Path("..data") / file.name)
    assert verify(snapshot) == verify(folder)
    (snapshot / "model.onnx").resolve().write_bytes(bytes(1000))
    with pytest.raises(IntegrityError, match=r"model\.onnx has sha256"):
        verify(snapshot)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "nothing"])
def test_a_link_to_what_is_no_file_is_refused(folder, kind):
    place = folder.with_name(f"{folder.name}-{kind}")
    (folder / "model.onnx").unlink()
    (folder / "model.onnx").symlink_to("/dev/zero" if kind == "device" else place)
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    said = "is missing" if kind == "nothing" else f"is a {kind}"
    with pytest.raises(IntegrityError, match=said):
        verify(folder)
    with pytest.raises(IntegrityError, match=r"model\.onnx"):
        require_files(folder, read_manifest(folder))


def test_code_that_the_manifest_does_not_list_is_refused(folder):
    require_files(folder, verify(folder))
    (folder / "libvmamba_ort.so").symlink_to("nowhere")
    for check in (verify, lambda folder: require_files(folder, read_manifest(folder))):
        with pytest.raises(IntegrityError, match=r"libvmamba_ort\.so lies in .* does not list it"):
            check(folder)


def test_what_is_loaded_is_what_was_compared(folder):
    manifest = verify(folder)
    content = (folder / "model.engine").read_bytes()
    assert read_verified(folder, manifest, "model.engine") == content
    (folder / "model.engine").write_bytes(content[::-1])
    with pytest.raises(IntegrityError, match="has sha256"):
        read_verified(folder, manifest, "model.engine")
    (folder / "model.engine").write_bytes(content + b"x")
    with pytest.raises(IntegrityError, match="501 bytes"):
        read_verified(folder, manifest, "model.engine")
    with pytest.raises(IntegrityError, match=r"does not list model\.pt2"):
        read_verified(folder, manifest, "model.pt2")


@pytest.mark.parametrize("name", GOOD_ONES)
def test_the_manifests_that_the_table_changes_are_good_themselves(tmp_path, name):
    (tmp_path / MANIFEST_NAME).write_text(GOOD_ONES[name])
    manifest = read_manifest(tmp_path)
    written = json.loads(GOOD_ONES[name])
    assert {key: manifest.as_json()[key] for key in written} == written
    assert manifest.as_json().keys() - written.keys() == set()


@pytest.mark.parametrize("why", ROWS)
def test_a_manifest_that_nobody_could_use_is_refused(tmp_path, why):
    (tmp_path / MANIFEST_NAME).write_text(bad_manifest(why))
    with pytest.raises(IntegrityError, match=ROWS[why].get("says", "manifest")):
        read_manifest(tmp_path)


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_a_manifest_that_is_no_file_is_refused_at_once(tmp_path, make):
    make(tmp_path / MANIFEST_NAME)
    with pytest.raises(IntegrityError, match="a manifest is a file"):
        read_manifest(tmp_path)


def test_a_huge_manifest_is_refused_unread(tmp_path):
    padding = MAX_MANIFEST_BYTES - len(GOOD)
    (tmp_path / MANIFEST_NAME).write_text(GOOD + " " * padding)
    read_manifest(tmp_path)
    (tmp_path / MANIFEST_NAME).write_text(GOOD + " " * (padding + 1))
    with pytest.raises(IntegrityError, match="at most 16,777,216"):
        read_manifest(tmp_path)


def test_a_description_that_nobody_could_read_is_not_written(folder):
    before = (folder / MANIFEST_NAME).read_text()
    with pytest.raises(IntegrityError, match="control characters"):
        write_description(folder, status_reason="\x1b[2J")
    assert (folder / MANIFEST_NAME).read_text() == before


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.pop("weights"),
        lambda document: document.update(precision="int4"),
        lambda document: document.update(surprise=1),
        lambda document: document["engine"].pop("profile"),
        lambda document: document["files"]["model.onnx"].update(sha256="short"),
    ],
)
def test_a_tampered_manifest_is_refused(folder, change):
    edit(folder, change)
    with pytest.raises(IntegrityError, match="does not fit its schema"):
        read_manifest(folder)


def test_other_versions_and_rubbish_are_refused(folder):
    edit(folder, lambda document: document.update(schema_version=2))
    with pytest.raises(IntegrityError, match="schema version 2"):
        read_manifest(folder)
    for rubbish in (b"{", b"[]", b"\xff\xfe", b"[" * 100_000):
        (folder / MANIFEST_NAME).write_bytes(rubbish)
        with pytest.raises(IntegrityError):
            read_manifest(folder)


@pytest.mark.parametrize("name", ["engine.json", "no_engine.json"])
def test_manifests_of_release_0_1_0_are_read_and_written_as_they_were(name, tmp_path):
    kept = (Path(__file__).parents[1] / "data" / "manifests" / name).read_text()
    (tmp_path / MANIFEST_NAME).write_text(kept)
    manifest = read_manifest(tmp_path)
    assert json.dumps(manifest.as_json(), indent=2, sort_keys=True) + "\n" == kept
    jsonschema.validate(json.loads(kept), schema_of("manifest"))
    assert manifest.engine.built == (name == "engine.json")
    assert manifest.engine.flavour == "tensorrt_rtx"


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda document: document["onnx"]["inputs"][0].update(shape=[1.5]), "$.onnx.inputs[0]"),
        (lambda document: document["engine"].update(flavour="other"), "$.engine.flavour"),
        (lambda document: document["files"]["model.onnx"].pop("sha256"), "$.files[...]"),
        (lambda document: document["preprocessing"].update(mean=[0.5]), "$.preprocessing"),
        (lambda document: document["preprocessing"].update(mean=[2.5] * 3), "$.preprocessing.mean"),
        (lambda document: document["preprocessing"].update(std=[0.5, 0, 1]), "$.preprocessing.std"),
        (lambda document: document["weights"].update(surprise=1), "$.weights"),
    ],
)
def test_the_place_of_a_fault_is_told(folder, change, place):
    edit(folder, change)
    with pytest.raises(IntegrityError, match=re.escape(place)):
        read_manifest(folder)
