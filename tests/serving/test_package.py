"""The files of a package: whole, as exported, and never instead of someone else's."""

import hashlib
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from vmamba_deploy.artifacts import rename
from vmamba_deploy.artifacts.locking import exclusive
from vmamba_deploy.artifacts.manifest import read_manifest
from vmamba_deploy.errors import InputFileError, IntegrityError, ResourceError, UsageError
from vmamba_deploy.serving.triton.package import package_for_triton
from vmamba_deploy.serving.triton.plan import TritonPlan
from vmamba_deploy.serving.triton.registrar import REGISTRAR_LIBRARY

ALL = ["vmamba", "vmamba_images", "vmamba_preprocess", "vmamba_top5"]


def package(artifact, repository, **options):
    return package_for_triton(TritonPlan(artifact, repository, **options))


def entries(folder):
    return sorted(path.name for path in folder.iterdir())


def files_of(model):
    return {path.relative_to(model).as_posix() for path in model.rglob("*") if path.is_file()}


def content(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_onnxruntime(digits, tmp_path):
    warnings = []
    plan = TritonPlan(digits, tmp_path / "repo")
    made = package_for_triton(plan, warn=warnings.append)
    assert (made.backend, made.max_batch) == ("onnxruntime", 32)
    assert list(made.models) == ["vmamba", "vmamba_preprocess", "vmamba_top5", "vmamba_images"]
    assert made.server_options == ("--model-repository=/models",)
    assert entries(made.repository) == ALL
    assert files_of(made.repository / "vmamba") == {
        "config.pbtxt",
        "labels.txt",
        "README.md",
        "vmamba.json",
        "1/model.onnx",
        "1/libvmamba_ort.so",
    }
    labels = (made.repository / "vmamba/labels.txt").read_text().splitlines()
    assert labels == [str(digit) for digit in range(10)]
    assert files_of(made.repository / "vmamba_images") == {"config.pbtxt", "vmamba.json"}
    # Triton wants a version folder even where nothing lies in it.
    assert (made.repository / "vmamba_images/1").is_dir()
    assert warnings == ["the artefacts are unproven: not compared with PyTorch (--no-parity)"]


def test_every_file_is_listed_with_its_sha256(digits, tmp_path):
    made = package(digits, tmp_path / "repo", backend="python")
    for name in made.models:
        record = json.loads((made.repository / name / "vmamba.json").read_text())
        assert set(record["files"]) == files_of(made.repository / name) - {"vmamba.json"}
        for file, described in record["files"].items():
            data = (made.repository / name / file).read_bytes()
            assert described == {
                "sha256": hashlib.sha256(data).hexdigest(),
                "size_bytes": len(data),
            }
        assert record["package"] == "vmamba"
        manifest = (digits / "manifest.json").read_bytes()
        assert record["artifact_manifest"]["sha256"] == hashlib.sha256(manifest).hexdigest()


def test_python_carries_the_whole_artefact_folder(digits, tmp_path):
    made = package(digits, tmp_path / "repo", backend="python", with_ensemble=False)
    assert made.models == ("vmamba",)
    assert content(made.repository / "vmamba/1/artifact") == content(digits)


def test_tensorrt_with_the_plugin_beside_the_engine(with_engine, tmp_path):
    made = package(with_engine(), tmp_path / "repo", name="m", server_path="/r")
    version = made.repository / "m/1"
    assert made.server_options == (
        "--model-repository=/r",
        f"--backend-config=tensorrt,plugins=/r/m/1/{REGISTRAR_LIBRARY}",
    )
    assert files_of(version) == {"model.plan", "libvmamba_trt.so", REGISTRAR_LIBRARY}
    assert (version / "model.plan").read_bytes() == b"a plan"
    readme = (made.repository / "m/README.md").read_text()
    assert all(option in readme for option in made.server_options)


def test_tensorrt_with_the_plugin_in_the_engine(with_engine, tmp_path):
    plugin = {"name": "S", "version": "1", "namespace": "v", "delivery": "embedded"}
    made = package(with_engine(plugin=plugin), tmp_path / "repo")
    assert made.server_options[1:] == ("--backend-config=tensorrt,version-compatible=true",)
    assert files_of(made.repository / "vmamba/1") == {"model.plan"}


def test_weights_beside_the_graph_keep_their_names(altered, tmp_path):
    artifact = altered(files={"model.onnx.data": b"weights"})
    made = package(artifact, tmp_path / "repo")
    assert (made.repository / "vmamba/1/model.onnx.data").read_bytes() == b"weights"


def test_labels_are_one_a_line(altered, tmp_path):
    labels = ["a\nb", "c  d", *"efghijkl"]
    made = package(altered(labels=labels), tmp_path / "repo")
    assert (made.repository / "vmamba/labels.txt").read_text().startswith("a b\nc d\ne\n")


def test_a_repository_with_other_models(digits, tmp_path):
    other = tmp_path / "repo" / "resnet"
    other.mkdir(parents=True)
    (other / "config.pbtxt").write_text('name: "resnet"')
    package(digits, tmp_path / "repo")
    package(digits, tmp_path / "repo", name="second", with_ensemble=False)
    assert entries(tmp_path / "repo") == sorted([*ALL, "resnet", "second"])
    assert (other / "config.pbtxt").read_text() == 'name: "resnet"'


def test_again_needs_force_which_also_removes_what_is_no_longer_written(digits, tmp_path):
    repository = tmp_path / "repo"
    package(digits, repository)
    before = content(repository)
    with pytest.raises(UsageError, match="is there already") as refused:
        package(digits, repository, with_ensemble=False)
    assert "--force" in refused.value.hint
    assert content(repository) == before
    # What a server leaves is no obstacle.
    cache = repository / "vmamba_top5/1/__pycache__"
    cache.mkdir()
    (cache / "model.cpython-311.pyc").write_bytes(b"compiled")
    package(digits, repository, with_ensemble=False, backend="python", force=True)
    assert entries(repository) == ["vmamba"]
    assert (repository / "vmamba/1/model.py").is_file()
    assert entries(tmp_path) == ["repo"]


@pytest.mark.parametrize("force", [False, True])
def test_a_model_of_someone_else_stays(digits, tmp_path, force):
    mine = tmp_path / "repo" / "vmamba_top5"
    mine.mkdir(parents=True)
    (mine / "config.pbtxt").write_text("mine")
    with pytest.raises(UsageError, match="did not write"):
        package(digits, tmp_path / "repo", force=force)
    assert content(tmp_path / "repo") == {"vmamba_top5/config.pbtxt": b"mine"}


def test_a_file_added_to_our_model_stays(digits, tmp_path):
    package(digits, tmp_path / "repo")
    note = tmp_path / "repo/vmamba/1/notes.txt"
    note.write_text("mine")
    with pytest.raises(UsageError, match=r"did not write: 1/notes\.txt"):
        package(digits, tmp_path / "repo", force=True)
    assert note.read_text() == "mine"


def test_names_that_meet_another_package(digits, tmp_path):
    package(digits, tmp_path / "repo", name="vmamba_images", with_ensemble=False)
    with pytest.raises(UsageError, match="belongs to the package 'vmamba_images'"):
        package(digits, tmp_path / "repo", force=True)


@pytest.mark.parametrize("exchange_works", [True, False])
def test_a_failure_halfway_takes_everything_back(digits, tmp_path, monkeypatch, exchange_works):
    repository = tmp_path / "repo"
    package(digits, repository, name="vmamba")
    before = content(repository)
    if not exchange_works:
        monkeypatch.setattr(rename, "exchange", lambda first, second: False)
    real = Path.rename
    real_exchange = rename.exchange

    def broken(here, there):
        if there == repository / "vmamba_images" and here.parent.name.endswith("-repo"):
            raise OSError(5, "Input/output error")
        return real(here, there)

    def broken_exchange(first, second):
        if second.name == "vmamba_images":
            raise OSError(5, "Input/output error")
        return real_exchange(first, second)

    monkeypatch.setattr(Path, "rename", broken)
    monkeypatch.setattr(rename, "exchange", broken_exchange if exchange_works else real_exchange)
    with pytest.raises(OSError, match="Input/output"):
        package(digits, repository, backend="python", force=True)
    monkeypatch.undo()
    assert content(repository) == before
    assert entries(tmp_path) == ["repo"]


def test_a_changed_artefact_is_refused_and_nothing_is_written(altered, tmp_path):
    artifact = altered()
    with (artifact / "model.onnx").open("ab") as file:
        file.write(b"more")
    with pytest.raises(IntegrityError, match=r"model\.onnx"):
        package(artifact, tmp_path / "repo")
    assert not (tmp_path / "repo").exists()


def test_a_file_that_changes_during_the_copy(altered, tmp_path, monkeypatch):
    artifact = altered()

    def verify_then_change(folder):
        manifest = read_manifest(folder)
        size = (folder / "model.onnx").stat().st_size
        (folder / "model.onnx").write_bytes(os.urandom(size))
        return manifest

    monkeypatch.setattr("vmamba_deploy.serving.triton.package.verify", verify_then_change)
    with pytest.raises(IntegrityError, match=r"model\.onnx is not what"):
        package(artifact, tmp_path / "repo")
    assert entries(tmp_path) == ["altered"]


def test_no_artefacts_no_space_and_two_writers(digits, tmp_path, monkeypatch):
    with pytest.raises(InputFileError, match="there is no folder"):
        package(tmp_path / "nothing", tmp_path / "repo")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        package(digits, tmp_path / "file")
    with (
        exclusive(tmp_path / ".repo.lock", what="repo"),
        pytest.raises(ResourceError, match="is being written by process"),
    ):
        package(digits, tmp_path / "repo")
    monkeypatch.setattr("shutil.disk_usage", lambda place: SimpleNamespace(free=1000))
    with pytest.raises(ResourceError, match="free; the models need"):
        package(digits, tmp_path / "repo")
    assert not (tmp_path / "repo").exists()
