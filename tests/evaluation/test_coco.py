"""COCO files: what is read, which category is which class, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.evaluation.classes import ModelClasses
from vmamba_deploy.evaluation.coco import read_coco

TWO = ModelClasses(2, ("cat", "dog"))


def content(**changes: Any) -> dict[str, Any]:
    made = {
        "info": {"year": 2026},
        "images": [
            {"id": 7, "file_name": "a.png", "height": 8, "width": 9, "license": 1},
            {"id": 3, "file_name": "b.png", "height": 8, "width": 9},
        ],
        "categories": [{"id": 90, "name": "dog"}, {"id": 4, "name": "cat"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 90, "bbox": [1, 2, 3, 4], "area": 12,
             "iscrowd": 0, "segmentation": [[1, 2, 4, 2, 4, 6]]},
        ],
    }  # fmt: skip
    return made | changes


def write(folder: Path, document: Any, *, images: str = ".") -> Path:
    (folder / images).mkdir(exist_ok=True)
    for name in ("a.png", "b.png"):
        Image.new("RGB", (9, 8)).save(folder / images / name)
    file = folder / "instances.json"
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    return file


def test_images_in_the_files_order_and_categories_by_name(tmp_path: Path) -> None:
    data = read_coco(write(tmp_path, content()), None, TWO)
    assert [(one.name, one.image_id) for one in data.samples] == [("a.png", 7), ("b.png", 3)]
    assert data.categories == (4, 90)
    assert (data.kind, data.class_names) == ("coco", ("cat", "dog"))
    assert data.rule == "category names are the model's labels"
    assert len(data.limited(1).samples) == 1
    assert data.limited(1).file is data.file


def test_images_in_a_folder_of_their_own(tmp_path: Path) -> None:
    file = write(tmp_path, content(), images="val")
    with pytest.raises(InputFileError, match="2 images that are not there") as caught:
        read_coco(file, None, TWO)
    assert "--images" in caught.value.hint
    assert read_coco(file, tmp_path / "val", TWO).samples[0].path == tmp_path / "val" / "a.png"


@pytest.mark.parametrize(
    ("classes", "categories", "rule"),
    [
        (ModelClasses(2), (4, 90), "categories in the order of their ids"),
        (ModelClasses(2, ("x", "y")), (4, 90), "categories in the order of their ids"),
        (ModelClasses(3, ("dog", "cow", "cat")), (90, None, 4), "the model's labels"),
        (ModelClasses(3, None, ("dog", "cow", "cat")), (90, None, 4), "the list of --classes"),
    ],
)
def test_which_category_is_which_class(
    tmp_path: Path, classes: ModelClasses, categories: tuple[int | None, ...], rule: str
) -> None:
    data = read_coco(write(tmp_path, content()), None, classes)
    assert data.categories == categories
    assert data.rule.endswith(rule)


def test_classes_that_may_be_meant_in_two_ways_are_refused(tmp_path: Path) -> None:
    file = write(tmp_path, content())
    with pytest.raises(UsageError, match="2 categories, the model 3 classes"):
        read_coco(file, None, ModelClasses(3))
    with pytest.raises(InputFileError, match="not in the list of --classes: 'dog'"):
        read_coco(file, None, ModelClasses(3, None, ("cat", "cow", "hen")))


def annotation(**changes: Any) -> list[dict[str, Any]]:
    return [content()["annotations"][0] | changes]


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("{", "is not a COCO file"),
        ("\ufeff[]", "is not a COCO file"),
        ([], "is not a COCO file"),
        ({"images": []}, "is not a COCO file"),
        (content(images=[]), "no image or no category"),
        (content(categories=[]), "no image or no category"),
        (content(images=content()["images"][:1] * 2), "two of one image"),
        (content(categories=[{"id": 1, "name": "cat"}, {"id": 2, "name": "cat"}]), "category name"),
        (content(annotations=annotation() * 2), "two of one annotation"),
        (content(annotations=annotation(image_id=1)), "annotation 1 is of image 1"),
        (content(annotations=annotation(category_id=1)), "category 1"),
        (content(annotations=annotation(bbox=[1, 2, 3])), "is not a COCO file"),
        (content(annotations=annotation(area="large")), "is not a COCO file"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, document: Any, words: str) -> None:
    with pytest.raises(InputFileError, match=words):
        read_coco(write(tmp_path, document), None, TWO)


def test_a_folder_is_not_a_coco_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        read_coco(tmp_path, None, TWO)


def test_other_annotations_are_another_set(tmp_path: Path) -> None:
    before = read_coco(write(tmp_path, content()), None, TWO).fingerprint()
    assert read_coco(write(tmp_path, content()), None, TWO).samples[0].truth
    other = content(annotations=annotation(bbox=[1, 2, 3, 5]))
    assert read_coco(write(tmp_path, other), None, TWO).fingerprint() != before
