"""The digits as a sample: 65 thousand weights, trained in a minute."""

from __future__ import annotations

from samples.train_digits.digits_data import LABELS, PREPROCESSING, read_digits
from samples.training.sample import Sample, TrainingPlan
from vmamba_deploy.models.vmamba.config import VMambaConfig

CONFIG = VMambaConfig(
    depths=(1, 1, 1, 1),
    dims=(8, 16, 32, 64),
    ssm_ratio=1.0,
    mlp_ratio=2.0,
    num_classes=len(LABELS),
)
"""One state, no gate, convolutional stem and downsampling: a 32x32 image becomes maps of 8x8, 4x4,
2x2 and 1x1."""

DIGITS = Sample(
    "digits", CONFIG, TrainingPlan(), PREPROCESSING, read_digits, splits=("train", "test")
)
