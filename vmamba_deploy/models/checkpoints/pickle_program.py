"""Following the program that a pickle is, without a Python unpickler and without any of its calls.

A pickle is a list of steps for a machine with a stack. Here its steps build plain containers, and
where it wants a class or a function there is a `StandIn` that notes what was wanted. Nothing is
imported, called or hashed on its behalf but keys of text and small numbers; every step costs the
same, so that the number of steps bounds time and memory, whatever the pickle says.
"""

from __future__ import annotations

import pickle
import pickletools
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from vmamba_deploy.models.checkpoints.limits import (
    MAX_INTEGER_BITS,
    MAX_NAME_CHARACTERS,
    MAX_STEPS,
)
from vmamba_deploy.models.checkpoints.stand_in import StandIn

_MAX_ARGUMENTS = 16
# Text and bytes are hashed with a secret of the process, and smaller numbers are their own hashes;
# of other keys, somebody can choose many that are slow to tell apart. Names are put together later:
# a long one, held once here, would be copied for each.
_MAX_KEY = 1 << 60

Calls = Mapping[str, Callable[..., object]]


class TooManyStepsError(pickle.UnpicklingError):
    """A pickle that holds more than is read."""


def follow(
    program: BinaryIO,
    *,
    calls: Calls,
    persistent: Callable[[Any], object],
    check_name: Callable[[str], None],
    max_steps: int = MAX_STEPS,
) -> object:
    """Build what a pickle describes; the file is left behind its last byte.

    Args:
        program: the pickle, of any protocol.
        calls: what to make of a call of these classes and functions; others become stand-ins.
        persistent: what to make of a reference to something outside of the pickle.
        check_name: called with every name that the pickle asks for, as "module.name".
        max_steps: as many as are followed.

    Raises:
        TooManyStepsError: it has more than `max_steps`.
        Exception: of any class, for the pickle is damaged or asks for what no checkpoint needs;
            also what the callables raise.
    """
    machine = _Machine(calls, persistent, check_name)
    for step, (opcode, argument, _) in enumerate(pickletools.genops(program)):
        if step == max_steps:
            raise TooManyStepsError(f"its pickle has more than {max_steps:,} steps")
        machine.run(opcode.name, argument)
    return machine.stack.pop()


class _Machine:
    def __init__(
        self,
        calls: Calls,
        persistent: Callable[[Any], object],
        check_name: Callable[[str], None],
    ) -> None:
        self.stack: list[Any] = []
        self._below_marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._calls: dict[str, Callable[..., object]] = {
            "builtins.getattr": self._attribute,
            "copyreg._reconstructor": _reconstructed,
            "copyreg.__newobj__": lambda kind, *arguments: self._call(kind, arguments),
            "copyreg.__newobj_ex__": lambda kind, arguments, _: self._call(kind, arguments),
            **calls,
        }
        self._persistent = persistent
        self._check_name = check_name

    def run(self, opcode: str, argument: Any) -> None:
        if opcode in _PUSH_ARGUMENT:
            if isinstance(argument, int) and argument.bit_length() > MAX_INTEGER_BITS:
                raise pickle.UnpicklingError(f"a number of more than {MAX_INTEGER_BITS} bits")
            self.push(argument)
        elif opcode in _PUSH_NEW:
            self.push(_PUSH_NEW[opcode]())
        elif opcode in _MEMORY:
            _MEMORY[opcode](self, argument)
        elif opcode in _STEPS:
            _STEPS[opcode](self)
        elif opcode not in _NOTHING_TO_DO:
            raise pickle.UnpicklingError(f"a step {opcode}, which no checkpoint needs")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def mark(self) -> None:
        self._below_marks.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        found, self.stack = self.stack, self._below_marks.pop()
        return found

    def top(self, count: int) -> list[Any]:
        if count > len(self.stack):
            raise pickle.UnpicklingError("its stack is empty")
        found = self.stack[-count:]
        del self.stack[-count:]
        return found

    def put(self, place: int | None) -> None:
        self._memo[len(self._memo) if place is None else place] = self.stack[-1]

    def get(self, place: int) -> None:
        self.push(self._memo[place])

    def pop(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.since_mark()

    def push_global(self, pair: str) -> None:
        module, _, name = pair.partition(" ")
        # Up to protocol 2, pickles say Python 2's names.
        module, name = NAME_MAPPING.get((module, name), (module, name))
        self.push(self._named(IMPORT_MAPPING.get(module, module), name))

    def stack_global(self) -> None:
        self.push(self._named(*self.top(2)))

    def call_top(self, count: int) -> None:
        function, arguments, *_ = self.top(count)
        self.push(self._call(function, arguments))

    def call_since_mark(self) -> None:
        function, *arguments = self.since_mark()
        self.push(self._call(function, tuple(arguments)))

    def call_named_since_mark(self, name: str) -> None:
        arguments = tuple(self.since_mark())
        self.push_global(name)
        self.push(self._call(self.stack.pop(), arguments))

    def build(self) -> None:
        target, state = self.top(2)
        # Attributes of anything else, such as a state dict's versions, are of no use here.
        if isinstance(target, StandIn):
            target.state = state
        self.push(target)

    def append(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, StandIn):
            if target.name == "builtins.set":
                target = target.arguments[0]
            else:
                target.items = target.items or []
                target = target.items
        if not isinstance(target, list):
            raise pickle.UnpicklingError("items for something that is no list")
        target.extend(items)

    def set_items(self, flat: list[Any]) -> None:
        target = self.stack[-1]
        target = target.items if isinstance(target, StandIn) else target
        if not isinstance(target, dict):
            raise pickle.UnpicklingError("keys for something that is no dict")
        target.update(_pairs(flat))

    def load_persistent(self, reference: Any) -> None:
        self.push(self._persistent(reference))

    def _named(self, *parts: Any) -> StandIn:
        if not all(isinstance(part, str) for part in parts):
            raise pickle.UnpicklingError("a name that is no name")
        name = ".".join(parts)
        if len(name) > MAX_NAME_CHARACTERS:
            raise pickle.UnpicklingError(f"a name of more than {MAX_NAME_CHARACTERS} characters")
        self._check_name(name)
        return StandIn(name)

    def _call(self, function: Any, arguments: Any) -> object:
        if not isinstance(function, StandIn) or not isinstance(arguments, tuple):
            raise pickle.UnpicklingError("a call of something that has no name")
        known = self._calls.get(function.name)
        if known is None or len(arguments) > _MAX_ARGUMENTS:
            return StandIn(function.name, arguments)
        return known(*arguments)

    def _attribute(self, owner: Any, name: Any) -> StandIn:
        """A class within a class, or a method; of a plain value, no checkpoint needs any."""
        return self._named(owner.name if isinstance(owner, StandIn) else "builtins.getattr", name)


def _reconstructed(kind: StandIn, _base: object, value: object) -> StandIn:
    """An object as protocols 0 and 1 make it: empty, or from a value of its built-in base class."""
    return StandIn(kind.name, () if value is None else (value,))


def _pairs(flat: list[Any]) -> dict[Any, Any]:
    if len(flat) % 2:
        raise pickle.UnpicklingError("a key without a value")
    return {_key(flat[at]): flat[at + 1] for at in range(0, len(flat), 2)}


def _key(key: Any) -> Any:
    match key:
        case None | StandIn():
            return key
        case str() | bytes() if len(key) <= MAX_NAME_CHARACTERS:
            return key
        case int() if abs(key) < _MAX_KEY:
            return key
    return StandIn(f"builtins.{type(key).__name__}", (key,))


_NOTHING_TO_DO = {"PROTO", "FRAME", "STOP"}
_PUSH_ARGUMENT = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_PUSH_NEW: Mapping[str, Callable[[], object]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
    "EMPTY_SET": lambda: StandIn("builtins.set", ([],)),
}
_MEMORY: Mapping[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys(("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"), _Machine.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.get),
    "GLOBAL": _Machine.push_global,
    "INST": _Machine.call_named_since_mark,
    "PERSID": _Machine.load_persistent,
}
_STEPS: Mapping[str, Callable[[_Machine], None]] = {
    "MARK": _Machine.mark,
    "POP": _Machine.pop,
    "POP_MARK": lambda machine: machine.since_mark().clear(),
    "DUP": lambda machine: machine.push(machine.stack[-1]),
    "STACK_GLOBAL": _Machine.stack_global,
    "TUPLE": lambda machine: machine.push(tuple(machine.since_mark())),
    "TUPLE1": lambda machine: machine.push(tuple(machine.top(1))),
    "TUPLE2": lambda machine: machine.push(tuple(machine.top(2))),
    "TUPLE3": lambda machine: machine.push(tuple(machine.top(3))),
    "LIST": lambda machine: machine.push(machine.since_mark()),
    "DICT": lambda machine: machine.push(_pairs(machine.since_mark())),
    "FROZENSET": lambda machine: machine.push(
        StandIn("builtins.frozenset", (machine.since_mark(),))
    ),
    "APPEND": lambda machine: machine.append(machine.top(1)),
    "APPENDS": lambda machine: machine.append(machine.since_mark()),
    "ADDITEMS": lambda machine: machine.append(machine.since_mark()),
    "SETITEM": lambda machine: machine.set_items(machine.top(2)),
    "SETITEMS": lambda machine: machine.set_items(machine.since_mark()),
    "REDUCE": lambda machine: machine.call_top(2),
    "NEWOBJ": lambda machine: machine.call_top(2),
    "NEWOBJ_EX": lambda machine: machine.call_top(3),
    "OBJ": _Machine.call_since_mark,
    "BUILD": _Machine.build,
    "BINPERSID": lambda machine: machine.load_persistent(machine.top(1)[0]),
}
