"""A model repository of Triton Inference Server from an artefact folder: `package_for_triton`."""

from __future__ import annotations

from vmamba_deploy.serving.triton.package import Package, package_for_triton
from vmamba_deploy.serving.triton.plan import BACKENDS, DEVICES, TritonPlan

__all__ = ["BACKENDS", "DEVICES", "Package", "TritonPlan", "package_for_triton"]
