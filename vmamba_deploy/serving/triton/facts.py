"""What a Triton configuration needs to know of an artefact folder."""

from __future__ import annotations

from dataclasses import dataclass

from vmamba_deploy.artifacts.engine_facts import EngineFacts, ShapeProfile
from vmamba_deploy.artifacts.manifest import ORT_LIBRARY_NAME, Manifest, TensorFacts
from vmamba_deploy.errors import EnvironmentProblem, UsageError
from vmamba_deploy.precisions import precision_named
from vmamba_deploy.serving.triton.plan import TritonPlan
from vmamba_deploy.tasks.classification import Activation, chosen_activation

DEFAULT_MAX_BATCH = 32

_TYPES = {"float32": "TYPE_FP32", "float16": "TYPE_FP16", "uint8": "TYPE_UINT8"}


@dataclass(frozen=True)
class Tensor:
    """An input or output of one image.

    Attributes:
        name: in the graph.
        triton_type: `TYPE_FP32` or another.
        dims: without the batch; -1 where a side is free.
    """

    name: str
    triton_type: str
    dims: tuple[int, ...]


@dataclass(frozen=True)
class ModelFacts:
    """The model, in Triton's words.

    Attributes:
        backend: `tensorrt`, `onnxruntime` or `python`.
        device: `cpu`, `gpu` or `auto`.
        image, logits: its tensors.
        sample_dims: of one image that the model takes for sure, for the warm-up.
        max_batch: images of one execution.
        preferred_batches: for the dynamic batcher.
        activation: what turns the logits into probabilities.
        labels: one a class, without line breaks; None where there are none.
        custom_library: the op's library goes with the model, for ONNX Runtime.
        registrar: the plugin's library has to be registered by another one, for TensorRT.
        host_code: the engine carries the plugin, for TensorRT.
    """

    backend: str
    device: str
    image: Tensor
    logits: Tensor
    sample_dims: tuple[int, ...]
    max_batch: int
    preferred_batches: tuple[int, ...]
    activation: Activation
    labels: tuple[str, ...] | None
    custom_library: bool
    registrar: bool
    host_code: bool


def read_facts(manifest: Manifest, plan: TritonPlan) -> ModelFacts:
    """Choose the back end and check that the artefacts can serve there.

    Raises:
        UsageError: the back end, the device, the batch or the ensemble does not go with the
            artefacts.
        EnvironmentProblem: the engine is none that Triton's TensorRT can load.
    """
    backend = choose_backend(manifest, plan.backend)
    profile = _tensorrt_profile(manifest.engine) if backend == "tensorrt" else None
    preprocessing = manifest.prepared()
    image, logits = _tensor(manifest.onnx.inputs[0]), _tensor(manifest.onnx.outputs[0])
    height, width = preprocessing.crop_pixels
    channels, channels_last = preprocessing.channels, preprocessing.normalisation_in_graph
    if plan.with_ensemble:
        preprocessing.require_files("package it with --no-ensemble: clients send pixel_values")
    embedded = manifest.engine.plugin_embedded
    max_batch = _max_batch(manifest, plan, backend, profile)
    return ModelFacts(
        backend=backend,
        device=_device(manifest, plan, backend),
        image=image,
        logits=logits,
        sample_dims=(height, width, channels) if channels_last else (channels, height, width),
        max_batch=max_batch,
        preferred_batches=_preferred(profile, plan, max_batch),
        activation=chosen_activation(manifest.activation, manifest.classes),
        # A label file has one label a line, so line breaks within one become spaces.
        labels=tuple(" ".join(label.split()) for label in manifest.labels or ()) or None,
        custom_library=ORT_LIBRARY_NAME in manifest.files,
        registrar=backend == "tensorrt" and not embedded,
        host_code=backend == "tensorrt" and embedded,
    )


def choose_backend(manifest: Manifest, wished: str) -> str:
    """The back end itself where one was named; else TensorRT where its engine is, or ONNX Runtime.

    TensorRT-RTX is no part of Triton, so its engines do not count.
    """
    if wished != "auto":
        return wished
    engine = manifest.engine
    fits = engine.fits(flavour="tensorrt") is None and not engine.weights_stripped
    return "tensorrt" if fits else "onnxruntime"


def _tensorrt_profile(engine: EngineFacts) -> ShapeProfile:
    """What Triton's TensorRT can feed the engine, which it must be able to load."""
    rebuild = (
        "build an engine on the server's GPU with its TensorRT: "
        "`vmamba-deploy build DIR --trt tensorrt`, or package with --backend onnxruntime or python"
    )
    if not engine.built or engine.profile is None:
        raise UsageError(f"the artefacts have no engine: {engine.reason}", hint=rebuild)
    if engine.fits(flavour="tensorrt") is not None:
        raise EnvironmentProblem(
            f"the engine was built by TensorRT-RTX {engine.version}; Triton's back end has the "
            "full TensorRT, which cannot load it",
            hint=rebuild,
        )
    if engine.weights_stripped:
        raise UsageError(
            "the engine has no weights, and Triton does not refit engines",
            hint="build it without --strip-weights",
        )
    smallest = engine.profile.min[0]
    if smallest > 1:
        raise UsageError(
            f"the engine takes batches from {smallest} on, and Triton sends single images too",
            hint="build it with --batch 1,...",
        )
    return engine.profile


def _device(manifest: Manifest, plan: TritonPlan, backend: str) -> str:
    if backend == "tensorrt":
        if plan.device == "cpu":
            raise UsageError("TensorRT runs on GPUs", hint="--device gpu, or another --backend")
        return "gpu"
    if backend == "onnxruntime" and not precision_named(manifest.precision).onnxruntime_cpu:
        if plan.device == "cpu":
            raise UsageError(
                "ONNX Runtime has no bfloat16 arithmetic on the CPU",
                hint="--backend python, which widens the graph; or export in fp32 or fp16",
            )
        return "gpu"
    return plan.device


def _max_batch(
    manifest: Manifest, plan: TritonPlan, backend: str, profile: ShapeProfile | None
) -> int:
    batch_axis = manifest.onnx.inputs[0].shape[0]
    fixed = batch_axis if isinstance(batch_axis, int) else None
    if backend == "onnxruntime" and fixed is not None:
        raise UsageError(
            f"the graph's batch is fixed to {fixed}; Triton batches models with a free one",
            hint="export without a fixed batch, or use --backend python",
        )
    if profile is None:
        return plan.max_batch or fixed or DEFAULT_MAX_BATCH
    largest = profile.max[0]
    if plan.max_batch is not None and plan.max_batch > largest:
        raise UsageError(
            f"--max-batch {plan.max_batch} is above the engine's largest batch {largest}",
            hint=f"build it with --batch 1,{plan.max_batch}",
        )
    return plan.max_batch or largest


def _preferred(profile: ShapeProfile | None, plan: TritonPlan, max_batch: int) -> tuple[int, ...]:
    if too_large := [size for size in plan.preferred_batches if size > max_batch]:
        raise UsageError(
            f"--preferred-batch {too_large[0]} is above the largest batch {max_batch}",
            hint="choose sizes up to it, or a larger --max-batch",
        )
    if plan.preferred_batches or profile is None:
        return tuple(sorted(set(plan.preferred_batches)))
    tuned = profile.opt[0]
    return (tuned,) if 1 < tuned < max_batch else ()


def _tensor(facts: TensorFacts) -> Tensor:
    dims = tuple(side if isinstance(side, int) else -1 for side in facts.shape[1:])
    return Tensor(facts.name, _TYPES[facts.dtype], dims)
