"""classify and throughput with ONNX Runtime: what they compute, write and refuse."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.preprocessing.golden import FOLDER
from tests.samples.cpp.folders import changed
from tests.samples.cpp.programs import Program, program
from vmamba_deploy.inference import load
from vmamba_deploy.models import load_model
from vmamba_deploy.pipeline.export import run_export
from vmamba_deploy.pipeline.plan import ExportPlan

IMAGES = [
    FOLDER / name for name in ("photo_420.jpg", "cmyk.jpg", "rgba_16.png", "orientation_6.jpg")
]


@pytest.fixture(scope="module")
def digits(digits_folder: Path) -> list[Path]:
    """Three of each digit."""
    return [path for label in range(10) for path in sorted(digits_folder.glob(f"{label}/*"))[:3]]


def expected(folder: Path, images: list[Path], top: int) -> tuple[np.ndarray, list[Any]]:
    with load(folder, runtime="ort") as model:
        logits = model(model.preprocess(images))
        return logits, model.top(logits, top)


def assert_same_top(found: list[dict[str, Any]], wanted: list[Any]) -> None:
    assert len(found) == len(wanted)
    for image, predictions in zip(found, wanted, strict=True):
        assert [best["label"] for best in image["top"]] == [best.label for best in predictions]
        assert [best["index"] for best in image["top"]] == [best.index for best in predictions]
        for best, prediction in zip(image["top"], predictions, strict=True):
            assert best["probability"] == pytest.approx(prediction.probability, abs=1e-5)


def test_the_same_classes_and_logits_as_python(
    classify: Program, exported: Path, tmp_path: Path
) -> None:
    logits, top = expected(exported, IMAGES, 5)
    done = classify(
        exported, *IMAGES, "--json", "--runtime", "ort",
        "--logits", tmp_path / "logits", "--dump-pixels", tmp_path / "pixels",
    )  # fmt: skip
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document["runtime"] == "onnxruntime"
    assert [image["file"] for image in document["images"]] == [str(path) for path in IMAGES]
    assert_same_top(document["images"], top)
    found = np.fromfile(tmp_path / "logits", np.float32).reshape(logits.shape)
    assert np.abs(found - logits).max() <= 1e-5
    with load(exported, runtime="ort") as model:
        pixels = model.preprocess(IMAGES)
    found = np.fromfile(tmp_path / "pixels", np.float32).reshape(pixels.shape)
    assert np.abs(found - pixels).max() <= 1e-5


def test_probabilities_are_those_of_the_manifests_activation(
    classify: Program, exported: Path, tmp_path: Path
) -> None:
    several = changed(
        exported, tmp_path / "any", lambda fields: fields.update(activation="sigmoid")
    )
    done = classify(several, *IMAGES, "--json", "--runtime", "ort", "--top", 10)
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document["activation"] == "sigmoid"
    assert_same_top(document["images"], expected(several, IMAGES, 10)[1])
    sums = [sum(best["probability"] for best in image["top"]) for image in document["images"]]
    assert max(abs(total - 1) for total in sums) > 1e-3
    other = changed(exported, tmp_path / "other", lambda fields: fields.update(activation="relu"))
    done = classify(other, IMAGES[0])
    assert (done.code, "activation is neither" in done.error) == (7, True)


def test_a_single_logit_is_a_yes_or_no(classify: Program, tmp_path: Path) -> None:
    """Its softmax would always be 1; older manifests do not say what is meant."""
    weights = load_model(Path(__file__).parents[2] / "data" / "golden" / "vssm_s1.pth").state_dict()
    heads = {name: part[:1] for name, part in weights.items() if ".head." in name}
    torch.save({**weights, **heads}, tmp_path / "one.pth")
    plan = ExportPlan(
        model=None,
        weights=str(tmp_path / "one.pth"),
        image_size=(64, 64),
        output=tmp_path / "one",
        build_engine=False,
        check_parity=False,
    )
    made = run_export(plan, lambda _event: None).folder
    folder = changed(made, tmp_path / "older", lambda fields: fields.pop("activation"))
    done = classify(folder, *IMAGES, "--json", "--runtime", "ort")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document["activation"] == "sigmoid"
    logits, top = expected(folder, IMAGES, 5)
    assert_same_top(document["images"], top)
    found = [image["top"][0]["probability"] for image in document["images"]]
    assert found == pytest.approx((1 / (1 + np.exp(-logits[:, 0]))).tolist(), abs=1e-5)


@pytest.mark.parametrize("inside", [False, True], ids=["fp32", "fp16, normalised in the graph"])
def test_digits_are_recognised(
    classify: Program,
    exported: Path,
    digits_artifact: Callable[..., Path],
    digits: list[Path],
    inside: bool,
) -> None:
    folder = digits_artifact("fp16", preprocess=True, engine=False) if inside else exported
    done = classify(folder, *digits, "--json", "--top", 3, "--runtime", "ort")
    assert done.code == 0, done.err
    images = json.loads(done.out)["images"]
    assert_same_top(images, expected(folder, digits, 3)[1])
    right = sum(image["top"][0]["label"] == path.parent.name
                for image, path in zip(images, digits, strict=True))  # fmt: skip
    assert right >= 28


def test_text_has_a_line_for_each_class(classify: Program, exported: Path) -> None:
    done = classify(exported, IMAGES[0], IMAGES[1], "--top", 2)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == str(IMAGES[0])
    assert lines[3] == str(IMAGES[1])
    assert len(lines) == 6
    assert lines[1].split()[0].endswith("%")


def test_names_that_are_no_utf8_are_printed(
    classify: Program, exported: Path, tmp_path: Path
) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")
    Image.new("RGB", (9, 9)).save(name)
    done = classify(exported, name, "--json", "--runtime", "ort")
    assert done.code == 0, done.err
    assert json.loads(done.out)["images"][0]["file"].endswith("\ufffd.png")


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        ((), 2, "a folder and at least one image are needed"),
        (("{folder}",), 2, "a folder and at least one image are needed"),
        (("{folder}", "{image}", "--nonsense"), 2, "there is no option --nonsense"),
        (("{folder}", "{image}", "--top"), 2, "--top needs a value"),
        (("{folder}", "{image}", "--top", "0"), 2, "--top must be a number from 1"),
        (("{folder}", "{image}", "--top", "5x"), 2, "--top must be a number from 1"),
        (("{folder}", "{image}", "--runtime", "gpu"), 2, "there is no runtime 'gpu'"),
        (("{folder}", "{image}", "--runtime", "trt"), 4, "this program was built without TensorRT"),
        (("{folder}", "{image}", "--runtime", "ort", "--cuda"), 4, "CUDA"),
        (("/nowhere", "{image}"), 3, "there is no folder /nowhere"),
        (("{folder}", "/nowhere.png"), 3, "/nowhere.png cannot be read: No such file or directory"),
        (("{folder}", __file__), 3, f"{__file__} is not an image"),
        (("{folder}", "{image}", "--logits", "/proc/x"), 2, "cannot write /proc/x"),
    ],
)
def test_faults_end_with_their_code_and_one_sentence(
    classify: Program, exported: Path, arguments: tuple[str, ...], code: int, error: str
) -> None:
    words = [word.format(folder=exported, image=IMAGES[0]) for word in arguments]
    done = classify(*words)
    assert done.code == code, done.err
    assert error in done.error
    assert done.out == ""
    assert "terminate" not in done.err


def test_a_changed_file_is_refused_before_it_is_loaded(
    classify: Program, exported: Path, tmp_path: Path
) -> None:
    folder = changed(exported, tmp_path / "changed")
    content = bytearray((folder / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.onnx").write_bytes(content)
    done = classify(folder, IMAGES[0], "--runtime", "ort")
    assert done.code == 7
    assert "model.onnx has sha256" in done.error
    assert done.hint == "the file was changed after the export; do not load it"


def test_a_file_that_is_no_network_is_told(
    classify: Program, exported: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    changed(exported, copy)
    (copy / "model.onnx").write_bytes(b"no network")
    done = classify(changed(copy, tmp_path / "changed"), IMAGES[0], "--runtime", "ort")
    assert done.code == 3, done.err
    assert done.error.startswith("ONNX Runtime cannot load")


def test_bfloat16_on_the_cpu_is_told(classify: Program, exported: Path, tmp_path: Path) -> None:
    folder = changed(
        exported, tmp_path / "bf16", lambda manifest: manifest.update(precision="bf16")
    )
    done = classify(folder, IMAGES[0], "--runtime", "ort")
    assert done.code == 4
    assert "bfloat16" in done.error


@pytest.mark.parametrize("name", ["classify", "throughput"])
def test_help_names_every_exit_code(programs: Path, name: str) -> None:
    done = program(programs / name)("--help")
    assert done.code == 0
    assert done.out.startswith(f"usage: {name} FOLDER")
    codes = done.out.split("exit codes: ")[1]
    assert all(f"{code} " in codes for code in (0, 1, 2, 3, 4, 5, 7, 8))


def test_throughput_measures_each_batch(
    throughput: Program, exported: Path, tmp_path: Path
) -> None:
    output = tmp_path / "times.json"
    done = throughput(
        exported, "--batch", "1,3", "--warmup", 1, "--iterations", 10, "--runtime", "ort",
        "--threads", 1, "--output", output,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.out == ""
    document = json.loads(output.read_text())
    assert document["runtime"] == "onnxruntime"
    assert [row["batch"] for row in document["results"]] == [1, 3]
    for row in document["results"]:
        times = row["latency_ms"]
        assert 0 < times["p50"] <= times["p90"] <= times["p99"]
        # Of one caller: between the calls next to nothing happens.
        assert 0 < row["images_per_second"] <= 1000 * row["batch"] / times["mean"] * 1.001
    assert [path.name for path in tmp_path.iterdir()] == ["times.json"]  # nothing half-written


def test_several_threads_call_one_classifier(throughput: Program, exported: Path) -> None:
    done = throughput(
        exported, "--batch", "1,5", "--warmup", 0, "--iterations", 40, "--callers", 8,
        "--runtime", "ort", "--threads", 1,
    )  # fmt: skip
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document["callers"] == 8
    for row in document["results"]:
        # What the callers did together, not the time that each of them waited for.
        assert row["images_per_second"] > 1000 * row["batch"] / row["latency_ms"]["mean"]


def test_throughput_prints_what_it_does_not_write(throughput: Program, exported: Path) -> None:
    done = throughput(exported, "--batch", 2, "--iterations", 1, "--warmup", 0, "--runtime", "ort")
    assert done.code == 0, done.err
    times = json.loads(done.out)["results"][0]["latency_ms"]
    assert times["p50"] == times["p99"] == times["mean"]


@pytest.mark.parametrize(
    ("arguments", "code"), [((), 2), (("--batch", "1,,2"), 2), (("--iterations", "0"), 2)]
)
def test_throughput_refuses_numbers_that_make_no_sense(
    throughput: Program, exported: Path, arguments: tuple[str, ...], code: int
) -> None:
    done = throughput(*([exported] if arguments else []), *arguments)
    assert done.code == code
    assert done.error
