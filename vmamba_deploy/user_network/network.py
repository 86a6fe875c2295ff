"""A user's network behind the interfaces that the networks of this package have."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from re import Pattern
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import Tensor, nn

from vmamba_deploy.adapting import freeze, unadapted
from vmamba_deploy.errors import InputFileError
from vmamba_deploy.models.family import Family, OpCalls
from vmamba_deploy.models.network import Network
from vmamba_deploy.precisions import PRECISIONS, BaseName
from vmamba_deploy.tasks import Task
from vmamba_deploy.tasks.custom import CUSTOM
from vmamba_deploy.user_network.our_calls import ReferenceScans
from vmamba_deploy.user_network.outputs import named_outputs
from vmamba_deploy.user_network.products import HalfProducts
from vmamba_deploy.user_network.request import AskedOutput

Scans = Literal["ops", "reference"]


@dataclass(frozen=True)
class UserArchitecture:
    """What is known of a user's network, in the place of an architecture.

    Attributes:
        name: for people: of its file or its class.
        calls: of our ops.
        layers: paths of the modules whose outputs are compared to find where a file drifts.
        rounded: names of the parameters that enter products alone, see `products`.
        logits: how many its first output of logits had when it was run; None without such an
            output.
        num_classes: nobody knows.
    """

    name: str
    calls: tuple[OpCalls, ...]
    layers: tuple[str, ...]
    rounded: frozenset[str]
    logits: int | None = None
    num_classes: None = None


class UserNetwork(Network):
    """A module of a user's, with the names of its inputs and outputs.

    Attributes:
        module: it.
        own_task: its inputs and outputs.
        axes: its free axes by name, and the size that each is traced at.
        asked: its outputs as the user names them.
        scans: `ops`: the module as `adapt` left it; `reference`: as it was written, on scans in
            plain PyTorch, which share nothing with our ops.
        products: dtype of its products; None: float32.
    """

    def __init__(
        self, module: nn.Module, task: Task, axes: Mapping[str, int], asked: Sequence[AskedOutput]
    ) -> None:
        super().__init__()
        self.module, self.own_task, self.asked = module, task, tuple(asked)
        self.tasks, self.axes = (CUSTOM,), dict(axes)
        self.scans: Scans = "ops"
        self.products: torch.dtype | None = None
        self.unadapted: UnadaptedModule | None = None

    def task_named(self, name: str) -> Task:
        """Its own."""
        assert name == CUSTOM
        return self.own_task

    @property
    def classes(self) -> int | None:
        """As many as its first output of logits has; None without such an output."""
        config: UserArchitecture = self.config
        return config.logits

    def forward(self, first: Tensor, **others: Tensor) -> dict[str, Tensor]:
        """Map the inputs, the others by their names, to the outputs by name; floats are float32."""
        assert self.own_task.first is not None
        with self._computing():
            given = self.module(**{self.own_task.first.name: first}, **others)
        return named_outputs(given, self.asked)

    @property
    def masks(self) -> frozenset[str]:
        """Buffers with infinities and without NaN: what is added to scores that shall not count."""
        buffers = self.module.named_buffers(prefix="module")
        return frozenset(
            name for name, one in buffers if one.isinf().any() and not one.isnan().any()
        )

    def reference(self) -> UserNetwork:
        """The network as it was written, in float32, on scans in plain PyTorch."""
        assert self.unadapted is not None
        other = copy.copy(self)
        other._modules = {"module": self.unadapted.module}
        other.scans = "reference"
        return other

    @contextmanager
    def _computing(self) -> Iterator[None]:
        if self.scans == "reference":
            with unadapted(), ReferenceScans():  # type: ignore[no-untyped-call]
                yield
        elif self.products is not None:
            with HalfProducts(self.products):
                yield
        else:
            yield


@dataclass(frozen=True, eq=False)
class UnadaptedModule:
    """Holds a module that is no part of the network beside it."""

    module: nn.Module


class UserFamily(Family[UserArchitecture]):
    """One network of a user's as a family of its own; see `Family` for what each part is for."""

    name = "network of a user"
    presets = MappingProxyType({})
    aliases = MappingProxyType({})
    own_names = re.compile(r"(?!)")
    tasks = (CUSTOM,)

    def __init__(self, architecture: UserArchitecture) -> None:
        self._architecture = architecture

    @property
    def layers(self) -> Pattern[str]:  # type: ignore[override]
        """The modules that call our ops, and the parts that the network is made of."""
        paths = (f"module.{path}".removesuffix(".") for path in self._architecture.layers)
        return re.compile("|".join(map(re.escape, paths)))

    def build(self, config: UserArchitecture) -> Network:
        """Its file alone can."""
        raise NotImplementedError("a user's network is built by its own file")

    def initialize(self, network: Network, seed: int) -> None:
        """Its file did."""

    def canonical_weights(self, tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
        """Their names are its own."""
        return dict(tensors)

    def detect(self, weights: Mapping[str, Tensor]) -> UserArchitecture:
        """Nothing is to be told from shapes."""
        return self._architecture

    def like_file(
        self, config: UserArchitecture, weights: Mapping[str, Tensor]
    ) -> UserArchitecture:
        """The same."""
        return config

    def preset_with(self, config: UserArchitecture) -> str | None:
        """None."""
        return None

    def assumptions(self, names: Iterable[str]) -> tuple[str, ...]:
        """None."""
        return ()

    def cast(self, network: Network, precision: BaseName) -> Network:
        """A copy whose products compute in the precision, with the weights of those alone in it.

        Raises:
            InputFileError: the network cannot be copied.
        """
        assert isinstance(network, UserNetwork)
        converted = copy.copy(network)
        converted._modules = {"module": copied(network.module)}
        dtype = getattr(torch, PRECISIONS[precision].graph_dtype)
        if dtype == torch.float32:
            return converted
        converted.products = dtype
        for name, parameter in converted.module.named_parameters():
            if name in self._architecture.rounded:
                parameter.data = parameter.data.to(dtype)
        return converted

    def freeze(self, network: Network) -> None:
        """What was adapted, and our own layers; the exporter folds the rest."""
        freeze(network)
        for part in network.modules():
            own = getattr(part, "freeze_scan_parameters", None)
            if callable(own):
                own()

    def op_calls(self, config: UserArchitecture, task: str) -> tuple[OpCalls, ...]:
        """As they were counted when the network ran."""
        return self._architecture.calls

    def summary(self, config: UserArchitecture) -> dict[str, Any]:
        """Its name."""
        return {"network": config.name}


def copied(module: nn.Module) -> nn.Module:
    """A copy with weights of its own.

    Raises:
        InputFileError: Python cannot copy it.
    """
    try:
        return copy.deepcopy(module)
    except Exception as error:
        raise InputFileError(
            f"{type(module).__name__} cannot be copied: {type(error).__name__}: {error}",
            hint="a network holds parameters and modules; keep tensors that have gradients, files "
            "and locks out of its attributes",
        ) from error
