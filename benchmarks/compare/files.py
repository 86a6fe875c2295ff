"""The ONNX files of contenders, made once and kept: exporting takes longer than measuring."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from benchmarks.compare.contenders import Contender
from benchmarks.compare.int8 import write_int8
from benchmarks.gpu_check.record import write_json
from vmamba_deploy.reports.machine import tool_versions

_ROOT = Path(__file__).resolve().parents[2]
_SOURCES = ("vmamba_deploy/models", "vmamba_deploy/ops", "vmamba_deploy/exporting")
_TOOLS = ("torch", "timm", "onnx", "onnxscript", "onnx-ir", "onnxruntime")


@dataclass(frozen=True)
class Size:
    """How large a network is.

    Attributes:
        parameters: numbers that are learned.
        multiply_adds: of one image: of products and convolutions, and of scans as their kernel does
            them.
    """

    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Files:
    """A folder of files, for what their sources and tools are now; others of it are left alone."""

    folder: Path

    def onnx(self, contender: Contender, side: int, precision: str) -> Path:
        """The file in fp32 or int8, made where it is not there."""
        path = self._path(contender, side, f"{precision}.onnx")
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            if precision == "fp32":
                contender.network.write(path, side)
            else:
                source = self.onnx(contender, side, "fp32")
                write_int8(source, path, side, contender.int8)
        return path

    def size(self, contender: Contender, side: int) -> Size:
        """Of the network, counted where it is not noted yet."""
        path = self._path(contender, side, "size.json")
        if not path.is_file():
            write_json(path, asdict(counted(contender, side)))
        return Size(**json.loads(path.read_text()))

    def _path(self, contender: Contender, side: int, suffix: str) -> Path:
        name = re.sub(r"[^a-z0-9]+", "_", contender.name.lower())
        return self.folder / _key() / f"{name}-{side}.{suffix}"


def counted(contender: Contender, side: int) -> Size:
    """What the network has and does; computes nothing."""
    from vmamba_deploy.analysis.operations import multiply_adds

    network = contender.network.module(side)
    parameters = sum(each.numel() for each in network.parameters())
    return Size(parameters, multiply_adds(network, (1, 3, side, side)))


@cache
def _key() -> str:
    """Of all that decides what is in a file."""
    sources = [path for top in _SOURCES for path in sorted((_ROOT / top).rglob("*.py"))]
    sources += sorted(Path(__file__).parent.glob("*.py"))
    made = hashlib.sha256(json.dumps(tool_versions(_TOOLS)).encode())
    for path in sources:
        made.update(path.read_bytes())
    return made.hexdigest()[:12]
