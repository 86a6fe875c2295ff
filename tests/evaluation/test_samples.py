import os

import pytest

from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.evaluation.classes import ModelClasses
from vmamba_deploy.evaluation.samples import read_samples

TWO = ModelClasses(2)


def found(data):
    return [(sample.name, sample.label) for sample in data.samples]


def test_a_tree_in_torchvision_s_order(tree):
    root = tree("b/2.png", "a/1.png", "b/deep/er/0.PNG", "a/10.png")
    data = read_samples(root, TWO)
    assert found(data) == [("a/1.png", 0), ("a/10.png", 0), ("b/2.png", 1), ("b/deep/er/0.PNG", 1)]
    assert data.class_names == ("a", "b")
    assert all(sample.path.is_file() for sample in data.samples)


def test_what_is_no_image_is_left_out_and_counted(tree):
    root = tree("a/1.png", "b/1.png", ".cache/1.png", "a/.hidden.png")
    (root / "labels.csv").write_text("beside the folders: not looked at")
    (root / "a" / "notes.txt").write_text("no image")
    data = read_samples(root, TWO)
    assert found(data) == [("a/1.png", 0), ("b/1.png", 1)]
    assert data.ignored == 1


def test_links_are_followed_and_circles_are_not(tree, tmp_path):
    root = tree("a/1.png", "b/1.png", "../elsewhere/2.png")
    (root / "a" / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "b" / "circle").symlink_to(root / "b")
    names = [name for name, _ in found(read_samples(root, TWO))]
    assert names == ["a/1.png", "a/linked/2.png", "b/1.png"]


def test_an_empty_class_keeps_its_place(tree):
    root = tree("c/1.png")
    for name in ("a", "b"):
        (root / name).mkdir()
    assert found(read_samples(root, ModelClasses(3))) == [("c/1.png", 2)]


@pytest.mark.parametrize(
    ("names", "words"), [((), "no class folders"), (("a", "b"), "2 class folders and no image")]
)
def test_trees_without_images(tmp_path, names, words):
    (tmp_path / "1.png").write_text("not in a class folder")
    for name in names:
        (tmp_path / name).mkdir()
    with pytest.raises(InputFileError, match=words):
        read_samples(tmp_path, TWO)


def test_no_such_data_and_neither_folder_nor_csv(tmp_path):
    with pytest.raises(InputFileError, match="no data set"):
        read_samples(tmp_path / "absent", TWO)
    (tmp_path / "data.zip").write_text("zip")
    with pytest.raises(UsageError, match=r"neither a folder nor a \.csv"):
        read_samples(tmp_path / "data.zip", TWO)


def write_csv(root, text):
    (root / "list.csv").write_text(text)
    return root / "list.csv"


def test_a_csv_keeps_its_order_and_ignores_other_columns(tree):
    root = tree("x/1.png", "2.png")
    listed = write_csv(root, "\ufeffnote,path,label\nhello,x/1.png, 1\n,2.png,0\n")
    data = read_samples(listed, TWO)
    assert found(data) == [("x/1.png", 1), ("2.png", 0)]
    assert data.kind == "csv"


def test_a_csv_with_names_of_a_class_list(tree):
    root = tree("1.png")
    listed = write_csv(root, "path,label\n1.png,n42\n")
    classes = ModelClasses(2, ("tench", "cock"), listed=("n7", "n42"))
    data = read_samples(listed, classes)
    assert found(data) == [("1.png", 1)]
    assert data.class_names == ("tench", "cock")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no column path and no column label"),
        ("file,label\n1.png,0\n", "no column path"),
        ("path,label\n", "lists no image"),
        ("path,label\n1.png\n", "line 2 lacks a path or a label"),
        ("path,label\n1.png,0\n1.png,1\n", "line 3 lists 1.png again, after line 2"),
        ("path,label\n1.png,2\n", "unknown class"),
        ("path,label\n1.png,0\n9.png,0\n8.png,0\n", "2 files that are not there, the first: 9.png"),
    ],
)
def test_csv_files_that_do_not_fit(tree, text, words):
    listed = write_csv(tree("1.png"), text)
    with pytest.raises(InputFileError, match=words):
        read_samples(listed, TWO)


def test_a_csv_that_is_not_text(tmp_path):
    (tmp_path / "list.csv").write_bytes(b"path,label\n\xff\xfe,0\n")
    with pytest.raises(InputFileError, match="cannot be read"):
        read_samples(tmp_path / "list.csv", TWO)


def test_a_limit_takes_evenly_from_all_classes(tree):
    root = tree(*(f"{label}/{number}.png" for label in "ab" for number in range(6)))
    data = read_samples(root, TWO)
    assert [label for _, label in found(data.limited(4))] == [0, 0, 1, 1]
    assert data.limited(4) == data.limited(4)
    assert data.limited(None) == data.limited(12) == data.limited(99) == data


def test_batches_cover_every_sample_once(tree):
    data = read_samples(tree(*(f"a/{n}.png" for n in range(5)), "b/0.png"), TWO)
    batches = list(data.batches(4))
    assert [(batch.number, batch.start, len(batch.samples)) for batch in batches] == [
        (0, 0, 4),
        (1, 4, 2),
    ]
    assert tuple(one for batch in batches for one in batch.samples) == data.samples


def test_the_fingerprint_knows_names_labels_sizes_and_times(tree):
    root = tree("a/1.png", "b/1.png")
    data = read_samples(root, TWO)
    before = data.fingerprint()
    assert read_samples(root, TWO).fingerprint() == before
    swapped = read_samples(root, ModelClasses(2, None, ("b", "a")))
    assert swapped.fingerprint() != before
    status = (root / "a/1.png").stat()
    os.utime(root / "a/1.png", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert data.fingerprint() != before
    (root / "a/1.png").unlink()
    with pytest.raises(InputFileError, match=r"1\.png cannot be read"):
        data.fingerprint()
