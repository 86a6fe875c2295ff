"""Put `libvmamba_trt.so` into a TensorRT plugin registry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vmamba_deploy.errors import BuildError, EnvironmentProblem
from vmamba_deploy.native import check_loadable
from vmamba_deploy.ops.registry import OPS
from vmamba_deploy.runtimes.tensorrt.flavour import Flavour

NATIVE_NAME = "vmamba_trt"


def find_plugin_library(path: Path | None = None) -> Path:
    """`path` when it is a file, else the library of this package, built on first use.

    Raises:
        EnvironmentProblem: `path` is not a file, or what the build needs is missing.
        BuildError: the native build failed.
    """
    if path is None:
        from vmamba_deploy.native import library_path

        return library_path(NATIVE_NAME)
    if not path.is_file():
        raise EnvironmentProblem(
            f"the plugin library {path} does not exist",
            hint="run `make native`, or name no library: then it is built on first use",
        )
    return path.resolve()


def load_plugin(flavour: Flavour, library: Path) -> None:
    """Register the plugins of `library` in the flavour's registry.

    They live as long as the process, so a second call does nothing.

    Raises:
        EnvironmentProblem: it is no shared library for this machine, or was cut short.
        BuildError: the library cannot be loaded, or is not our plugin.
    """
    registry = flavour.module().get_plugin_registry()
    if _has_any(registry):
        return
    check_loadable(library)
    handle = registry.load_library(str(library))
    if handle is None:
        raise BuildError(
            f"{flavour.title} cannot load the plugin library {library}",
            hint="build it again (`make native`)",
        )
    if not _has_any(registry):
        registry.deregister_library(handle)
        wanted = (op.plugin for op in OPS.values())
        names = " or ".join(f"{one.namespace}::{one.name} version {one.version}" for one in wanted)
        raise BuildError(f"{library} was loaded but brings no plugin {names}")


def _has_any(registry: Any) -> bool:
    """Whether the registry knows plugins of ours: one library brings them all."""
    return any(registry.get_creator(*op.plugin) is not None for op in OPS.values())
