"""From an artefact folder to models in a Triton repository."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from vmamba_deploy.artifacts.manifest import MANIFEST_NAME, Manifest, describe_file
from vmamba_deploy.artifacts.verification import verify
from vmamba_deploy.errors import InputFileError
from vmamba_deploy.serving.triton.contents import server_options, write_models
from vmamba_deploy.serving.triton.facts import ModelFacts, read_facts
from vmamba_deploy.serving.triton.plan import TritonPlan
from vmamba_deploy.serving.triton.publish import (
    check_targets,
    publish,
    staging_folder,
    write_record,
)

Warn = Callable[[str], None]


@dataclass(frozen=True)
class Package:
    """What was written.

    Attributes:
        repository: the model repository.
        models: names, each after the ones that it needs.
        backend: the back end of the first of them.
        max_batch: images of one execution.
        server_options: what `tritonserver` must be started with.
    """

    repository: Path
    models: tuple[str, ...]
    backend: str
    max_batch: int
    server_options: tuple[str, ...]


def package_for_triton(plan: TritonPlan, *, warn: Warn = lambda _message: None) -> Package:
    """Write the models of `plan` into its repository, all of them or none.

    Args:
        plan: what to write where.
        warn: called with what the user should know, and that does not end the run.

    Raises:
        InputFileError: there is no such artefact folder.
        IntegrityError: it is not what its manifest says.
        UsageError: the plan does not go with the artefacts, or would replace foreign content.
        EnvironmentProblem: Triton cannot load this engine, or a compiler is missing.
        ResourceError: the disk is full, or another process is writing the repository.
    """
    if not plan.artifact.is_dir():
        raise InputFileError(
            f"there is no folder {plan.artifact}", hint="`vmamba-deploy export` makes one"
        )
    manifest = verify(plan.artifact)
    manifest.require_classifier(plan.artifact)
    facts = read_facts(manifest, plan)
    for message in _warnings(plan, facts, manifest):
        warn(message)
    repository = plan.repository.absolute()
    options = server_options(plan, facts)
    needed = sum(file.size_bytes for file in manifest.files.values())
    with staging_folder(repository, needed_bytes=needed) as staging:
        check_targets(repository, plan.models, plan.name, force=plan.force)
        write_models(staging, plan, facts, manifest)
        description = {
            "package": plan.name,
            "backend": facts.backend,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "artifact_manifest": msgspec.to_builtins(describe_file(plan.artifact / MANIFEST_NAME)),
            "server_path": plan.server_path,
            "server_options": options,
            "tensorrt": manifest.engine.version if facts.backend == "tensorrt" else None,
        }
        for name in plan.models:
            write_record(staging / name, description)
        publish(staging, repository, plan.models, plan.name)
    return Package(repository, plan.models, facts.backend, facts.max_batch, tuple(options))


def _warnings(plan: TritonPlan, facts: ModelFacts, manifest: Manifest) -> list[str]:
    found: list[str] = []
    if manifest.status != "complete":
        found.append(f"the artefacts are {manifest.status}: {manifest.status_reason}")
    engine = manifest.engine
    if plan.backend == "auto" and engine.built and facts.backend != "tensorrt":
        found.append(
            f"the {engine.flavour} engine is none for Triton's TensorRT back end; the package "
            "is for ONNX Runtime"
        )
    if facts.backend == "onnxruntime" and not facts.custom_library:
        found.append(
            "the artefacts have no libvmamba_ort.so: ONNX Runtime will run the op's body in "
            "standard ops, which is slow; export again to add it"
        )
    return found
