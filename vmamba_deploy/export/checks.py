"""What an exported file must pass before anybody else sees it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vmamba_deploy.errors import BuildError
from vmamba_deploy.export.passes import scan_nodes
from vmamba_deploy.ops.registry import OPS

if TYPE_CHECKING:
    import onnx


def check_onnx_file(path: Path, *, expected_scans: int) -> int:
    """Check the file as it lies on disk; returns the number of scan nodes.

    Runs onnx.checker (full, which includes strict shape inference), and asserts that every scan
    node is there, carries the attributes that make TensorRT take the plugin, and that the function
    body is in the file.

    Raises:
        BuildError: with the first thing that does not hold.
    """
    import onnx

    try:
        onnx.checker.check_model(str(path), full_check=True)
        model = onnx.load(str(path), load_external_data=False)
    except (
        onnx.checker.ValidationError,
        onnx.shape_inference.InferenceError,
        OSError,
        ValueError,
    ) as error:
        raise BuildError(f"the exported file does not pass onnx.checker: {error}") from error
    nodes = scan_nodes(model)
    if len(nodes) != expected_scans:
        raise BuildError(
            f"the exported graph has {len(nodes)} selective scan nodes, expected {expected_scans}"
        )
    for node in nodes:
        attributes = {attribute.name: attribute for attribute in node.attribute}
        op = OPS[node.domain, node.op_type]
        if any(argument.name not in attributes for argument in op.arguments) or any(
            _text(attributes.get(name)) != value for name, value in op.fixed_attributes.items()
        ):
            raise BuildError(f"node {node.name} lacks an attribute that its plugin needs")
    bodies = {(function.domain, function.name) for function in model.functions}
    if not {(node.domain, node.op_type) for node in nodes} <= bodies:
        raise BuildError("the exported file does not carry the function body of the scan")
    return len(nodes)


def _text(attribute: onnx.AttributeProto | None) -> str | None:
    return None if attribute is None else str(attribute.s.decode())
