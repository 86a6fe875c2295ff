"""Read an ONNX file before TensorRT's parser sees it: is it sound, and what does it hold?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.ops.registry import OPS


@dataclass(frozen=True)
class OnnxSummary:
    """What the builder must know of a file.

    Attributes:
        scan_nodes: SelectiveScan2D nodes of the main graph.
        without_namespace: names of those which lack the attribute that makes TensorRT take the
            plugin.
        has_body: whether the file carries the function body of the op.
    """

    scan_nodes: int
    without_namespace: tuple[str, ...]
    has_body: bool


def check_onnx_input(path: Path) -> OnnxSummary:
    """Check the file with onnx.checker and onnx.load, and with ONNX Runtime as well when its
    weights lie in other files: each of the three finds tricks there that the others miss.

    Raises:
        InputFileError: it cannot be read or is not a sound ONNX model.
    """
    import onnx
    from google.protobuf.message import DecodeError

    if not path.is_file():
        raise InputFileError(f"the ONNX file {path} does not exist")
    try:
        onnx.checker.check_model(str(path))
        # The external data is only read, for its checks: the weights are dropped at once.
        model = onnx.load(str(path))
    except (
        onnx.checker.ValidationError,
        DecodeError,
        OSError,
        ValueError,
        RuntimeError,
    ) as error:
        raise InputFileError(f"{path} is not a sound ONNX model: {error}") from error
    if _has_external_data(path):
        from vmamba_deploy.runtimes.onnxruntime import create_session

        create_session(path)
    scans = [n for n in model.graph.node if (n.domain, n.op_type) in OPS]
    return OnnxSummary(
        scan_nodes=len(scans),
        without_namespace=tuple(
            node.name or node.output[0]
            for node in scans
            if not any(
                attribute.name == "plugin_namespace"
                and attribute.s == OPS[node.domain, node.op_type].plugin[2].encode()
                for attribute in node.attribute
            )
        ),
        has_body=any((f.domain, f.name) in OPS for f in model.functions),
    )


def _has_external_data(path: Path) -> bool:
    import onnx
    from onnx.external_data_helper import uses_external_data

    model = onnx.load(str(path), load_external_data=False)
    return any(uses_external_data(tensor) for tensor in model.graph.initializer)
