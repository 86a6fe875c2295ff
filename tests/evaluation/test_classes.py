import pytest

from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.evaluation.classes import (
    ModelClasses,
    assign_folders,
    assign_values,
    read_class_list,
)

ANIMALS = ("zebra", "ant", "bee")


def test_folders_named_like_labels_have_the_labels_classes():
    assigned = assign_folders(["ant", "bee", "zebra"], ModelClasses(3, ANIMALS))
    assert {name: assigned.index[name] for name in ("ant", "bee", "zebra")} == {
        "ant": 1,
        "bee": 2,
        "zebra": 0,
    }
    assert "labels" in assigned.rule


def test_some_of_the_labels_are_enough():
    assert assign_folders(["bee"], ModelClasses(3, ANIMALS)).index["bee"] == 2


def test_without_labels_folders_are_sorted_as_torchvision_does():
    assigned = assign_folders(["n01", "n02", "n03"], ModelClasses(3))
    assert assigned.index == {"n01": 0, "n02": 1, "n03": 2}
    assert "torchvision" in assigned.rule


def test_other_names_than_the_labels_are_sorted_when_there_is_one_for_each_class():
    assigned = assign_folders(["n01", "n02", "n03"], ModelClasses(3, ANIMALS))
    assert assigned.index["n03"] == 2


def test_ten_numbers_have_one_order():
    names = [str(digit) for digit in range(10)]
    assert assign_folders(names, ModelClasses(10)).index["7"] == 7


def test_eleven_numbers_have_two_orders_and_are_not_guessed():
    names = sorted(str(number) for number in range(11))
    with pytest.raises(UsageError, match="differs from their order as numbers") as caught:
        assign_folders(names, ModelClasses(11))
    assert "--classes" in caught.value.hint


@pytest.mark.parametrize("labels", [None, ANIMALS])
def test_fewer_folders_than_classes_are_not_guessed(labels):
    with pytest.raises(UsageError, match="2 class folders, the model 3 classes") as caught:
        assign_folders(["x", "y"], ModelClasses(3, labels))
    assert "--classes" in caught.value.hint


def test_more_folders_than_classes():
    with pytest.raises(InputFileError, match="4 class folders, the model 3 classes"):
        assign_folders(["a", "b", "c", "d"], ModelClasses(3))


def test_a_label_of_two_classes_is_not_guessed():
    classes = ModelClasses(3, ("crane", "crane", "bee"))
    assert assign_folders(["bee"], classes).index["bee"] == 2
    with pytest.raises(UsageError, match="more than one class labelled 'crane'"):
        assign_folders(["bee", "crane"], classes)


def test_the_list_goes_before_labels():
    classes = ModelClasses(3, ANIMALS, listed=("ant", "bee", "zebra"))
    assert assign_folders(["zebra"], classes).index["zebra"] == 2
    with pytest.raises(InputFileError, match="not in the list of --classes: 'cow'"):
        assign_folders(["cow"], classes)


@pytest.mark.parametrize(
    ("values", "labels", "expected"),
    [
        (["2", "0"], None, {"2": 2, "0": 0}),
        (["bee", "ant"], ANIMALS, {"bee": 2, "ant": 1}),
        (["1", "2"], ANIMALS, {"1": 1, "2": 2}),
        # Labels that look like indices are labels.
        (["1", "2"], ("2", "1", "0"), {"1": 1, "2": 0}),
    ],
)
def test_a_column_of_labels(values, labels, expected):
    index = assign_values(values, ModelClasses(3, labels)).index
    assert {value: index[value] for value in values} == expected


@pytest.mark.parametrize("value", ["3", "-1", "cow", "1.5", "²"])
def test_a_value_that_is_no_class(value):
    with pytest.raises(InputFileError, match="unknown class in the column label"):
        assign_values(["0", value], ModelClasses(3, ANIMALS))


def test_long_lists_of_names_are_cut():
    values = [f"class {number}" for number in range(20)]
    with pytest.raises(InputFileError, match="and 15 more"):
        assign_values(values, ModelClasses(3))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a\nb\n", "names 2 classes, the model has 3"),
        ("a\n\nc\n", "line 2 is empty"),
        ("a\nb\na\n", "a name twice: 'a'"),
    ],
)
def test_a_list_of_classes_that_does_not_fit(tmp_path, text, words):
    (tmp_path / "classes.txt").write_text(text)
    with pytest.raises(InputFileError, match=words):
        read_class_list(tmp_path / "classes.txt", 3)


def test_a_list_of_classes(tmp_path):
    (tmp_path / "classes.txt").write_text("\ufeffn2\nn1\n n3 \n\n")
    assert read_class_list(tmp_path / "classes.txt", 3) == ("n2", "n1", "n3")
    with pytest.raises(InputFileError, match="cannot be read"):
        read_class_list(tmp_path / "absent.txt", 3)


def test_names_for_people():
    assert ModelClasses(3, ANIMALS).names() == ANIMALS
    assert ModelClasses(2, None, ("a", "b")).names() == ("a", "b")
    assert ModelClasses(2).names() == ("0", "1")
