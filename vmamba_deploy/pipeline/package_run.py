"""The packaging run: an artefact folder becomes what a server reads."""

from __future__ import annotations

from vmamba_deploy.pipeline.events import OnEvent, Steps
from vmamba_deploy.serving.triton.package import Package, package_for_triton
from vmamba_deploy.serving.triton.plan import TritonPlan


def run_package(plan: TritonPlan, on_event: OnEvent) -> Package:
    """Write a Triton model repository.

    Raises:
        VmambaError: its class says what is wrong; nothing is published then.
    """
    steps = Steps(on_event)
    with steps.step("package", f"packaging {plan.artifact} for Triton") as told:
        package = package_for_triton(plan, warn=steps.warn)
        told.append(f"{', '.join(package.models)} in {package.repository}")
    return package
