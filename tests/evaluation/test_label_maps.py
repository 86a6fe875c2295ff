"""Folders of images and annotations: what is read, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.evaluation.label_maps import IGNORED, read_annotation, read_label_maps

NAMES = tuple(f"class {index}" for index in range(5))


def write(root: Path, name: str, labels: np.ndarray, mode: str | None = None) -> None:
    image, annotation = root / "images" / name, (root / "annotations" / name).with_suffix(".png")
    for path in (image, annotation):
        path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", labels.shape[::-1]).save(image)
    written = Image.fromarray(labels)
    if mode == "P":
        written = Image.frombytes("P", written.size, labels.tobytes())
        written.putpalette([255, 0, 0, 0, 255, 0] * 100)
    written.save(annotation)


def labels_of(values: list[list[int]]) -> np.ndarray:
    return np.array(values, np.uint8)


def only(root: Path, names: tuple[str, ...] = NAMES, **options):
    (sample,) = read_label_maps(root, names, **options).samples
    return sample


def test_images_at_any_depth_get_their_annotations(tmp_path: Path) -> None:
    for name in ("b/2.jpg", "a.jpg", "b/1.png"):
        write(tmp_path, name, labels_of([[0, 1]]))
    (tmp_path / "images" / "notes.txt").write_text("no image")
    data = read_label_maps(tmp_path, NAMES)
    assert [one.name for one in data.samples] == ["a.jpg", "b/1.png", "b/2.jpg"]
    assert data.samples[2].annotation == tmp_path / "annotations" / "b" / "2.png"
    assert (data.ignored, data.kind, data.class_names) == (1, "label_maps", NAMES)
    assert data.rule == "label 0 of an annotation is class 0, 255 does not count"


@pytest.mark.parametrize("mode", [None, "P"])
def test_labels_are_indices_whatever_the_palette(tmp_path: Path, mode: str | None) -> None:
    write(tmp_path, "a.jpg", labels_of([[0, 4, 255], [1, 2, 3]]), mode)
    sample = only(tmp_path)
    got = read_annotation(sample, (2, 3), 5)
    np.testing.assert_array_equal(got, [[0, 4, IGNORED], [1, 2, 3]])


def test_a_reduced_label_zero_does_not_count_and_the_others_go_down(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", labels_of([[0, 1, 255], [5, 2, 3]]))
    sample = only(tmp_path, reduce_zero_label=True)
    got = read_annotation(sample, (2, 3), 5)
    np.testing.assert_array_equal(got, [[IGNORED, 0, IGNORED], [4, 1, 2]])


@pytest.mark.parametrize(
    ("classes", "said", "reduced"),
    [(150, None, True), (150, False, False), (19, None, False), (19, True, True)],
)
def test_the_150_classes_of_ade_are_reduced_unless_said_otherwise(
    tmp_path: Path, classes: int, said: bool | None, reduced: bool
) -> None:
    write(tmp_path, "a.jpg", labels_of([[0]]))
    names = tuple(map(str, range(classes)))
    data = read_label_maps(tmp_path, names, reduce_zero_label=said)
    assert data.samples[0].reduced is reduced
    assert data.rule.endswith("nor does 0") is reduced


def test_labels_beyond_the_classes_are_refused_with_what_may_be_meant(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", labels_of([[0, 5]]))
    with pytest.raises(InputFileError, match="has the label 5, the model 5 classes") as caught:
        read_annotation(only(tmp_path), (1, 2), 5)
    assert caught.value.hint.startswith("--reduce-zero-label")
    write(tmp_path, "a.jpg", labels_of([[0, 6]]))
    with pytest.raises(InputFileError, match="has the label 6") as caught:
        read_annotation(only(tmp_path, reduce_zero_label=True), (1, 2), 5)
    assert caught.value.hint.startswith("--no-reduce-zero-label")


def test_annotations_of_another_size_or_kind_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", labels_of([[0, 1]]))
    sample = only(tmp_path)
    with pytest.raises(InputFileError, match="2x1 pixels, its image 1x2"):
        read_annotation(sample, (2, 1), 5)
    Image.new("RGB", (2, 1)).save(sample.annotation)
    with pytest.raises(InputFileError, match="a picture for people"):
        read_annotation(sample, (1, 2), 5)
    sample.annotation.write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    with pytest.raises(InputFileError, match="PNG file of labels"):
        read_annotation(sample, (1, 2), 5)


def test_folders_that_are_no_data_set_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=r"no folder .*images"):
        read_label_maps(tmp_path, NAMES)
    write(tmp_path, "a.jpg", labels_of([[0]]))
    write(tmp_path, "b.jpg", labels_of([[0]]))
    (tmp_path / "annotations" / "b.png").unlink()
    with pytest.raises(InputFileError, match=r"1 of 2 images have no annotation.*b\.png"):
        read_label_maps(tmp_path, NAMES)
    with pytest.raises(UsageError, match="256 classes"):
        read_label_maps(tmp_path, tuple(map(str, range(256))))


def test_a_set_with_splits_needs_the_name_of_one(tmp_path: Path) -> None:
    for name in ("training/a.jpg", "validation/b.jpg"):
        write(tmp_path, name, labels_of([[0]]))
    with pytest.raises(UsageError, match="training, validation") as caught:
        read_label_maps(tmp_path, NAMES)
    assert "--split" in caught.value.hint
    assert only(tmp_path, split="validation").name == "b.jpg"
    with pytest.raises(InputFileError, match="test"):
        read_label_maps(tmp_path, NAMES, split="test")


def test_other_annotations_are_another_set(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", labels_of([[0, 1]]))
    data = read_label_maps(tmp_path, NAMES)
    before = data.fingerprint()
    reduced = replace(data, samples=tuple(replace(one, reduced=True) for one in data.samples))
    assert reduced.fingerprint() != before
    Image.fromarray(labels_of([[1, 1], [0, 0]])).save(data.samples[0].annotation)
    assert data.fingerprint() != before
    data.samples[0].annotation.unlink()
    with pytest.raises(InputFileError, match="cannot be read"):
        data.fingerprint()
