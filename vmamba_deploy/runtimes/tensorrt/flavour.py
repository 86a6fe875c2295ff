"""The two flavours of TensorRT: which are installed, and which fits this machine."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, get_args

from vmamba_deploy.errors import EnvironmentProblem, UsageError
from vmamba_deploy.runtimes.base import RuntimeStatus
from vmamba_deploy.runtimes.cuda_driver import GpuSearch, find_gpus
from vmamba_deploy.runtimes.tensorrt.soname_stub import load_soname_stub

if TYPE_CHECKING:
    from vmamba_deploy.artifacts.engine_facts import FlavourName

Capability = tuple[int, int]

FlavourChoice = Literal["auto", "tensorrt", "rtx"]
CHOICES: tuple[str, ...] = get_args(FlavourChoice)
_RTX_BY_TARGET_ONLY = (7, 5)
_RTX_REFUSED = {(8, 7): "Orin", (9, 0): "Hopper", (10, 0): "Blackwell data centre"}


@dataclass(frozen=True)
class Flavour:
    """One TensorRT: `tensorrt` (10.x, 11.x) or `tensorrt_rtx`.

    Attributes:
        name: also the name of its Python module and of its runtime in reports.
        title: the name for people.
        distributions: package names that bring it, the first that is installed tells the version.
        install_hint: the command that brings it.
    """

    name: FlavourName
    title: str
    distributions: tuple[str, ...]
    install_hint: str

    @property
    def is_rtx(self) -> bool:
        """Whether this is TensorRT-RTX, which builds engines without a GPU."""
        return self.name == "tensorrt_rtx"

    @property
    def installed(self) -> bool:
        """Whether its Python module can be found; imports nothing."""
        return importlib.util.find_spec(self.name) is not None

    @property
    def version(self) -> str:
        """Its version as the package index knows it, '' when it is not installed.

        Manifests and checks of them use this one, never the module's own `__version__`.
        """
        for distribution in self.distributions:
            try:
                return version(distribution)
            except PackageNotFoundError:
                continue
        return str(self.module().__version__) if self.installed else ""

    def module(self) -> Any:
        """Import it, ready to parse plugin nodes.

        Raises:
            EnvironmentProblem: it is not installed, or its libraries cannot be loaded.
        """
        try:
            module = importlib.import_module(self.name)
        except (ImportError, OSError) as error:
            raise EnvironmentProblem(
                f"{self.title} cannot be imported: {error}", hint=self.install_hint
            ) from error
        if self.is_rtx and self.name not in _prepared:
            major = str(module.__version__).split(".", maxsplit=1)[0]
            _prepared[self.name] = load_soname_stub(
                "libtensorrt_rtx.so", f"libtensorrt_rtx.so.{major}"
            )
        return module

    def supports(self, capability: Capability) -> RuntimeStatus:
        """Whether engines of this flavour run on a GPU of that compute capability."""
        major, minor = capability
        gpu = f"compute capability {major}.{minor}"
        if not self.is_rtx:
            if capability < (7, 5):
                return RuntimeStatus(False, f"{self.title} needs 7.5 or newer, not {gpu}")
            return RuntimeStatus(True, f"{self.title} runs on {gpu}")
        if capability in _RTX_REFUSED:
            family = _RTX_REFUSED[capability]
            return RuntimeStatus(
                False,
                f"{self.title} refuses {gpu} ({family}): it is made for RTX cards; "
                "use the full TensorRT there",
            )
        if capability < _RTX_BY_TARGET_ONLY:
            return RuntimeStatus(False, f"{self.title} needs 7.5 or newer, not {gpu}")
        if capability == _RTX_BY_TARGET_ONLY:
            return RuntimeStatus(
                True, f"{self.title} runs on {gpu} when the engine was built with --target-sm 75"
            )
        return RuntimeStatus(True, f"{self.title} runs on {gpu}")

    def can_run_here(self, search: GpuSearch | None = None) -> RuntimeStatus:
        """Whether an engine of this flavour can execute on this machine."""
        if not self.installed:
            return RuntimeStatus(False, f"{self.title} is not installed ({self.install_hint})")
        search = search or find_gpus()
        if search.first is None:
            return RuntimeStatus(False, f"an engine needs an NVIDIA GPU: {search.reason}")
        return self.supports(search.first.compute_capability)

    def can_build_here(self, search: GpuSearch | None = None) -> RuntimeStatus:
        """Whether an engine of this flavour can be built on this machine."""
        if not self.installed:
            return RuntimeStatus(False, f"{self.title} is not installed ({self.install_hint})")
        if self.is_rtx:
            return RuntimeStatus(True, f"{self.title} {self.version} builds with or without a GPU")
        search = search or find_gpus()
        if search.first is None:
            return RuntimeStatus(False, f"{self.title} builds on a GPU only: {search.reason}")
        return self.supports(search.first.compute_capability)


_prepared: dict[str, object] = {}

TENSORRT = Flavour(
    "tensorrt",
    "TensorRT",
    ("tensorrt-cu13", "tensorrt-cu12", "tensorrt-cu13-bindings", "tensorrt"),
    "pip install 'vmamba-deploy[tensorrt]', with NVIDIA's package index",
)
TENSORRT_RTX = Flavour(
    "tensorrt_rtx",
    "TensorRT-RTX",
    ("tensorrt-rtx-cu13", "tensorrt-rtx-cu12", "tensorrt-rtx"),
    "pip install 'vmamba-deploy[rtx]'",
)
FLAVOURS: Mapping[str, Flavour] = MappingProxyType(
    {flavour.name: flavour for flavour in (TENSORRT, TENSORRT_RTX)}
)


def likely_flavour(choice: str) -> Flavour:
    """What `choose_flavour` takes, or would take if it could build: for naming an absent engine."""
    try:
        return choose_flavour(choice)
    except EnvironmentProblem:
        return TENSORRT if choice == "tensorrt" else TENSORRT_RTX


def choose_flavour(choice: str = "auto", search: GpuSearch | None = None) -> Flavour:
    """The flavour to build with.

    Args:
        choice: `tensorrt` or `rtx` for that one; `auto` for what is installed and fits the first
            GPU, the full TensorRT before RTX; without a GPU, RTX.
        search: the GPUs; None asks the driver.

    Raises:
        UsageError: another choice.
        EnvironmentProblem: it is not installed, or cannot build here; the reasons are in the text.
    """
    if choice not in CHOICES:
        raise UsageError(f"--trt must be one of {', '.join(CHOICES)}, got {choice!r}")
    search = search or find_gpus()
    wanted = {"tensorrt": (TENSORRT,), "rtx": (TENSORRT_RTX,)}.get(
        choice, (TENSORRT, TENSORRT_RTX) if search.first else (TENSORRT_RTX,)
    )
    reasons = []
    for flavour in wanted:
        status = flavour.can_build_here(search)
        if status.available and choice == "auto" and search.first:
            # An engine that cannot run on the GPU at hand is not what `auto` asks for.
            status = flavour.supports(search.first.compute_capability)
        if status.available:
            return flavour
        reasons.append(status.reason)
    raise EnvironmentProblem(
        "no TensorRT can build an engine here: " + "; ".join(reasons),
        hint="build without an engine (--no-engine), or: " + wanted[-1].install_hint,
    )
