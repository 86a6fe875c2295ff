"""What a precision would lose of the weights, tensor by tensor, before anything is exported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vmamba_deploy.errors import InputFileError

if TYPE_CHECKING:
    from torch import Tensor

    from vmamba_deploy.models import LoadedModel
    from vmamba_deploy.precisions import PrecisionName

_NAMED = 5
# Of the values of a tensor: fewer that become 0 are the tail of any trained tensor.
_FEW = 1e-3
_LEAST_NORMAL_FLOAT32 = 2.0**-126


def check_weights(loaded: LoadedModel, precision: PrecisionName) -> str | None:
    """Compare the float32 weights with what the precision makes of those that it casts.

    Returns:
        A warning that names the tensors of which more is lost than a rounding to the precision's
        digits: values too small for it become 0 or keep a few digits. None where there are none.

    Raises:
        InputFileError: NaN or infinity in a weight, or a value that would become infinite.
    """
    stored = loaded.model.state_dict()
    broken = {
        name: int((~one.isfinite()).sum())
        for name, one in stored.items()
        if name not in loaded.model.masks
    }
    _refuse(broken, "weights hold NaN or infinity", "the file is damaged, or its training failed")
    # As they are computed with: a cast may put a normalisation into the layer before it.
    weights = loaded.family.cast(loaded.model, "fp32").state_dict()
    cast = loaded.family.cast(loaded.model, precision).state_dict()
    narrowed = {name: one for name, one in cast.items() if one.dtype != weights[name].dtype}
    large = {name: int((~one.isfinite()).sum()) for name, one in narrowed.items()}
    _refuse(
        large,
        f"weights are too large for {precision} and would become infinite",
        "export in fp32, or in bf16, which has the range of fp32",
    )
    lost = [text for name, one in narrowed.items() for text in _lost(name, weights[name], one)]
    if not lost:
        return None
    return f"{precision} loses weights that are too small for it: {_listed(lost)}"


def _lost(name: str, weight: Tensor, narrow: Tensor) -> Iterator[str]:
    import torch

    kept, exact = narrow.double(), weight.double()
    zeroed = (kept == 0) & (exact != 0)
    denormal = int((zeroed & (exact.abs() < _LEAST_NORMAL_FLOAT32)).sum())
    digits = torch.finfo(narrow.dtype).eps / 2
    imprecise = (kept - exact).norm() > digits * exact.norm()
    if denormal or imprecise or int(zeroed.sum()) > _FEW * exact.numel():
        yield f"{name} ({int(zeroed.sum())} of {exact.numel()} become 0)"


def _refuse(counts: dict[str, int], what: str, hint: str) -> None:
    named = [f"{name} ({count} values)" for name, count in counts.items() if count]
    if named:
        raise InputFileError(f"{what}: {_listed(named)}", hint=hint)


def _listed(named: list[str]) -> str:
    rest = len(named) - _NAMED
    return ", ".join(named[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
