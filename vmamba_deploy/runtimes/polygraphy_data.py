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

# How polygraphy names the reference in its messages.
_REFERENCE = "pytorch"


def save_polygraphy_io(
    path_prefix: Path,
    inputs: Sequence[Tensors],
    outputs: Sequence[Tensors],
) -> tuple[Path, Path]:
    """Write `<path_prefix>-inputs.json` and `<path_prefix>-outputs.json`.

    Args:
        path_prefix: folder and first part of the names.
        inputs: per iteration the input tensors by name, as {"pixel_values": [B,C,H,W] float32}.
        outputs: per iteration the reference's output tensors by name, as {"logits": [B,classes]}.

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
    iterations = [IterationResult(dict(tensors), runner_name=_REFERENCE) for tensors in outputs]
    results.append((_REFERENCE, iterations))
    inputs_path = path_prefix.with_name(path_prefix.name + "-inputs.json")
    outputs_path = path_prefix.with_name(path_prefix.name + "-outputs.json")
    with atomic_write(inputs_path) as temporary:
        save_json([dict(tensors) for tensors in inputs], str(temporary))
    # Polygraphy's log goes to stdout, which may be carrying JSON lines.
    with atomic_write(outputs_path) as temporary, G_LOGGER.verbosity(G_LOGGER.CRITICAL):
        results.save(str(temporary))
    return inputs_path, outputs_path
