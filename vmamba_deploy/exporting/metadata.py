"""The facts that travel inside the ONNX file, under `metadata_props`."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import vmamba_deploy
from vmamba_deploy.tasks import CLASSIFICATION, FEATURES
from vmamba_deploy.tasks.classification import chosen_activation

if TYPE_CHECKING:
    from vmamba_deploy.exporting.checks import Asked
    from vmamba_deploy.models import LoadedModel

_TOOLS = ("torch", "onnx", "onnxscript", "onnxruntime")


def model_metadata(loaded: LoadedModel, asked: Asked) -> dict[str, str]:
    """Flat string metadata; structured values are JSON.

    Keys: preset, task, precision, weights_source, weights_sha256, architecture, opsets,
    preprocessing and tool_versions; weights_key, weights_other_keys and weights_prefix of the
    network within its file, weights_assumed of what that does not tell; activation of a classifier;
    labels, and the palette [r,g,b] of each, when known and the file tells classes; num_classes
    where its outputs do not show how many the weights have; interface of a network with inputs of
    its own.
    """
    options, task = asked.options, asked.task
    metadata: dict[str, str] = {
        "preset": loaded.preset_name or "custom",
        "task": task.name,
        "precision": options.precision,
        "weights_source": _source_name(loaded.source),
        "weights_sha256": loaded.sha256,
        "architecture": loaded.architecture,
        **_place_within_the_file(loaded),
        "opsets": _json(asked.op_sets),
        "tool_versions": _json(tool_versions()),
    }
    prepared = options.prepared(loaded.preprocessing, task)
    if prepared is not None:
        metadata["preprocessing"] = _json(prepared.as_manifest())
    if task.first is not None:
        metadata["interface"] = _json(_interface(loaded, asked))
    if task is CLASSIFICATION:
        metadata["activation"] = chosen_activation(options.activation, asked.classes or 0)
    elif asked.classes is not None:
        metadata["num_classes"] = str(asked.classes)
    if task is not FEATURES:
        metadata |= _classes(loaded)
    return metadata


def _interface(loaded: LoadedModel, asked: Asked) -> dict[str, Any]:
    # Here, for a machine that measures on a GPU imports this module and has no msgspec.
    import msgspec

    from vmamba_deploy.artifacts.interface_facts import InterfaceFacts

    task = asked.task
    assert task.first is not None
    inputs = (task.first, *task.inputs)
    facts = InterfaceFacts(
        network=loaded.family.summary(loaded.model.config)["network"],
        kinds={output.name: output.kind for output in task.outputs},
        axes=dict(asked.options.axes),
        values={each.name: each.values for each in inputs if each.values is not None},
    )
    described: dict[str, Any] = msgspec.to_builtins(facts)
    return described


def _classes(loaded: LoadedModel) -> dict[str, str]:
    said = {"labels": loaded.model.class_labels, "palette": loaded.model.palette}
    return {key: _json(list(values)) for key, values in said.items() if values}


def _place_within_the_file(loaded: LoadedModel) -> dict[str, str]:
    origin = loaded.origin
    if origin is None:
        return {}
    said = {
        "weights_key": origin.key,
        "weights_other_keys": _json(list(origin.other_keys)) if origin.other_keys else "",
        "weights_prefix": origin.prefix,
        "weights_assumed": _json(dict(origin.assumed)) if origin.assumed else "",
    }
    return {key: text for key, text in said.items() if text}


def _source_name(source: str) -> str:
    """An address as it is; of a path the last part, so that equal weights give equal files."""
    return source if "://" in source else Path(source).name


def tool_versions() -> dict[str, str]:
    """Versions of this package and of the tools that shape the file; absent tools are left out."""
    versions = {"vmamba_deploy": vmamba_deploy.__version__}
    for tool in _TOOLS:
        try:
            versions[tool] = version(tool)
        except PackageNotFoundError:
            continue
    return versions


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
