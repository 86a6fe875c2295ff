"""Weights and pictures of the golden models by rule: from a name, a shape and a salt alone."""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt

_GAINS = {
    "rpn_cls.weight": 3.0,
    "rpn_reg.weight": 0.2,
    "fc_cls.weight": 5.0,
    "fc_reg.weight": 1.0,
    "conv_logits.weight": 5.0,
    "conv_seg.weight": 5.0,
}


def weight(key: str, shape: list[int], salt: str) -> npt.NDArray[np.float32]:
    """The value of one key of a segmentation checkpoint that counts nothing."""
    rng = np.random.RandomState(zlib.crc32((salt + key).encode()) & 0x7FFFFFFF)
    leaf = key.rsplit(".", 1)[-1]
    noise = rng.standard_normal(shape)
    if leaf == "A_logs":
        value = np.log(np.arange(1, shape[-1] + 1))[None, :] + 0.2 * noise
    elif leaf == "Ds":
        value = 1 + 0.2 * noise
    elif leaf == "dt_projs_bias":
        step = np.exp(rng.uniform(np.log(1e-3), np.log(1e-1), shape))
        value = step + np.log(-np.expm1(-step))
    elif leaf == "running_mean":
        value = 0.3 * noise
    elif leaf == "running_var":
        value = np.exp(0.4 * noise)
    elif leaf == "bias":
        value = 0.1 * noise
    elif len(shape) == 1:
        value = 1 + 0.2 * noise
    else:
        inputs = int(np.prod(shape[1:])) if leaf == "weight" else shape[-1]
        gain = next((g for name, g in _GAINS.items() if key.endswith(name)), None)
        if gain is not None:
            means = noise.reshape(shape[0], -1).mean(1)
            noise = noise - means.reshape([-1] + [1] * (len(shape) - 1))
        value = noise * ((gain or 1.3) / np.sqrt(inputs))
    return value.astype(np.float32)


def picture(seed: int, height: int, width: int) -> npt.NDArray[np.uint8]:
    """A smooth random picture with edges, [H,W,3] in BGR."""
    rng = np.random.RandomState(seed)
    y, x = np.mgrid[0:height, 0:width]
    out = np.zeros((height, width, 3))
    for channel in range(3):
        f = rng.uniform(0.02, 0.25, 4)
        waves = np.sin(f[0] * x + f[1] * y) + np.sign(np.sin(f[2] * x - f[3] * y))
        out[..., channel] = waves + 0.3 * rng.standard_normal((height, width))
    return np.clip(np.rint(128 + 55 * out), 0, 255).astype(np.uint8)
