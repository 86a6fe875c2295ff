from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.evaluation import layouts
from vmamba_deploy.evaluation.layouts import LAYOUTS, check_layout

IMAGENET = LAYOUTS["imagenet"]
NAMES = ("n01440764", "n01443537", "n01484850")
SMALL = replace(
    IMAGENET,
    classes=3,
    images_per_class=2,
    names_sha256=hashlib.sha256("\n".join(NAMES).encode()).hexdigest(),
)


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A set of three classes as ImageNet's is laid out, its images shuffled over the folders."""
    monkeypatch.setitem(layouts.LAYOUTS, "imagenet", SMALL)
    root = tmp_path / "val"
    for number in range(1, 7):
        folder = root / NAMES[number * 5 % 3]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"ILSVRC2012_val_{number:08d}.JPEG").touch()
    return root


def refused(root):
    with pytest.raises(InputFileError) as raised:
        check_layout(root, "imagenet")
    assert raised.value.message.startswith(f"{root} is not ImageNet-1K's validation set: ")
    assert "docs/imagenet.md" in raised.value.hint
    return raised.value.message.partition("set: ")[2]


def first_image(root):
    return min(root.glob("*/*.JPEG"))


def test_the_set_itself_passes(small):
    check_layout(small, "imagenet")
    (small / ".cache").mkdir()
    (small / NAMES[0] / "notes.txt").touch()
    check_layout(small, "imagenet")


def test_images_that_were_never_put_into_folders(tmp_path):
    for number in (1, 2):
        (tmp_path / f"ILSVRC2012_val_{number:08d}.JPEG").touch()
    words = "there is no class folder, and 2 images lie side by side"
    assert refused(tmp_path) == words


def test_the_folder_above(small):
    assert refused(small.parent) == "these are no class folders of it: 'val'"


def test_folders_of_other_names(small):
    (small / NAMES[1]).rename(small / "goldfish")
    assert refused(small) == "these are no class folders of it: 'goldfish'"


def test_a_class_too_few(small):
    for image in (small / NAMES[2]).iterdir():
        image.unlink()
    (small / NAMES[2]).rmdir()
    assert refused(small) == "there are 2 class folders, expected 3"


def test_the_classes_of_another_set(small):
    (small / NAMES[2]).rename(small / "n02000000")
    assert refused(small) == "the class folders have the names of other classes"


def test_an_image_too_few(small):
    image = first_image(small)
    image.unlink()
    assert f"not every class folder has 2 images: '{image.parent.name}: 1'" in refused(small)


def test_training_images(small):
    image = first_image(small)
    image.rename(image.with_name("n01440764_10026.JPEG"))
    assert refused(small) == f"{NAMES[0]}/n01440764_10026.JPEG has no name of it"


def test_a_number_beyond_the_set(small):
    image = first_image(small)
    image.rename(image.with_name("ILSVRC2012_val_00000007.JPEG"))
    assert "ILSVRC2012_val_00000007.JPEG has no name of it" in refused(small)


def test_an_image_in_two_folders(small):
    image = first_image(small)
    other = max(small.glob("*/*.JPEG"))
    other.rename(other.with_name(image.name))
    words = f"{image.name} is in the folders {image.parent.name} and {other.parent.name}"
    assert refused(small) == words


def test_no_folder(tmp_path):
    with pytest.raises(UsageError, match="is no folder, and --layout imagenet is about one"):
        check_layout(tmp_path / "labels.csv", "imagenet")


def test_imagenet_has_50000_images():
    assert (IMAGENET.classes, IMAGENET.images) == (1000, 50_000)


def test_the_classes_are_those_that_timm_lists():
    timm_data = pytest.importorskip("timm.data", reason="timm, which lists them, is not installed")
    names = timm_data.ImageNetInfo().label_names()
    assert names == sorted(names)
    assert hashlib.sha256("\n".join(names).encode()).hexdigest() == IMAGENET.names_sha256
