"""The config.pbtxt of each model of a package."""

from __future__ import annotations

from vmamba_deploy.artifacts.manifest import ORT_LIBRARY_NAME
from vmamba_deploy.serving.triton.facts import ModelFacts, Tensor
from vmamba_deploy.serving.triton.pbtxt import Message, Name, Value, map_field
from vmamba_deploy.serving.triton.plan import TritonPlan

LABELS_NAME = "labels.txt"
IMAGE_INPUT, TOP_OUTPUT = "image", "top5"

_PLATFORMS = {"tensorrt": "tensorrt_plan", "onnxruntime": "onnxruntime_onnx"}
_KINDS = {"cpu": "KIND_CPU", "gpu": "KIND_GPU", "auto": "KIND_AUTO"}


def model_config(plan: TritonPlan, facts: ModelFacts) -> Message:
    """Of the model itself: `pixel_values` to `logits`."""
    config: dict[str, Value] = {"name": plan.name}
    if facts.backend in _PLATFORMS:
        config["platform"] = _PLATFORMS[facts.backend]
    config |= {
        "backend": facts.backend,
        "max_batch_size": facts.max_batch,
        "input": [_described(facts.image)],
        "output": [_with_labels(facts.logits, facts)],
        "dynamic_batching": _batching(plan, facts.preferred_batches),
        "instance_group": [_group(plan.instances, facts.device)],
        "model_warmup": _warmup(facts),
    }
    if facts.backend == "onnxruntime" and facts.custom_library:
        library = f"{plan.server_path.rstrip('/')}/{plan.name}/1/{ORT_LIBRARY_NAME}"
        config["model_operations"] = {"op_library_filename": [library]}
    return config


def preprocess_config(plan: TritonPlan, facts: ModelFacts) -> Message:
    """Of the step from encoded images to `pixel_values`."""
    return {
        "name": plan.preprocess_name,
        "backend": "python",
        "max_batch_size": facts.max_batch,
        "input": [_described(Tensor(IMAGE_INPUT, "TYPE_STRING", (1,)))],
        "output": [_described(facts.image)],
        # Images of several requests go to one process together, which costs no waiting.
        "dynamic_batching": _batching(plan, (), delay_us=0),
        "instance_group": [_group(plan.instances, "cpu")],
    }


def top_config(plan: TritonPlan, facts: ModelFacts) -> Message:
    """Of the step from `logits` to the five best labels."""
    return {
        "name": plan.top_name,
        "backend": "python",
        "max_batch_size": facts.max_batch,
        "input": [_described(facts.logits)],
        "output": [_described(Tensor(TOP_OUTPUT, "TYPE_STRING", (1,)))],
        "dynamic_batching": _batching(plan, (), delay_us=0),
        "instance_group": [_group(1, "cpu")],
    }


def ensemble_config(plan: TritonPlan, facts: ModelFacts) -> Message:
    """Encoded images in; logits, and the five best labels as JSON, out."""
    pixels, logits = facts.image.name, facts.logits.name
    return {
        "name": plan.ensemble_name,
        "platform": "ensemble",
        "max_batch_size": facts.max_batch,
        "input": [_described(Tensor(IMAGE_INPUT, "TYPE_STRING", (1,)))],
        "output": [
            _described(facts.logits),
            _described(Tensor(TOP_OUTPUT, "TYPE_STRING", (1,))),
        ],
        "ensemble_scheduling": {
            "step": [
                _step(plan.preprocess_name, {IMAGE_INPUT: IMAGE_INPUT}, {pixels: pixels}),
                _step(plan.name, {pixels: pixels}, {logits: logits}),
                _step(plan.top_name, {logits: logits}, {TOP_OUTPUT: TOP_OUTPUT}),
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


def _batching(
    plan: TritonPlan, preferred: tuple[int, ...], *, delay_us: int | None = None
) -> Message:
    delay = plan.max_queue_delay_us if delay_us is None else delay_us
    batching: dict[str, Value] = {"max_queue_delay_microseconds": delay}
    return batching | {"preferred_batch_size": list(preferred)} if preferred else batching


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
