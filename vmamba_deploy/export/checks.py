"""What an exported file must pass before anybody else sees it."""

from __future__ import annotations

from vmamba_deploy.errors import BuildError, InputFileError
from vmamba_deploy.export.onnx_model import OnnxModel, missing_attributes


def check_exported(model: OnnxModel, *, expected_scans: int) -> None:
    """Check the file as it lies on disk.

    Runs onnx.checker (full, which includes strict shape inference), and asserts that every node of
    ours is there, carries the attributes that make TensorRT take the plugin, and that its function
    body is in the file.

    Raises:
        BuildError: with the first thing that does not hold.
    """
    try:
        model.check(strictly=True)
    except InputFileError as error:
        raise BuildError(
            f"the exported file does not pass onnx.checker: {error.__cause__}"
        ) from error
    nodes = model.our_nodes
    if len(nodes) != expected_scans:
        raise BuildError(
            f"the exported graph has {len(nodes)} selective scan nodes, expected {expected_scans}"
        )
    for node in nodes:
        if missing_attributes(node):
            raise BuildError(f"node {node.name} lacks an attribute that its plugin needs")
    bodies = {identifier[:2] for identifier in model.ir.functions}
    if not {(node.domain, node.op_type) for node in nodes} <= bodies:
        raise BuildError("the exported file does not carry the function body of the scan")
