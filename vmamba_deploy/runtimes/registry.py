"""Which runtimes there are. A new one is a module with a `RuntimeKind`, and a line here.

Importing this imports none of the packages that run something.
"""

from __future__ import annotations

from collections.abc import Sequence

from vmamba_deploy.errors import UsageError, printable
from vmamba_deploy.runtimes.aotinductor import AOTINDUCTOR
from vmamba_deploy.runtimes.base import ModelFiles, Runtime, RuntimeKind, Service
from vmamba_deploy.runtimes.onnxruntime import ONNXRUNTIME_BODY, ONNXRUNTIME_LIBRARY
from vmamba_deploy.runtimes.onnxruntime_cuda import ONNXRUNTIME_CUDA
from vmamba_deploy.runtimes.openvino import OPENVINO
from vmamba_deploy.runtimes.pytorch import PYTORCH
from vmamba_deploy.runtimes.tensorrt.run import TENSORRT_ENGINE, TENSORRT_RTX_ENGINE

RUNTIMES: dict[str, RuntimeKind] = {
    kind.name: kind
    for kind in (
        PYTORCH,
        ONNXRUNTIME_BODY,
        TENSORRT_ENGINE,
        TENSORRT_RTX_ENGINE,
        ONNXRUNTIME_LIBRARY,
        ONNXRUNTIME_CUDA,
        OPENVINO,
        AOTINDUCTOR,
    )
}
"""By name, in the order of reports."""


def file_runtimes() -> tuple[str, ...]:
    """Names of those that execute an exported file, not the network itself."""
    return tuple(name for name, kind in RUNTIMES.items() if kind.executes != "network")


def check_required(names: Sequence[str]) -> None:
    """Refuse requirements that no run could meet.

    Raises:
        UsageError: a name that is of no runtime for exported files.
    """
    known = file_runtimes()
    for name in names:
        if name not in known:
            raise UsageError(
                f"there is no runtime named {name!r} to require", hint=f"one of {', '.join(known)}"
            )


def runtimes_on(files: ModelFiles) -> list[Runtime]:
    """Every runtime that there are files for, whether or not it can run here."""
    found = (kind.on_files(files) for kind in RUNTIMES.values())
    return [runtime for runtime in found if runtime is not None]


def runtime_names(asked: Sequence[str]) -> tuple[str, ...]:
    """The names in `RUNTIMES` of those asked for, in its order; of all where none is.

    Args:
        asked: such names, or what an application calls a runtime: `ort`, `trt`.

    Raises:
        UsageError: there is no such runtime.
    """
    called = {kind.service.choice: name for name, kind in RUNTIMES.items() if kind.service}
    wanted = {called.get(one, one) for one in asked}
    for one in sorted(wanted - RUNTIMES.keys()):
        raise UsageError(
            f"there is no runtime {printable(one)!r}", hint=f"one of {', '.join(RUNTIMES)}"
        )
    return tuple(name for name in RUNTIMES if name in wanted or not asked)


def why_absent(name: str) -> str:
    """Why a runtime has nothing to open: the machine lacks it, or there is no file for it."""
    for ability in RUNTIMES[name].abilities():
        if not ability.status.available:
            return ability.status.reason
    return "there is no file for it"


def services() -> dict[str, Service]:
    """The runtimes that an application can open, by what it calls them."""
    offered = (kind.service for kind in RUNTIMES.values())
    return {service.choice: service for service in offered if service is not None}


def runtime_choices() -> tuple[str, ...]:
    """`auto`, and the names of the services."""
    return ("auto", *services())
