"""What manifest.json says of an engine, and where that engine can run."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

Positive = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Shape = tuple[Positive, ...]
FlavourName = Literal["tensorrt", "tensorrt_rtx"]


class ShapeProfile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Shapes of the first input that an engine takes: smallest, tuned for, largest."""

    min: Shape
    opt: Shape
    max: Shape

    def __post_init__(self) -> None:
        ranks = {len(self.min), len(self.opt), len(self.max)}
        if len(ranks) != 1 or not all(
            low <= usual <= high
            for low, usual, high in zip(self.min, self.opt, self.max, strict=True)
        ):
            raise ValueError("a profile has as many sides each, that do not shrink to max")


class PluginFacts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The plugin that an engine calls, `beside` it or `embedded`: then loading it runs the code."""

    name: str
    version: str
    namespace: str
    delivery: Literal["beside", "embedded"]


class EngineFacts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The engine; without one, `built` is false, `reason` says why and most of the rest is None.

    Attributes:
        flavour: that built it, or would have.
        version: of that TensorRT, "1.7.1.116".
        compute_capabilities: the GPUs that it was built for, "8.6"; empty: all that the flavour
            takes.
        version_compatible: the same or a later major version reads it too.
        hardware_compatible: GPUs newer than the oldest of `compute_capabilities` run it too.
        weights_stripped: it must be refitted from the ONNX file before it runs.
        plugin_layers: nodes that are layers of our plugins.
        layers_by_plugin: how many of each, by the plugin's name, where there are several plugins.
        profile: shapes of the first input.
        launches: layers that TensorRT lists, each a kernel but for the computation of shapes; None
            where it lists none in a form that we know.
        narrow_products: names of the ONNX nodes that it multiplies in 8 bits; None where there are
            none.
        lone_launches: those of them that do nothing but quantize, or scale what was multiplied:
            the names of ONNX nodes, one a launch; None where there are none.
    """

    built: bool
    reason: str | None
    flavour: FlavourName | None = None
    version: str | None = None
    compute_capabilities: tuple[str, ...] | None = None
    version_compatible: bool = False
    hardware_compatible: bool = False
    weights_stripped: bool = False
    plugin_layers: Positive | None = None
    build_seconds: Annotated[float, Meta(ge=0)] | None = None
    profile: ShapeProfile | None = None
    plugin: PluginFacts | None = None
    layers_by_plugin: dict[str, Positive] | None = None
    launches: Positive | None = None
    narrow_products: Annotated[tuple[str, ...], Meta(max_length=1 << 16)] | None = None
    lone_launches: Annotated[tuple[str, ...], Meta(max_length=1 << 16)] | None = None

    def __post_init__(self) -> None:
        if not self.built and self.reason is None:
            raise ValueError("an engine that was not built needs a `reason`")
        needed = (
            "flavour",
            "version",
            "compute_capabilities",
            "plugin_layers",
            "profile",
            "plugin",
        )
        missing = [name for name in needed if getattr(self, name) is None]
        if self.built and missing:
            raise ValueError(f"an engine that was built needs `{missing[0]}`")

    @property
    def plugin_embedded(self) -> bool:
        """Whether the engine carries the plugin's library, so that loading it runs that code."""
        return self.plugin is not None and self.plugin.delivery == "embedded"

    def fits(
        self,
        *,
        flavour: str | None = None,
        version: str | None = None,
        compute_capability: str | None = None,
    ) -> str | None:
        """Whether the engine can run on this TensorRT and this GPU; what is None is not asked.

        Args:
            flavour: the TensorRT that will load it: `tensorrt` or `tensorrt_rtx`.
            version: its version, "1.7.1.116".
            compute_capability: of the GPU that will run it, "8.6".

        Returns:
            None when it fits, else the reason why not as one sentence.
        """
        if not self.built:
            return f"this folder has no engine: {self.reason}"
        if flavour not in (None, self.flavour):
            return f"the engine is for {self.flavour}, not {flavour}"
        if version is not None and not self._reads(version):
            return (
                f"the engine was built by {self.flavour} {self.version}, this machine has {version}"
            )
        if compute_capability is not None and not self._runs_on(compute_capability):
            targets = ", ".join(self.compute_capabilities or ())
            return (
                f"the engine is for GPUs of compute capability {targets}, this one has "
                f"{compute_capability}"
            )
        return None

    def _reads(self, version: str) -> bool:
        built, here = _as_numbers(self.version or ""), _as_numbers(version)
        later = self.version_compatible and bool(built and here) and here[0] >= built[0]
        return later or version == self.version

    def _runs_on(self, compute_capability: str) -> bool:
        targets = self.compute_capabilities
        if not targets or compute_capability in targets:
            return True
        oldest = min(_as_numbers(target) for target in targets)
        return self.hardware_compatible and _as_numbers(compute_capability) >= oldest

    def as_json(self) -> dict[str, Any]:
        """The manifest's `engine`: what does not apply is left out."""
        fields: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        kept = fields if self.built else ("built", "reason", "flavour")
        return {key: fields[key] for key in kept if key == "reason" or fields[key] is not None}


def _as_numbers(dotted: str) -> tuple[int, ...]:
    return tuple(int(part) for part in dotted.split(".") if part.isdigit() and len(part) < 10)
