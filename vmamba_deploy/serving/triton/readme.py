"""README.md of a packaged model: what lies there and how a server is started on it."""

from __future__ import annotations

from vmamba_deploy.artifacts.manifest import Manifest
from vmamba_deploy.serving.triton.facts import ModelFacts
from vmamba_deploy.serving.triton.plan import TritonPlan
from vmamba_deploy.serving.triton.registrar import REGISTRAR_LIBRARY


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


def readme(plan: TritonPlan, facts: ModelFacts, manifest: Manifest) -> str:
    """Markdown."""
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
