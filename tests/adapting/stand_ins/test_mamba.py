from __future__ import annotations

import pytest
import torch

from tests.adapting.dialect import make_lively
from tests.adapting.mixers_float64 import float64_parameters, mamba_float64
from vmamba_deploy.adapting.mode import scans_by_op
from vmamba_deploy.adapting.stand_ins.mamba import Mamba
from vmamba_deploy.errors import UsageError

FORMS = {
    "one direction": {},
    "another size": {"expand": 1, "d_conv": 2, "dt_rank": 3},
    "two directions": {"bimamba_type": "v2"},
    "halved": {"bimamba_type": "v2", "if_devide_out": True},
    "scaled": {"init_layer_scale": 0.1},
    "across slices": {"bimamba_type": "v3", "nslices": 2},
}


@torch.no_grad()
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("length", [2, 10])
@pytest.mark.parametrize("by_op", [False, True])
def test_it_computes_what_the_public_class_does(form: str, length: int, by_op: bool) -> None:
    options = FORMS[form]
    mixer = Mamba(8, d_state=4, **options)
    make_lively(mixer, int(torch.randint(1 << 30, ()).item()))
    tokens = torch.randn(2, length, 8)
    divisor = 2 if options.get("if_devide_out") else 1
    expected = mamba_float64(tokens, float64_parameters(mixer), divisor, options.get("nslices", 1))
    if by_op:
        with scans_by_op():
            y = mixer(tokens)
    else:
        y = mixer(tokens)
    torch.testing.assert_close(y.double(), torch.from_numpy(expected), atol=1e-5, rtol=1e-5)


def test_its_parameters_have_the_public_names_and_shapes() -> None:
    mixer = Mamba(32, d_state=4, bimamba_type="v2", layer_idx=3, use_fast_path=False)
    shapes = {name: tuple(value.shape) for name, value in mixer.state_dict().items()}
    assert shapes == {
        "in_proj.weight": (128, 32),
        "out_proj.weight": (32, 64),
        "A_log": (64, 4),
        "A_b_log": (64, 4),
        "D": (64,),
        "D_b": (64,),
        **{f"conv1d{end}.weight": (64, 1, 4) for end in ("", "_b")},
        **{f"conv1d{end}.bias": (64,) for end in ("", "_b")},
        **{f"x_proj{end}.weight": (10, 64) for end in ("", "_b")},
        **{f"dt_proj{end}.weight": (64, 2) for end in ("", "_b")},
        **{f"dt_proj{end}.bias": (64,) for end in ("", "_b")},
    }
    assert mixer.layer_idx == 3


def test_other_directions_and_caches_are_refused() -> None:
    with pytest.raises(UsageError, match="bimamba_type='v1' is not computed here"):
        Mamba(8, bimamba_type="v1")
    with pytest.raises(UsageError, match="with inference_params, a cache between calls"):
        Mamba(8)(torch.randn(1, 3, 8), inference_params=object())
