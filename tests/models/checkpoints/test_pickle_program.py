"""Pickles of every kind build plain values and stand-ins; nothing that they name is run."""

from __future__ import annotations

import contextlib
import io
import pickle
import struct
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest

from vmamba_deploy.models.checkpoints.limits import MAX_INTEGER_BITS, MAX_NAME_CHARACTERS
from vmamba_deploy.models.checkpoints.pickle_program import follow
from vmamba_deploy.models.checkpoints.stand_in import StandIn


def followed(program: bytes, **arguments: Any) -> Any:
    return follow(
        io.BytesIO(program),
        **{"calls": {}, "persistent": lambda key: ("kept", key), "check_name": len, **arguments},
    )


VALUE = {
    "numbers": [1, -(1 << 40), 1 << 70, 2.5, True, False, None, 200, 70_000],
    "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
    "text": ["", "long " * 100, "ä", "\n"],
    3: {None: {}, b"key": []},
    "\x00": [[], [[]]],
}


@pytest.mark.parametrize("protocol", range(3, pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values(protocol: int) -> None:
    assert followed(pickle.dumps(VALUE, protocol)) == VALUE


@pytest.mark.parametrize("protocol", range(3))
def test_plain_values_of_old_protocols(protocol: int) -> None:
    del_bytes = VALUE | {3: {None: {}}}
    assert followed(pickle.dumps(del_bytes, protocol)) == del_bytes
    bytes_call = followed(pickle.dumps(b"\xff", protocol))
    assert (bytes_call.name, bytes_call.arguments) == ("_codecs.encode", ("\xff", "latin1"))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_what_is_shared_stays_shared(protocol: int) -> None:
    inner: list[Any] = [1]
    inner.append(inner)
    found = followed(pickle.dumps([inner, inner, {"a": inner}], protocol))
    assert found[0] is found[1] is found[2]["a"] is found[0][1]


class Trap:
    """Whatever unpickling does to a class or an object of it, it tells."""

    sprung: list[str] = []  # noqa: RUF012  one for all of them

    def __new__(cls, *_: Any, **__: Any) -> Trap:
        cls.sprung.append("new")
        return object.__new__(cls)

    def __setstate__(self, _: Any) -> None:
        self.sprung.append("setstate")

    def __setitem__(self, *_: Any) -> None:
        self.sprung.append("setitem")

    def extend(self, _: Any) -> None:
        self.sprung.append("extend")

    append = add = extend

    @classmethod
    def spring(cls) -> None:
        cls.sprung.append("spring")

    def __hash__(self) -> int:
        self.sprung.append("hash")
        return 0


@pytest.fixture
def trap(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Trap]]:
    module = types.ModuleType("trapped")
    module.Trap = Trap  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "trapped", module)
    Trap.sprung.clear()
    yield Trap
    Trap.sprung.clear()


NAME = b"ctrapped\nTrap\n"
PROGRAMS = {
    "reduce": NAME + b")R.",
    "inst": b"(I1\nitrapped\nTrap\n.",
    "obj": b"(" + NAME + b"I1\no.",
    "newobj": b"\x80\x02" + NAME + b")\x81.",
    "newobj_ex": b"\x80\x04" + NAME + b")}\x92.",
    "stack_global": b"\x80\x04\x8c\x07trapped\x8c\x04Trap\x93)R.",
    "build": NAME + b")R}b.",
    "items": NAME + b")RI1\nI2\ns.",
    "list items": NAME + b")R(I1\nI2\ne.",
    "one list item": NAME + b")RI1\na.",
    "set items": NAME + b")R(I1\n\x90.",
    "key": b"}" + NAME + b")RI2\ns.",
    "reconstructor": b"ccopyreg\n_reconstructor\n(" + NAME + b"cbuiltins\nobject\nNtR}b.",
    "newobj call": b"ccopyreg\n__newobj__\n(" + NAME + b"I1\ntR.",
    "getattr": b"cbuiltins\ngetattr\n(" + NAME + b"S'spring'\ntR)R.",
    "result called": NAME + b")R)R.",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_is_imported_or_called(name: str, trap: type[Trap]) -> None:
    found = followed(PROGRAMS[name])
    assert trap.sprung == []
    stand_in = next(iter(found)) if isinstance(found, dict) else found
    assert isinstance(stand_in, StandIn)
    assert stand_in.name.startswith("trapped.Trap")
    # The real unpickler springs it: the program is one that would.
    with contextlib.suppress(TypeError):
        pickle.loads(PROGRAMS[name])  # noqa: S301
    assert trap.sprung


def test_what_a_stand_in_knows() -> None:
    found = followed(b"\x80\x02ca.b\nC\nI7\n\x85\x81I1\nI2\nsX\x01\x00\x00\x00xb.")
    assert (found.name, found.arguments, found.items) == ("a.b.C", (7,), {1: 2})
    assert found.state == "x"
    assert followed(b"ca\nL\n)R(I1\nI2\ne.").items == [1, 2]
    assert followed(b"(I5\nca\nC\n0ia\nC\n.").arguments == (5,)
    assert followed(PROGRAMS["reconstructor"]).arguments == ()
    of_list = b"ccopyreg\n_reconstructor\n(ca\nL\ncbuiltins\nlist\n]tR."
    assert followed(of_list).arguments == ([],)


def test_steps_that_python_seldom_writes() -> None:
    assert followed(b"I5\n(0.") == 5  # A mark is taken off as a value is.
    assert followed(b"I4\nI5\n2\x87.") == (4, 5, 5)
    assert followed(b"I5\n(I6\n1.") == 5


def test_the_largest_that_is_taken() -> None:
    number = (1 << MAX_INTEGER_BITS) - 1
    assert followed(pickle.dumps(number, 4)) == number
    first, last = b"a" * 100, b"b" * (MAX_NAME_CHARACTERS - 101)
    assert len(followed(b"c" + first + b"\n" + last + b"\n.").name) == MAX_NAME_CHARACTERS
    arguments = followed(b"ca\nf\n(" + b"I1\n" * 16 + b"tR.", calls={"a.f": lambda *all: all})
    assert arguments == (1,) * 16
    keys = followed(pickle.dumps({(1 << 60) - 1: 0, 1 << 60: 0}, 4))
    assert [type(key) for key in keys] == [int, StandIn]


def test_every_name_is_asked_about() -> None:
    names: list[str] = []
    program = b"(c__builtin__\nset\nc__builtin__\nxrange\n(I1\nia\nB\ncc\nd\n0"
    program += b"cbuiltins\ngetattr\n(ce\nf\nS'g'\ntRl."
    followed(program, check_name=names.append)
    own = ["a.B", "c.d", "builtins.getattr", "e.f", "e.f.g"]
    assert names == ["builtins.set", "builtins.range", *own]


def test_sets_and_references() -> None:
    assert followed(pickle.dumps({7}, 4)).arguments == ([7],)
    assert followed(pickle.dumps(frozenset([7]), 4)).arguments == ([7],)
    assert followed(b"I5\nQ.") == ("kept", 5)
    assert followed(b"Pkey\n.") == ("kept", "key")


def test_known_calls() -> None:
    program = b"ca\nf\n(I1\nI2\ntR."
    assert followed(program, calls={"a.f": lambda a, b: a + b}) == 3
    many = b"ca\nf\n(" + b"I1\n" * 17 + b"tR."
    assert isinstance(followed(many, calls={"a.f": lambda *_: 3}), StandIn)


def nested_key(depth: int) -> bytes:
    """A tuple of two tuples of two ... as a key: to hash it takes 2^depth steps."""
    return b"\x80\x02}I1\n\x85q\x000" + b"h\x00h\x00\x86q\x000" * depth + b"h\x00I1\ns."


def test_keys_are_not_hashed_for_ever() -> None:
    ((key, value),) = followed(nested_key(70)).items()
    assert (key.name, value) == ("builtins.tuple", 1)
    # All of them have the hash 0.
    keys = ((number * ((1 << 61) - 1)).to_bytes(10, "little") for number in range(1000))
    many = b"".join(b"\x8a\x0a" + key + b"N" for key in keys)
    found = followed(b"\x80\x02}(" + many + b"u.")
    assert [key for key in found if not isinstance(key, StandIn)] == [0]


def test_long_keys_are_no_names() -> None:
    for length, kinds in (
        (MAX_NAME_CHARACTERS, {str, bytes}),
        (MAX_NAME_CHARACTERS + 1, {StandIn}),
    ):
        found = followed(pickle.dumps({"a" * length: 1, b"a" * length: 2}, 4))
        assert {type(key) for key in found} == kinds


def test_shared_parts_cost_nothing() -> None:
    laughs = b"\x80\x02]q\x00I1\na" + b"(h\x00h\x00lq\x00" * 5000 + b"."
    found = followed(laughs)
    assert found[0] is found[1]


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (b"N" * 20 + b".", "more than 10 steps"),
        (b"\x8b" + struct.pack("<i", 200) + b"\x7f" * 200 + b".", f"{MAX_INTEGER_BITS} bits"),
        (b"c" + b"a" * (MAX_NAME_CHARACTERS + 1) + b"\nb\n.", f"{MAX_NAME_CHARACTERS} characters"),
        (b"c" + b"a" * 200 + b"\n" + b"b" * 200 + b"\n.", f"{MAX_NAME_CHARACTERS} characters"),
        (b"\x80\x04]]\x93.", "no name"),
        (b"\x82\x01.", "a step EXT1"),
        (b"\x80\x05\x97.", "a step NEXT_BUFFER"),
        (b"I1\nI2\n\x85R.", "no name"),
        (b"ca\nb\nI1\nR.", "no name"),
        (b"I1\nI2\na.", "no list"),
        (b"ca\nb\n)RI1\nI2\nsI1\na.", "no list"),
        (b"]I1\nI2\ns.", "no dict"),
        (b"}(I1\nu.", "without a value"),
        (b"(I1\nd.", "without a value"),
        (b"R.", "empty"),
        (b"\x86.", "empty"),
        (b"h\x07.", ""),
        (b"t.", ""),
        (b"0.", ""),
        (b".", ""),
        (b"", ""),
        (b"\xff.", ""),
        (b"I" + b"9" * 5000 + b"\n.", "digits"),
        (b"X\xff\xff\xff\x7fabc.", ""),
    ],
)
def test_what_is_refused(program: bytes, words: str) -> None:
    with pytest.raises(Exception, match=words or "."):
        followed(program, max_steps=10)


def test_the_file_is_left_behind_the_pickle() -> None:
    file = io.BytesIO(pickle.dumps(1) + b"rest")
    follow(file, calls={}, persistent=len, check_name=len)
    assert file.read() == b"rest"
