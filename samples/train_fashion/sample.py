"""Fashion-MNIST as a sample: 0.4 million weights, trained within an hour on one core."""

from __future__ import annotations

from samples.train_fashion.fashion_data import LABELS, PREPROCESSING, SPLITS, read_fashion
from samples.training.sample import Sample, TrainingPlan
from vmamba_deploy.models.vmamba.config import VMambaConfig

CONFIG = VMambaConfig(
    depths=(1, 1, 1, 1),
    dims=(24, 48, 96, 192),
    ssm_ratio=1.0,
    mlp_ratio=1.0,
    num_classes=len(LABELS),
)
"""As the digits' network, three times as wide."""

PLAN = TrainingPlan(
    epochs=16,
    seed=1,
    batch=128,
    warmup_epochs=1,
    rotation_degrees=0,
    zoom=0,
    shift=0.06,
    mirror=True,
)
"""Clothes hang straight and fill their picture: they are shifted a pixel at most, and mirrored."""

FASHION = Sample("fashion", CONFIG, PLAN, PREPROCESSING, read_fashion, SPLITS)
