"""Settings of training scripts as plain values, out of real pickles where the classes are here."""

from __future__ import annotations

import argparse
import collections
import datetime
import enum
import functools
import pathlib
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.models.checkpoints import stand_in
from vmamba_deploy.models.checkpoints.limits import MAX_DEPTH, MAX_VALUES
from vmamba_deploy.models.checkpoints.pickled import read_pickled
from vmamba_deploy.models.checkpoints.stand_in import StandIn, check_size, plain


class Colour(enum.Enum):
    RED = 1


class Own:
    def __init__(self) -> None:
        self.values = [1, 2]
        self.me = self

    class Within:
        pass


def saved(value: object, path: Path, protocol: int = 2) -> Any:
    """Value as it is read again from a checkpoint beside the weights."""
    torch.save({"beside": value}, path, pickle_protocol=protocol)
    found = read_pickled(path)
    assert isinstance(found, dict)
    return found["beside"]


NESTED = argparse.Namespace(lr=0.1, data=pathlib.PurePosixPath("/data/x"), sub=(1, [2]))
MEANINGS: list[tuple[Any, Any]] = [
    (NESTED, {"lr": 0.1, "data": "/data/x", "sub": [1, [2]]}),
    (argparse.Namespace(), {}),
    (types.SimpleNamespace(a=1), {"a": 1}),
    (collections.OrderedDict(a=1), {"a": 1}),
    (collections.defaultdict(list, loss=[1.0]), {"loss": [1.0]}),
    (collections.Counter("aab"), {"a": 2, "b": 1}),
    (pathlib.PosixPath("/data"), "/data"),
    (pathlib.PureWindowsPath("C:/data"), "C:\\data"),
    (datetime.datetime(2025, 1, 2, 3, 4), "2025-01-02T03:04:00"),
    (datetime.date(2025, 1, 2), "2025-01-02"),
    (datetime.time(3, 4), "03:04:00"),
    ({3}, [3]),
    (frozenset([3]), [3]),
    (b"\xff", b"\xff"),
    (np.float32(0.5), 0.5),
    (np.float64(-2.25), -2.25),
    (np.float16(1.5), 1.5),
    (np.int64(-7), -7),
    (np.uint8(200), 200),
    (np.bool_(True), True),
    (torch.Size([2, 3]), [2, 3]),
]


@pytest.mark.parametrize(
    ("value", "meaning"), MEANINGS, ids=[type(v).__name__ for v, _ in MEANINGS]
)
def test_settings_as_plain_values(value: Any, meaning: Any, checkpoint: Path) -> None:
    for protocol in (2, 4):
        assert plain(saved(value, checkpoint, protocol)) == meaning


OBJECTS: list[tuple[Any, str]] = [
    (Own(), f"{Own.__module__}.Own"),
    (Own.Within(), f"{Own.__module__}.Own.Within"),
    (Colour.RED, f"{Colour.__module__}.Colour"),
    (functools.partial(max, 3), "functools.partial"),
    (np.zeros(3), "numpy._core.multiarray._reconstruct"),
    (torch.float32, "torch.float32"),
    (torch.device("cpu"), "torch.device"),
    (datetime.timedelta(1), "datetime.timedelta"),
    (np.complex64(1), "numpy._core.multiarray.scalar"),
    (Own, f"{Own.__module__}.Own"),
    (slice(1), "builtins.slice"),
]


@pytest.mark.parametrize(("value", "name"), OBJECTS, ids=[name for _, name in OBJECTS])
def test_other_objects_stay(
    value: Any, name: str, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, Own.__module__, sys.modules[__name__])
    found = plain(saved(value, checkpoint))
    assert isinstance(found, StandIn)
    assert found.name == name


def dict_class(module: str, name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    made = type(name, (dict,), {"__module__": module})
    found = types.ModuleType(module)
    setattr(found, name, made)
    for parent in (module, *map(str, pathlib.PurePosixPath(module.replace(".", "/")).parents)):
        monkeypatch.setitem(sys.modules, parent.replace("/", "."), found)
    return made


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("yacs.config", "CfgNode"),
        ("easydict", "EasyDict"),
        ("addict.addict", "Dict"),
        ("mmengine.config.config", "ConfigDict"),
    ],
)
def test_configurations_that_are_dicts(
    module: str, name: str, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = dict_class(module, name, monkeypatch)
    value = made(MODEL=made(NAME="a"))
    value.frozen = True
    assert plain(saved(value, checkpoint)) == {"MODEL": {"NAME": "a"}}


@pytest.mark.parametrize(
    ("found", "meaning"),
    [
        (StandIn("mmengine.config.config.Config", (), ({"a": 1}, "file.py")), {"a": 1}),
        (StandIn("mmengine.config.config.ConfigDict", ({"a": 1},)), {"a": 1}),
        (
            StandIn(
                "omegaconf.dictconfig.DictConfig",
                (),
                {"_content": {"a": StandIn("omegaconf.nodes.AnyNode", (), {"_val": 1})}},
            ),
            {"a": 1},
        ),
        (StandIn("builtins.set"), []),
        (StandIn("easydict.EasyDict"), {}),
    ],
)
def test_configurations_that_keep_their_values_inside(found: StandIn, meaning: Any) -> None:
    assert plain(found) == meaning


@pytest.mark.parametrize(
    "found",
    [
        StandIn("mmengine.config.config.Config", (), ()),
        StandIn("omegaconf.dictconfig.DictConfig", (), {}),
        StandIn("datetime.date", (b"x",)),
        StandIn("datetime.datetime", (b"\xff" * 10,)),
        StandIn("datetime.datetime", (b"x", None)),
        StandIn("pathlib.PosixPath", (3,)),
        StandIn("numpy._core.multiarray.scalar", (StandIn("numpy.dtype", ("f8",)), b"\0" * 8)),
        StandIn(
            "numpy._core.multiarray.scalar",
            (StandIn("numpy.dtype", ("f8",), (3, "<")), b"\0" * 4),
        ),
        StandIn("numpy._core.multiarray.scalar", (StandIn("numpy.dtype", ("V0",), (3, "|")), b"")),
    ],
    ids=lambda found: found.name,
)
def test_what_cannot_be_told_stays(found: StandIn) -> None:
    assert plain(found) is found


def test_the_byte_order_of_numbers() -> None:
    dtype = StandIn("numpy.dtype", ("i2", False, True), (3, ">", None))
    assert plain(StandIn("numpy.core.multiarray.scalar", (dtype, b"\x01\x00"))) == 256


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


def wide(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value, value]
    return value


def endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize("check", [check_size, plain])
@pytest.mark.parametrize("value", [deep(MAX_DEPTH + 1), deep(10**6), wide(30), endless()])
def test_what_would_take_for_ever(check: Any, value: Any) -> None:
    with pytest.raises(InputFileError, match="deeper"):
        check(value)
    with pytest.raises(InputFileError, match="deeper"):
        check({"key": (value,)})


def test_no_such_file_is_read_at_all(checkpoint: Path) -> None:
    with pytest.raises(InputFileError, match="deeper"):
        saved(wide(30), checkpoint)


def test_stand_ins_without_end() -> None:
    namespace = StandIn("argparse.Namespace")
    namespace.state = {"me": namespace}
    with pytest.raises(InputFileError, match="deeper"):
        plain(namespace)


def shared(name: str, count: int) -> list[StandIn]:
    """Objects that all hold the same thousand values."""
    values = {"many": [0] * 1000}
    return [StandIn(name, (), values) for _ in range(count)]


@pytest.fixture
def few_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stand_in, "MAX_VALUES", 5000)


@pytest.mark.usefixtures("few_values")
@pytest.mark.parametrize("name", ["argparse.Namespace", "own.Class"])
def test_what_objects_share_is_counted_for_each(name: str) -> None:
    check_size(shared(name, 3))
    with pytest.raises(InputFileError, match="deeper"):
        check_size(shared(name, 6))


@pytest.mark.usefixtures("few_values")
def test_objects_of_other_classes_are_counted_once() -> None:
    (large,) = shared("own.Class", 1)
    check_size([large] * 100)
    with pytest.raises(InputFileError, match="deeper"):
        check_size(shared("argparse.Namespace", 1) * 100)
    large.state = {"me": large, "list": deep(MAX_DEPTH - 3)}
    check_size(large)
    large.state = deep(MAX_DEPTH + 1)
    with pytest.raises(InputFileError, match="deeper"):
        check_size(large)


def below(levels: int, value: object) -> object:
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("check", [check_size, plain])
@pytest.mark.parametrize(
    ("value", "levels"), [(7, 0), ([], 1), ({}, 1), (StandIn("own.Class"), 1), ([(7,)], 2)]
)
def test_the_deepest_that_is_taken(check: Any, value: object, levels: int) -> None:
    deepest = below(MAX_DEPTH - levels, value)
    check(deepest)
    # Where it was met before, higher up.
    check([value, *below(MAX_DEPTH - levels, value)])  # type: ignore[misc]
    for too_deep in ([deepest], [value, deepest]):
        with pytest.raises(InputFileError, match="deeper"):
            check(too_deep)


@pytest.mark.parametrize(
    "value", [[0, 1], {"a": 0, "b": 1}, ((), ""), StandIn("argparse.Namespace", (), {"a": 1})]
)
def test_the_most_values_that_are_taken(value: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stand_in, "MAX_VALUES", 3)
    check_size(value)
    monkeypatch.setattr(stand_in, "MAX_VALUES", 2)
    with pytest.raises(InputFileError, match="deeper"):
        check_size(value)


def test_what_an_object_of_another_class_holds_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Itself, its arguments, state and items: four."""
    monkeypatch.setattr(stand_in, "MAX_VALUES", 4)
    check_size(StandIn("own.Class"))
    monkeypatch.setattr(stand_in, "MAX_VALUES", 3)
    with pytest.raises(InputFileError, match="deeper"):
        check_size(StandIn("own.Class"))


def test_long_paths_stay() -> None:
    for parts in (("a",) * 101, ("a" * 4096,)):
        path = StandIn("pathlib.PosixPath", parts)
        assert plain(path) is path
        shorter = parts[:100] if len(parts) > 1 else (parts[0][:4095],)
        assert plain(StandIn("pathlib.PosixPath", shorter)) == "/".join(shorter)


def test_shared_parts_are_counted_in_each_place() -> None:
    row = [0] * 1000
    check_size([row] * (MAX_VALUES // 2000))
    with pytest.raises(InputFileError, match="deeper"):
        check_size([row] * (MAX_VALUES // 1000))
    check_size(wide(15))
    check_size(deep(MAX_DEPTH - 1))
