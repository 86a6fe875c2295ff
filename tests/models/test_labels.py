"""Files of labels in each of their forms, and what is wrong with others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.models.class_names import ade20k, coco
from vmamba_deploy.models.labels import asked_labels

NAMES = ("cat", "dog, small", "ö")
FORMS = {
    "a.txt": "cat\ndog, small \nö\n\n",
    "names": "\ufeffcat\r\ndog, small\r\nö",
    "list.json": json.dumps(NAMES),
    "by_index.json": json.dumps({"2": "ö", "0": "cat", "1": "dog, small"}),
    "by_name.json": json.dumps({"ö": 2, "cat": 0, "dog, small": 1}),
    "keras.json": json.dumps({str(i): [f"n{i}", name] for i, name in enumerate(NAMES)}),
    "config.json": json.dumps({"id2label": dict(enumerate(NAMES)), "depths": [1, 2, 3]}),
    "a.csv": '0,cat\n1,"dog, small"\n2,ö\n',
    "titles.CSV": 'index,name\n2,ö\n1,"dog, small"\n0,cat\n',
}
WRONG = {
    "empty.txt": ("\n\n", "names no class"),
    "gap.txt": ("a\n\nb\n", "line 2 is empty"),
    "controls.txt": ("a\n\x1b[2J\n", "cannot be shown"),
    "bytes.txt": ("a\n\udcff", "UTF-8|utf-8"),
    "from_1.json": ('{"1": "a", "2": "b"}', "names no classes"),
    "numbers.json": ("[1, 2]", "names no classes"),
    "blank.json": ('["a", " "]', "without a name"),
    "cut.json": ('["a"', "JSON"),
    "from_1.csv": ("1,a\n2,b\n", "2 classes, up to 2, and not class 0"),
    "twice.csv": ("0,a\n0,b\n", "line 2 names class 0 again"),
    "comma.csv": ("0,a,b\n", "line 1 is not index,name"),
    "word.csv": ("index,name\n0,a\nx,b\n", "line 3 is not index,name"),
}


@pytest.mark.parametrize("name", FORMS)
def test_each_form_of_a_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(FORMS[name].encode())
    assert asked_labels(str(path)).names == NAMES


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_file_is_told(name: str, tmp_path: Path) -> None:
    content, told = WRONG[name]
    path = tmp_path / name
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(InputFileError, match=told) as caught:
        asked_labels(path)
    assert name in caught.value.message
    assert caught.value.hint is not None or "cannot be shown" in caught.value.message


def test_data_sets_lists_and_neither() -> None:
    assert asked_labels("coco") is coco()
    assert asked_labels("ade20k").palette == ade20k().palette
    assert asked_labels(list(NAMES)).names == NAMES
    with pytest.raises(UsageError, match="names no class"):
        asked_labels([])
    with pytest.raises(InputFileError, match="no file of labels imagenet") as caught:
        asked_labels("imagenet")
    assert "imagenet-1k" in (caught.value.hint or "")
