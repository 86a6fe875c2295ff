"""What a shared library is, by its bytes alone: loading it would run its code."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import msgspec

from vmamba_deploy.artifacts.manifest import MANIFEST_NAME, describe_file, read_manifest
from vmamba_deploy.artifacts.verification import verify_file
from vmamba_deploy.errors import InputFileError
from vmamba_deploy.files import open_file
from vmamba_deploy.native.shared_object import machine_of
from vmamba_deploy.ops.registry import OPS

_OURS = b"vmamba_abi_version"  # the C interface, which every library of ours carries
_PURPOSES = {
    b"RegisterCustomOps": "custom ops for ONNX Runtime",
    b"getCreators": "plugins for TensorRT",
    b"create_extensions": "an extension of OpenVINO",
    b"aoti_torch_library_def": "operators of PyTorch",
}
"""By a symbol that the library exports, or calls; what has none of them are kernels alone."""


def describe_library(path: Path) -> dict[str, Any]:
    """Facts about a shared library or program.

    Raises:
        InputFileError: it cannot be read.
        IntegrityError: the manifest beside it lists it, and it was changed.
    """
    with open_file(path, what="a shared library") as file:
        machine = machine_of(file.read(64))
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            ours = _names(content, _OURS)
            purpose = next((text for name, text in _PURPOSES.items() if _names(content, name)), "")
            ops = [
                f"{domain}::{op_type} version {op.version}"
                for (domain, op_type), op in OPS.items()
                if _names(content, op_type.encode())
            ]
    return {
        "kind": "ELF shared library" if ".so" in path.suffixes else "ELF program",
        "machine": machine,
        "what": f"of this project: {purpose or 'kernels'}" if ours else "not of this project",
        **({"ops": ops} if ours and ops else {}),
        **msgspec.to_builtins(describe_file(path, InputFileError)),
        **_origin(path),
    }


def _names(content: mmap.mmap, symbol: bytes) -> bool:
    """Whether the text stands in a table of strings."""
    return content.find(b"\0" + symbol + b"\0") >= 0


def _origin(path: Path) -> dict[str, str]:
    if not (path.parent / MANIFEST_NAME).exists():
        return {}
    manifest = read_manifest(path.parent)
    if path.name not in manifest.files:
        return {"note": "the manifest beside it does not list this file: nothing loads it"}
    verify_file(path.parent, manifest, path.name)
    return {"release": f"vmamba_deploy {manifest.versions.get('vmamba_deploy', 'unknown')}"}
