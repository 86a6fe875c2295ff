"""What an op of ours is, as data: everything else that must agree on it is made from this.

Made from it are the schema of the PyTorch operator and of the ONNX node, the fake tensor's checks,
the exporter's translation, the header of the function body and the tables of its documentation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from itertools import product
from typing import Any, Literal, NamedTuple

# ONNX TensorProto.DataType codes: the one numbering that every layer of the stack uses.
FLOAT32, FLOAT16, BFLOAT16 = 1, 10, 16
DTYPE_NAMES = {FLOAT32: "float32", FLOAT16: "float16", BFLOAT16: "bfloat16"}


Shape = tuple[str | int, ...]


@dataclass(frozen=True)
class Operand:
    """An input or an output.

    Attributes:
        dtype: a type variable of the op, or `float32`.
        shape: an axis each: a number, the name of a size, or a formula of `Op.formulas`.
        meaning: for the documentation.
        other_shapes: in the further forms of the op, in their order; empty where it has the same
            shape in all of them.
    """

    name: str
    dtype: str
    shape: Shape
    meaning: str = ""
    other_shapes: tuple[Shape, ...] = ()

    def shape_in(self, form: int) -> Shape:
        """Its shape in one of the op's forms."""
        return self.other_shapes[form - 1] if form and self.other_shapes else self.shape

    @property
    def shape_text(self) -> str:
        """Such as `[B, H, W, D]`, or several such joined by `or`."""
        return _joined(map(_shape_text, (self.shape, *self.other_shapes)))


@dataclass(frozen=True)
class Attribute:
    """An attribute of the ONNX node.

    Attributes:
        meaning: for the documentation.
        value: what the exporter writes; None where it is an argument of the PyTorch operator, in
            their order after the inputs.
        dtype_of: the type variable whose dtype it states, as an ONNX code.
        size_of: the size in the op's shapes that it states; of `ints`, how many they are.
        most_values: how many `ints` are at most; at least it is one.
        largest: what each of `ints` is at most; the least is 0.
    """

    name: str
    kind: Literal["int", "ints", "string"]
    meaning: str
    value: str | None = None
    dtype_of: str | None = None
    size_of: str | None = None
    most_values: int = 0
    largest: int = 0

    def read_size(self, value: Any) -> int:
        """The size that an argument states.

        Raises:
            ValueError: it is not allowed.
        """
        if self.kind != "ints":
            return int(value)
        in_range = all(0 <= one <= self.largest for one in value)
        if not in_range or not 1 <= len(value) <= self.most_values:
            expected = f"1 to {self.most_values} numbers from 0 to {self.largest}"
            raise ValueError(f"{self.name} is {list(value)}, expected {expected}")
        return len(value)


OUT_DTYPE = Attribute(
    "out_dtype",
    "int",
    "U as an ONNX `TensorProto.DataType`: 1 float32, 10 float16, 16 bfloat16",
    dtype_of="U",
)
# TensorRT takes the plugin only where both stand on the node; with the domain alone it would
# silently build the slow function body.
PLUGIN_ATTRIBUTES = (
    Attribute(
        "plugin_namespace",
        "string",
        "`vmamba`: without it TensorRT takes the function body instead of the plugin",
        value="vmamba",
    ),
    Attribute("plugin_version", "string", "`1`", value="1"),
)
"""Of every op of ours whose outputs are of U, and that has a plugin."""


class PluginKey(NamedTuple):
    """How TensorRT finds a plugin, in the order in which `get_creator` takes it."""

    name: str
    version: str
    namespace: str


@dataclass(frozen=True)
class Op:
    """One op of ours.

    Attributes:
        version: of the op set of `domain` that has it.
        inputs: in the order of the node and of the PyTorch operator.
        type_variables: what each may be: ONNX codes, or a variable before it.
        formulas: what an axis in a shape may be, for the sizes; mostly one number.
        derived: what follows from the sizes and stands in no shape: of which form a call is.
        limits: the smallest and the largest value of a size.
        torch_name: the PyTorch operator, `namespace::name`.
        torch_module: importing it registers that operator.
        body: the text of the function body without its header, for the sizes that are the same in
            every node of a file.
        body_min_opset: the oldest standard op set in which the body can be written.
        body_max_opset: the newest in which runtimes can run the body; None: any.
    """

    domain: str
    op_type: str
    version: int
    inputs: tuple[Operand, ...]
    outputs: tuple[Operand, ...]
    attributes: tuple[Attribute, ...]
    type_variables: Mapping[str, tuple[int | str, ...]]
    formulas: Mapping[str, Callable[[Mapping[str, int]], tuple[int, ...]]]
    limits: Mapping[str, tuple[int, int]]
    torch_name: str
    torch_module: str
    body: Callable[[Mapping[str, int]], str]
    body_min_opset: int
    body_max_opset: int | None = None
    derived: Mapping[str, Callable[[Mapping[str, int]], int]] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        """Domain and op type, as a node states them."""
        return self.domain, self.op_type

    @property
    def input_names(self) -> tuple[str, ...]:
        """In order."""
        return tuple(each.name for each in self.inputs)

    @property
    def arguments(self) -> tuple[Attribute, ...]:
        """The attributes that are arguments of the PyTorch operator, after the inputs."""
        return tuple(each for each in self.attributes if each.value is None)

    @property
    def fixed_attributes(self) -> dict[str, str]:
        """The attributes with the same value on every node."""
        return {each.name: each.value for each in self.attributes if each.value is not None}

    @property
    def plugin(self) -> PluginKey:
        """The TensorRT plugin of the node."""
        fixed = self.fixed_attributes
        return PluginKey(self.op_type, fixed["plugin_version"], fixed["plugin_namespace"])

    def register_torch(self) -> None:
        """Make `torch.ops` know the operator; imports PyTorch."""
        import_module(self.torch_module)

    def dtypes_of(self, variable: str) -> tuple[int, ...]:
        """Every ONNX code that a type variable can have, whatever the others are."""
        codes: dict[int, None] = {}
        for each in self.type_variables[variable]:
            codes.update(dict.fromkeys([each] if isinstance(each, int) else self.dtypes_of(each)))
        return tuple(codes)

    def read_sizes(
        self, shapes: Sequence[Sequence[int]], arguments: Sequence[Any] = ()
    ) -> dict[str, int]:
        """Check the shapes of the inputs against each other; the sizes and formulas by name.

        Args:
            shapes: of the inputs, in order.
            arguments: of the PyTorch operator after the inputs; may be left out where none of them
                states a size.

        Raises:
            ValueError: naming the first input that does not fit, its shape and the expected one, or
                the argument or size that is out of its range.
        """
        given = dict(zip(self.arguments, arguments, strict=False))
        sizes = {
            each.size_of: each.read_size(value) for each, value in given.items() if each.size_of
        }
        form = self._form_of(shapes)
        for operand, shape in zip(self.inputs, shapes, strict=True):
            for axis, extent in zip(operand.shape_in(form), shape, strict=True):
                if isinstance(axis, str) and axis not in self.formulas:
                    sizes.setdefault(axis, extent)
        named = {each.size_of: each.name for each in self.arguments}
        for name, (least, most) in self.limits.items():
            if not least <= sizes[name] <= most:
                text = named.get(name, name)
                raise ValueError(f"{text} must be in {least}..{most}; got {text}={sizes[name]}")
        sizes |= self._read_formulas(shapes, form, sizes)
        return sizes | {text: derive(sizes) for text, derive in self.derived.items()}

    def _read_formulas(
        self, shapes: Sequence[Sequence[int]], form: int, sizes: Mapping[str, int]
    ) -> dict[str, int]:
        """What each formula is in this call, whose shapes are checked by it."""
        possible = {text: formula(sizes) for text, formula in self.formulas.items()}
        found = {text: extents[0] for text, extents in possible.items()}
        known = {name: (extent,) for name, extent in sizes.items()} | possible
        for operand, shape in zip(self.inputs, shapes, strict=True):
            axes = operand.shape_in(form)
            choices = ((axis,) if isinstance(axis, int) else known[axis] for axis in axes)
            expected = list(product(*choices))
            if tuple(shape) not in expected:
                texts = _joined(map(str, expected))
                raise ValueError(f"{operand.name} has shape {tuple(shape)}, expected {texts}")
            read = zip(axes, shape, strict=True)
            for axis, extent in read:
                if isinstance(axis, str) and axis in found:
                    found[axis] = extent
        return found

    def _form_of(self, shapes: Sequence[Sequence[int]]) -> int:
        """Which of the op's forms a call is of: the first input's rank tells."""
        forms = list(range(1 + len(self.inputs[0].other_shapes)))
        for operand, shape in zip(self.inputs, shapes, strict=True):
            fitting = [form for form in forms if len(operand.shape_in(form)) == len(shape)]
            if not fitting:
                texts = _joined(_shape_text(operand.shape_in(form)) for form in forms)
                raise ValueError(f"{operand.name} has shape {tuple(shape)}, expected {texts}")
            forms = fitting
        return forms[0]

    def shape_of(self, operand: Operand, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """The shape of an output for sizes that `read_sizes` gave."""
        return tuple(axis if isinstance(axis, int) else sizes[axis] for axis in operand.shape)


def _shape_text(shape: Shape) -> str:
    return f"[{', '.join(map(str, shape))}]"


def _joined(texts: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(texts))
