"""Save inputs and outputs in the form that `polygraphy run --load-inputs/--load-outputs` reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vmamba_deploy.artifacts.atomic import atomic_write
from vmamba_deploy.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Tensors = Mapping[str, npt.NDArray[np.generic]]


def save_polygraphy_io(
    path_prefix: Path,
    inputs: Sequence[Tensors],
    outputs: Sequence[Tensors],
    *,
    runner_name: str = "pytorch",
) -> tuple[Path, Path]:
    """Write `<path_prefix>-inputs.json` and `<path_prefix>-outputs.json`.

    Args:
        path_prefix: folder and first part of the names.
        inputs: per iteration the input tensors by name, as {"pixel_values": [B,3,H,W] float32}.
        outputs: per iteration the reference's output tensors by name, as {"logits": [B,classes]}.
        runner_name: how polygraphy names the reference in its messages.

    Returns:
        The two paths.

    Raises:
        UsageError: not one output per input.
    """
    from polygraphy.comparator import IterationResult, RunResults
    from polygraphy.json import save_json
    from polygraphy.logger import G_LOGGER

    if len(inputs) != len(outputs) or not inputs:
        raise UsageError(f"got {len(inputs)} inputs and {len(outputs)} outputs; one each is needed")
    results = RunResults()
    iterations = [IterationResult(dict(tensors), runner_name=runner_name) for tensors in outputs]
    results.append((runner_name, iterations))
    inputs_path = path_prefix.with_name(path_prefix.name + "-inputs.json")
    outputs_path = path_prefix.with_name(path_prefix.name + "-outputs.json")
    with atomic_write(inputs_path) as temporary:
        save_json([dict(tensors) for tensors in inputs], str(temporary))
    # Polygraphy's log goes to stdout, which may be carrying JSON lines.
    with atomic_write(outputs_path) as temporary, G_LOGGER.verbosity(G_LOGGER.CRITICAL):
        results.save(str(temporary))
    return inputs_path, outputs_path


def polygraphy_onnxrt_command(
    model: Path, inputs: Path, outputs: Path, *, absolute: float, relative: float
) -> list[str]:
    """The command with which a user's CI compares the ONNX file with the saved reference.

    Args:
        model: the ONNX file; stock ONNX Runtime runs it through its function body.
        inputs: from `save_polygraphy_io`.
        outputs: from `save_polygraphy_io`.
        absolute: tolerance on |difference|; polygraphy asks that either of the two holds.
        relative: tolerance on |difference| / |reference|.
    """
    return [
        *("polygraphy", "run", str(model), "--onnxrt"),
        *("--load-inputs", str(inputs), "--load-outputs", str(outputs)),
        *("--atol", f"{absolute:g}", "--rtol", f"{relative:g}"),
    ]
