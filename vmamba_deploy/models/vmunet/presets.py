"""The published VM-UNet architectures by name. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import replace

from vmamba_deploy.models.family import Preset
from vmamba_deploy.models.vmamba.presets import PRESETS as VMAMBA_PRESETS
from vmamba_deploy.models.vmunet.config import VMUNetConfig
from vmamba_deploy.preprocessing.specification import Preprocessing

_ENCODER = replace(
    VMAMBA_PRESETS["vanilla_vmamba_tiny"].config, depths=(2, 2, 2, 2), num_classes=None
)
_PUBLISHED = VMUNetConfig(encoder=_ENCODER, decoder_depths=(2, 2, 2, 1))

# The published code subtracts a constant, divides by one, and then stretches each image to 0..255
# by its own minimum and maximum, which undoes both. Of an image that has black and white this
# leaves its bytes, as here.
ISIC_PREPROCESSING = Preprocessing(
    crop_pixels=(256, 256),
    interpolation="bilinear",
    mean=(0.0,) * 3,
    std=(1 / 255,) * 3,
    stretched=True,
)
SYNAPSE_PREPROCESSING = Preprocessing(mean=(0.0,), std=(1.0,), stretched=True)
"""Slices of values from 0 to 1; resized here with a bicubic filter, there with a cubic spline."""

PRESETS: dict[str, Preset[VMUNetConfig]] = {
    preset.name: preset
    for preset in (
        Preset("vmunet_isic", _PUBLISHED, ISIC_PREPROCESSING),
        Preset(
            "vmunet_synapse",
            replace(_PUBLISHED, num_classes=9, in_chans=1),
            SYNAPSE_PREPROCESSING,
        ),
    )
}
ALIASES: dict[str, str] = {"vmunet": "vmunet_isic"}
