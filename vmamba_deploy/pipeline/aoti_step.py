"""The AOTInductor package of an export run, with the library that a C++ program loads beside it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from vmamba_deploy.pipeline.events import Steps
from vmamba_deploy.pipeline.plan import ExportPlan

if TYPE_CHECKING:
    from vmamba_deploy.export.aoti_package import AotiDevice
    from vmamba_deploy.models import LoadedModel

TORCH_LIBRARY = "vmamba_torch"
# Of code and library, beside the weights.
PACKAGE_BYTES = 30_000_000


def check_aoti_plan(device: AotiDevice) -> None:
    """Refuse before the export begins what would fail minutes later.

    Raises:
        UsageError: CUDA is asked for and PyTorch sees no GPU.
        EnvironmentProblem: libvmamba_torch.so can neither be found nor built.
    """
    from vmamba_deploy import native
    from vmamba_deploy.errors import EnvironmentProblem
    from vmamba_deploy.export.aoti_package import choose_device

    choose_device(device)
    available, reason = native.available(TORCH_LIBRARY)
    if not available:
        raise EnvironmentProblem(f"lib{TORCH_LIBRARY}.so cannot be had: {reason}")


def compile_package(folder: Path, loaded: LoadedModel, plan: ExportPlan, steps: Steps) -> None:
    """Write model.pt2 and libvmamba_torch.so to the folder."""
    from vmamba_deploy import native
    from vmamba_deploy.export.aoti_package import export_aoti
    from vmamba_deploy.runtimes.aotinductor import PACKAGE_NAME

    with steps.step("aoti", "compiling with AOTInductor") as told:
        library = native.library_path(
            TORCH_LIBRARY, progress=lambda text, done: steps.progress(text, done)
        )
        package = export_aoti(
            loaded,
            folder / PACKAGE_NAME,
            plan.export_options(),
            largest_batch=plan.engine.profile_batches[-1],
            device=plan.aoti_device,
        )
        shutil.copyfile(library, folder / library.name)
        told += [package.device, f"batches 1 to {package.largest_batch}"]
        told.append(f"{package.size_bytes / 1e6:.1f} MB")
