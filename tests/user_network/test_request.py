"""What a user says of a network's inputs, axes and outputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmamba_deploy.errors import UsageError
from vmamba_deploy.tasks.task import Input
from vmamba_deploy.user_network.request import (
    AskedOutput,
    Builder,
    Interface,
    parsed_free_axes,
    parsed_input,
    parsed_outputs,
)

IMAGE = Input("image", "float32", (1, 3, 64, 96))


def test_a_function_of_a_file_is_named_behind_the_last_colon():
    assert Builder.parsed("a/net.py:build") == Builder(Path("a/net.py"), "build")
    assert Builder.parsed("c:/net.py:Net") == Builder(Path("c:/net.py"), "Net")
    assert Builder.parsed("/home/me/a/net.py:build").title == "net.py:build"


@pytest.mark.parametrize("text", ["net.py", ":build", "net.py:", "net.py:1st", "net.py:a.b", ""])
def test_another_form_of_a_function_is_refused(text):
    with pytest.raises(UsageError, match="does not name a function of a file"):
        Builder.parsed(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("image=1x3x64x96", IMAGE),
        ("ids=1x16:int64", Input("ids", "int64", (1, 16))),
        ("ids=1x16:int64:0..999", Input("ids", "int64", (1, 16), (0.0, 999.0))),
        ("t=4:float32:-1..1", Input("t", "float32", (4,), (-1.0, 1.0))),
        ("step=:int32", Input("step", "int32", ())),
        ("scale=", Input("scale", "float32", ())),
    ],
)
def test_an_input_has_a_name_a_shape_a_dtype_and_values(text, expected):
    assert parsed_input(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image", "is not a name and a shape"),
        ("image=1x3x", "is not a name and a shape"),
        ("image=1x3x-4", "is not a name and a shape"),
        ("3d=1x3", "is not a name and a shape"),
        ("image=1x0x4", "every side of 1x0x4 must be at least 1"),
        ("image=1x3:float16", "there is no dtype 'float16'"),
        ("image=1x3:float32:1", "are no least and largest value"),
        ("image=1x3:float32:2..1", "are no least and largest value"),
        ("image=1x3:float32:nan..1", "are no least and largest value"),
        ("image=" + "1x" * 8 + "1", "is not a name and a shape"),
    ],
)
def test_another_form_of_an_input_is_refused(text, words):
    with pytest.raises(UsageError, match=words):
        parsed_input(text)


def test_free_axes_have_numbers_and_perhaps_names():
    assert parsed_free_axes([]) is None
    assert parsed_free_axes(["none"]) == {}
    assert parsed_free_axes(["image=0,2:h,3:w", "mask=2:h"]) == {
        "image": {0: None, 2: "h", 3: "w"},
        "mask": {2: "h"},
    }


@pytest.mark.parametrize("text", ["image", "image=", "image=x", "image=0:1st", "=0", "image=12"])
def test_another_form_of_free_axes_is_refused(text):
    with pytest.raises(UsageError, match="is not an input and its free axes"):
        parsed_free_axes([text])


def test_outputs_have_a_name_and_perhaps_a_kind():
    assert parsed_outputs(["a", "b:image"]) == (AskedOutput("a"), AskedOutput("b", "image"))
    for text in ("a:picture", "a:", ":map", "a:detection", "a b"):
        with pytest.raises(UsageError, match="is not a name and a kind"):
            parsed_outputs([text])


def test_the_batch_is_free_where_every_input_has_it():
    both = Interface((IMAGE, Input("gain", "float32", (1, 16))))
    assert both.axes == {"batch": 1}
    assert [one.shape for one in both.freed] == [("batch", 3, 64, 96), ("batch", 16)]
    assert Interface((IMAGE, Input("table", "float32", (5, 16)))).axes == {}
    assert Interface((IMAGE, Input("step", "float32", ()))).axes == {}
    assert Interface((IMAGE,), {}).axes == {}


def test_axes_of_one_name_are_one_size():
    mask = Input("mask", "float32", (1, 1, 64, 96))
    free = {"image": {0: None, 2: "h", 3: None}, "mask": {0: None, 2: "h"}}
    interface = Interface((IMAGE, mask), free)
    assert interface.axes == {"batch": 1, "h": 64, "image_3": 96}
    assert [one.shape for one in interface.freed] == [
        ("batch", 3, "h", "image_3"),
        ("batch", 1, "h", 96),
    ]
    with pytest.raises(UsageError, match="the axis h is 64 long in image and 96 in mask"):
        Interface((IMAGE, mask), {"image": {2: "h"}, "mask": {3: "h"}})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (((),), "nothing says what the network takes"),
        (((IMAGE, IMAGE),), "the input image is named twice"),
        (((IMAGE,), {"mask": {0: None}}), "--dynamic names mask, which is no input"),
        (((IMAGE,), {"image": {4: None}}), "image has no axis 4"),
        (((IMAGE,), None, (AskedOutput("a"), AskedOutput("a"))), "the output a is named twice"),
        (((IMAGE,), None, (AskedOutput("a", "detection"),)), "no kind of output 'detection'"),
        (((Input("step", "float32", ()),),), "the first input, step, has no axis"),
        (((IMAGE, Input("pixel_values", "float32", (1,))),), "what applications call the first"),
    ],
)
def test_an_interface_that_contradicts_itself_is_refused(arguments, words):
    with pytest.raises(UsageError, match=words):
        Interface(*arguments)
