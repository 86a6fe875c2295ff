"""The comparison of files that were exported earlier with the network they were made from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmamba_deploy.artifacts.manifest import MANIFEST_NAME, read_manifest
from vmamba_deploy.errors import IntegrityError
from vmamba_deploy.pipeline.artefacts import onnx_file_of
from vmamba_deploy.pipeline.events import OnEvent, Steps
from vmamba_deploy.pipeline.onnx_facts import read_onnx_facts
from vmamba_deploy.pipeline.parity_step import check_parity
from vmamba_deploy.pipeline.plan import check_batches
from vmamba_deploy.pipeline.reference import load_reference

if TYPE_CHECKING:
    from vmamba_deploy.parity.results import RunResult


def run_compare(
    path: Path,
    on_event: OnEvent,
    *,
    batches: tuple[int, ...] = (1, 8),
    weights: str | None = None,
    seed: int = 0,
) -> tuple[RunResult, ...]:
    """Compare PATH, an artefact folder (verified first) or an ONNX file, with PyTorch in fp32.

    Raises:
        IntegrityError: the folder is not what its manifest says.
        InputFileError: not a file of ours, or its weights are gone (name them with `weights`).
        UsageError: bad batch sizes.
    """
    check_batches(batches)
    steps = Steps(on_event)
    with steps.step("weights", f"reading {path}") as told:
        facts = read_onnx_facts(onnx_file_of(path))
        loaded = load_reference(facts, weights)
        told.append(loaded.source)
    with steps.step("parity", "comparing with PyTorch") as told:
        results = check_parity(
            facts,
            loaded,
            engine=_engine_of(path),
            batches=batches,
            seed=seed,
            progress=steps.progress,
        )
        failed = sum(result.status == "failed" for result in results)
        told.append(f"{failed} of {len(results)} runtimes failed")
    return results


def _engine_of(path: Path) -> dict[str, Any]:
    """The engine as the folder's manifest describes it; a lone ONNX file has none."""
    if not path.is_dir() or not (path / MANIFEST_NAME).exists():
        return {"built": False, "reason": "no manifest describes one"}
    engine: dict[str, Any] = read_manifest(path)["engine"]
    if engine["built"] and not (path / "model.engine").is_file():
        raise IntegrityError(f"the manifest of {path} describes an engine that it does not list")
    return engine
