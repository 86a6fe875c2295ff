"""From an artefact folder to models in a Triton repository, and how a server starts on them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from vmamba_deploy.artifacts.manifest import (
    ENGINE_NAME,
    MANIFEST_NAME,
    ONNX_NAME,
    ORT_LIBRARY_NAME,
    TRT_LIBRARY_NAME,
    Manifest,
    describe_file,
)
from vmamba_deploy.artifacts.verification import verify
from vmamba_deploy.errors import InputFileError, IntegrityError
from vmamba_deploy.serving.triton import configs
from vmamba_deploy.serving.triton.facts import ModelFacts, read_facts
from vmamba_deploy.serving.triton.pbtxt import Message, to_pbtxt
from vmamba_deploy.serving.triton.plan import TritonPlan
from vmamba_deploy.serving.triton.publish import (
    check_targets,
    publish,
    staging_folder,
    write_record,
)
from vmamba_deploy.serving.triton.registrar import REGISTRAR_LIBRARY, build_registrar

_MODEL_FILES = Path(__file__).parent / "models"

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


def write_models(staging: Path, plan: TritonPlan, facts: ModelFacts, manifest: Manifest) -> None:
    """Write every model of the package below `staging`.

    Raises:
        IntegrityError: a file changed while it was copied.
        BuildError, EnvironmentProblem: see `build_registrar`.
    """
    version = _start(staging, plan.name, configs.model_config(plan, facts))
    _write_labels(staging / plan.name, facts)
    (staging / plan.name / "README.md").write_text(_readme(plan, facts, manifest), encoding="utf-8")
    {"tensorrt": _tensorrt, "onnxruntime": _onnxruntime, "python": _python}[facts.backend](
        version, plan, facts, manifest
    )
    if not plan.with_ensemble:
        return
    version = _start(staging, plan.preprocess_name, configs.preprocess_config(plan, facts))
    _write_code(version, "preprocess")
    specification = json.dumps(
        msgspec.to_builtins(manifest.preprocessing), indent=2, sort_keys=True
    )
    (version / "preprocessing.json").write_text(specification + "\n", encoding="utf-8")
    version = _start(staging, plan.top_name, configs.top_config(plan, facts))
    _write_code(version, "top5")
    _write_labels(staging / plan.top_name, facts)
    _start(staging, plan.ensemble_name, configs.ensemble_config(plan, facts))


def server_options(plan: TritonPlan, facts: ModelFacts) -> list[str]:
    """What `tritonserver` must be started with for this model."""
    options = [f"--model-repository={plan.server_path}"]
    if facts.registrar:
        library = f"{plan.server_path.rstrip('/')}/{plan.name}/1/{REGISTRAR_LIBRARY}"
        options.append(f"--backend-config=tensorrt,plugins={library}")
    if facts.host_code:
        # The one switch with which the back end allows an engine to bring code of its own.
        options.append("--backend-config=tensorrt,version-compatible=true")
    return options


def _readme(plan: TritonPlan, facts: ModelFacts, manifest: Manifest) -> str:
    options = " ".join(server_options(plan, facts))
    lines = [
        f"# {plan.name}",
        "",
        f"{manifest.preset} in {manifest.precision}, for Triton's {facts.backend} back end; "
        f"batches up to {facts.max_batch}. Written by `vmamba-deploy package`.",
        "",
        f"    tritonserver {options}",
        "",
        f"- `{plan.name}`: `{facts.image.name}` {list(facts.image.dims)} "
        f"{facts.image.triton_type} to `{facts.logits.name}` {list(facts.logits.dims)}",
    ]
    if plan.with_ensemble:
        lines += [
            f"- `{plan.ensemble_name}`: encoded images (`image`, bytes) to `logits` and `top5`, "
            f"JSON; its steps `{plan.preprocess_name}` and `{plan.top_name}` need vmamba_deploy "
            "in the server's Python",
        ]
    return "\n".join([*lines, "", "`vmamba.json` in each model lists its files with sha256.", ""])


def _start(staging: Path, name: str, config: Message) -> Path:
    """Make a model's folder with its configuration; the folder of its version 1, for the rest."""
    version = staging / name / "1"
    version.mkdir(parents=True)
    (staging / name / "config.pbtxt").write_text(to_pbtxt(config), encoding="utf-8")
    return version


def _tensorrt(version: Path, plan: TritonPlan, facts: ModelFacts, manifest: Manifest) -> None:
    _copy(plan.artifact, ENGINE_NAME, version / "model.plan", manifest)
    if facts.registrar:
        _copy(plan.artifact, TRT_LIBRARY_NAME, version / TRT_LIBRARY_NAME, manifest)
        build_registrar(version / REGISTRAR_LIBRARY, manifest.engine.version or "")


def _onnxruntime(version: Path, plan: TritonPlan, facts: ModelFacts, manifest: Manifest) -> None:
    # Weights too large for the file lie beside it, under the names that the graph has for them.
    for name in manifest.files:
        if name == ONNX_NAME or name.startswith(f"{ONNX_NAME}."):
            _copy(plan.artifact, name, version / name, manifest)
    if facts.custom_library:
        _copy(plan.artifact, ORT_LIBRARY_NAME, version / ORT_LIBRARY_NAME, manifest)


def _python(version: Path, plan: TritonPlan, _facts: ModelFacts, manifest: Manifest) -> None:
    folder = version / "artifact"
    for name in manifest.files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        _copy(plan.artifact, name, folder / name, manifest)
    shutil.copyfile(plan.artifact / MANIFEST_NAME, folder / MANIFEST_NAME)
    _write_code(version, "classifier")


def _copy(source: Path, name: str, destination: Path, manifest: Manifest) -> None:
    """Copy a file and compare the copy, so that nothing can change in between."""
    shutil.copyfile(source / name, destination)
    if describe_file(destination) != manifest.files[name]:
        raise IntegrityError(
            f"{name} is not what the manifest of {source} says", hint="export again"
        )


def _write_code(version: Path, name: str) -> None:
    shutil.copyfile(_MODEL_FILES / f"{name}.py", version / "model.py")


def _write_labels(folder: Path, facts: ModelFacts) -> None:
    if facts.labels:
        text = "".join(f"{label}\n" for label in facts.labels)
        (folder / configs.LABELS_NAME).write_text(text, encoding="utf-8")
