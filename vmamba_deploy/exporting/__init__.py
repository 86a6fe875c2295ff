"""Export: from a VMamba model to one ONNX file that every runtime can take."""

from __future__ import annotations

from vmamba_deploy.exporting.aoti_package import AotiPackage, export_aoti
from vmamba_deploy.exporting.onnx_file import deployable_module, export_onnx
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.exporting.options import ExportOptions

__all__ = [
    "AotiPackage",
    "ExportOptions",
    "OnnxModel",
    "deployable_module",
    "export_aoti",
    "export_onnx",
]
