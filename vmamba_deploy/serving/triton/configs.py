"""The config.pbtxt of each model of a package."""

from __future__ import annotations

from vmamba_deploy.artifacts.manifest import ORT_LIBRARY_NAME
from vmamba_deploy.serving.triton.facts import ModelFacts, Tensor
from vmamba_deploy.serving.triton.pbtxt import Message, Name, Value, map_field
from vmamba_deploy.serving.triton.plan import TritonPlan

LABELS_NAME = "labels.txt"
_IMAGE, _TOP = Tensor("image", "TYPE_STRING", (1,)), Tensor("top5", "TYPE_STRING", (1,))

_PLATFORMS = {"tensorrt": "tensorrt_plan", "onnxruntime": "onnxruntime_onnx"}
_KINDS = {"cpu": "KIND_CPU", "gpu": "KIND_GPU", "auto": "KIND_AUTO"}


def model_config(plan: TritonPlan, facts: ModelFacts) -> Message:
    """Of the model itself: `pixel_values` to `logits`."""
    batching: dict[str, Value] = {"max_queue_delay_microseconds": plan.max_queue_delay_us}
    if facts.preferred_batches:
        batching["preferred_batch_size"] = list(facts.preferred_batches)
    config: dict[str, Value] = {"name": plan.name}
    if facts.backend in _PLATFORMS:
        config["platform"] = _PLATFORMS[facts.backend]
    config |= {
        "backend": facts.backend,
        "max_batch_size": facts.max_batch,
        "input": [_described(facts.image)],
        "output": [_with_labels(facts.logits, facts)],
        "dynamic_batching": batching,
        "instance_group": [_group(plan.instances, facts.device)],
        "model_warmup": _warmup(facts),
    }
    if facts.backend == "onnxruntime" and facts.custom_library:
        library = f"{plan.server_path.rstrip('/')}/{plan.name}/1/{ORT_LIBRARY_NAME}"
        config["model_operations"] = {"op_library_filename": [library]}
    return config


def preprocess_config(plan: TritonPlan, facts: ModelFacts) -> Message:
    """Of the step from encoded images to `pixel_values`."""
    return _python_step(plan.preprocess_name, facts, (_IMAGE, facts.image), plan.instances)


def top_config(plan: TritonPlan, facts: ModelFacts) -> Message:
    """Of the step from `logits` to the five best labels."""
    step = _python_step(plan.top_name, facts, (facts.logits, _TOP), 1)
    activation: Message = {"string_value": facts.activation}
    return {**step, "parameters": map_field({"activation": activation})}


def ensemble_config(plan: TritonPlan, facts: ModelFacts) -> Message:
    """Encoded images in; logits, and the five best labels as JSON, out."""
    pixels, logits = facts.image.name, facts.logits.name
    return {
        "name": plan.ensemble_name,
        "platform": "ensemble",
        "max_batch_size": facts.max_batch,
        "input": [_described(_IMAGE)],
        "output": [_described(facts.logits), _described(_TOP)],
        "ensemble_scheduling": {
            "step": [
                _step(plan.preprocess_name, {_IMAGE.name: _IMAGE.name}, {pixels: pixels}),
                _step(plan.name, {pixels: pixels}, {logits: logits}),
                _step(plan.top_name, {logits: logits}, {_TOP.name: _TOP.name}),
            ]
        },
    }


def _described(tensor: Tensor) -> dict[str, Value]:
    return {
        "name": tensor.name,
        "data_type": Name(tensor.triton_type),
        "dims": list(tensor.dims),
    }


def _with_labels(tensor: Tensor, facts: ModelFacts) -> Message:
    described = _described(tensor)
    return described | {"label_filename": LABELS_NAME} if facts.labels else described


def _python_step(
    name: str, facts: ModelFacts, tensors: tuple[Tensor, Tensor], instances: int
) -> Message:
    return {
        "name": name,
        "backend": "python",
        "max_batch_size": facts.max_batch,
        "input": [_described(tensors[0])],
        "output": [_described(tensors[1])],
        # Images of several requests go to one process together, which costs no waiting.
        "dynamic_batching": {"max_queue_delay_microseconds": 0},
        "instance_group": [_group(instances, "cpu")],
    }


def _group(count: int, device: str) -> Message:
    return {"count": count, "kind": Name(_KINDS[device])}


def _warmup(facts: ModelFacts) -> list[Value]:
    """The first request loads kernels and grows buffers: Triton sends these before it is ready."""
    sizes = {1: "one image", facts.max_batch: "largest batch"}
    pixels: Message = {
        "data_type": Name(facts.image.triton_type),
        "dims": list(facts.sample_dims),
        "zero_data": True,
    }
    return [
        {"name": name, "batch_size": size, "inputs": map_field({facts.image.name: pixels})}
        for size, name in sizes.items()
    ]


def _step(model: str, inputs: dict[str, Value], outputs: dict[str, Value]) -> Message:
    return {
        "model_name": model,
        "model_version": -1,
        "input_map": map_field(inputs),
        "output_map": map_field(outputs),
    }
