"""Every config.pbtxt, read back by Triton's own protobuf, which refuses unknown fields."""

from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from vmamba_deploy.artifacts.manifest import read_manifest
from vmamba_deploy.errors import EnvironmentProblem, UsageError
from vmamba_deploy.preprocessing import Preprocessing
from vmamba_deploy.serving.triton import configs
from vmamba_deploy.serving.triton.facts import read_facts
from vmamba_deploy.serving.triton.pbtxt import to_pbtxt
from vmamba_deploy.serving.triton.plan import TritonPlan

GROUP = model_config_pb2.ModelInstanceGroup


def plan_of(artifact, **options):
    return TritonPlan(artifact, Path("unused"), **options)


def config_of(artifact, make=configs.model_config, **options):
    plan = plan_of(artifact, **options)
    facts = read_facts(read_manifest(artifact), plan)
    return text_format.Parse(to_pbtxt(make(plan, facts)), model_config_pb2.ModelConfig())


def tensors(config):
    return [
        (tensor.name, model_config_pb2.DataType.Name(tensor.data_type), list(tensor.dims))
        for tensor in (*config.input, *config.output)
    ]


PIXELS = ("pixel_values", "TYPE_FP32", [3, 32, 32])
LOGITS = ("logits", "TYPE_FP32", [10])
IMAGE, TOP = ("image", "TYPE_STRING", [1]), ("top5", "TYPE_STRING", [1])


def test_tensorrt(with_engine):
    config = config_of(with_engine(), instances=3)
    assert (config.name, config.platform, config.backend) == ("vmamba", "tensorrt_plan", "tensorrt")
    assert tensors(config) == [PIXELS, LOGITS]
    assert config.max_batch_size == 24
    assert list(config.dynamic_batching.preferred_batch_size) == [8]
    assert config.dynamic_batching.max_queue_delay_microseconds == 1000
    assert [(group.count, group.kind) for group in config.instance_group] == [(3, GROUP.KIND_GPU)]
    assert config.output[0].label_filename == "labels.txt"
    assert not config.model_operations.op_library_filename
    assert [(one.name, one.batch_size) for one in config.model_warmup] == [
        ("one image", 1),
        ("largest batch", 24),
    ]
    for warmup in config.model_warmup:
        (key, pixels), *others = warmup.inputs.items()
        assert (key, others) == ("pixel_values", [])
        assert (pixels.data_type, list(pixels.dims)) == (model_config_pb2.TYPE_FP32, [3, 32, 32])
        assert pixels.WhichOneof("input_data_type") == "zero_data"


def test_onnxruntime_names_the_library_as_the_server_sees_it(digits):
    config = config_of(
        digits,
        name="cls.v2",
        server_path="/srv/repo/",
        preferred_batches=(16, 4),
        max_queue_delay_us=250,
        max_batch=16,
        device="cpu",
    )
    assert (config.platform, config.backend) == ("onnxruntime_onnx", "onnxruntime")
    assert list(config.model_operations.op_library_filename) == [
        "/srv/repo/cls.v2/1/libvmamba_ort.so"
    ]
    assert config.max_batch_size == 16
    assert list(config.dynamic_batching.preferred_batch_size) == [4, 16]
    assert config.dynamic_batching.max_queue_delay_microseconds == 250
    assert config.instance_group[0].kind == GROUP.KIND_CPU


def test_python(digits):
    config = config_of(digits, backend="python")
    assert (config.platform, config.backend, config.max_batch_size) == ("", "python", 32)
    assert config.instance_group[0].kind == GROUP.KIND_AUTO
    assert tensors(config) == [PIXELS, LOGITS]


def test_pixels_of_a_model_that_normalises_itself(altered, digits):
    onnx = read_manifest(digits).as_json()["onnx"]
    onnx["inputs"] = [{"name": "pixel_values", "dtype": "uint8", "shape": ["batch", 32, 32, 3]}]
    preprocessing = Preprocessing((32, 32), 32, normalisation_in_graph=True).as_manifest()
    artifact = altered(onnx=onnx, preprocessing=preprocessing)
    config = config_of(artifact, backend="onnxruntime")
    pixels = ("pixel_values", "TYPE_UINT8", [32, 32, 3])
    assert tensors(config) == [pixels, LOGITS]
    assert list(config.model_warmup[0].inputs["pixel_values"].dims) == [32, 32, 3]
    made = config_of(artifact, configs.preprocess_config)
    assert tensors(made) == [IMAGE, pixels]


def test_free_sides_and_no_labels(altered, digits):
    onnx = read_manifest(digits).as_json()["onnx"]
    onnx["inputs"][0]["shape"] = ["batch", 3, "height", "width"]
    config = config_of(altered(onnx=onnx, labels=None))
    assert list(config.input[0].dims) == [3, -1, -1]
    assert list(config.model_warmup[0].inputs["pixel_values"].dims) == [3, 32, 32]
    assert config.output[0].label_filename == ""


def test_ensemble_and_its_steps(digits):
    ensemble = config_of(digits, configs.ensemble_config, name="m")
    assert (ensemble.name, ensemble.platform) == ("m_images", "ensemble")
    assert tensors(ensemble) == [IMAGE, LOGITS, TOP]
    steps = [
        (step.model_name, step.model_version, dict(step.input_map), dict(step.output_map))
        for step in ensemble.ensemble_scheduling.step
    ]
    assert steps == [
        ("m_preprocess", -1, {"image": "image"}, {"pixel_values": "pixel_values"}),
        ("m", -1, {"pixel_values": "pixel_values"}, {"logits": "logits"}),
        ("m_top5", -1, {"logits": "logits"}, {"top5": "top5"}),
    ]
    preprocess = config_of(digits, configs.preprocess_config, name="m", instances=2)
    assert (preprocess.name, preprocess.backend) == ("m_preprocess", "python")
    assert tensors(preprocess) == [IMAGE, PIXELS]
    assert [(group.count, group.kind) for group in preprocess.instance_group] == [
        (2, GROUP.KIND_CPU)
    ]
    top = config_of(digits, configs.top_config, name="m")
    assert tensors(top) == [LOGITS, TOP]
    assert top.parameters["activation"].string_value == "softmax"
    sizes = {one.max_batch_size for one in (ensemble, preprocess, top)}
    assert sizes == {config_of(digits).max_batch_size}


def refused(artifact, error, match, **options):
    plan = plan_of(artifact, **options)
    with pytest.raises(error, match=match) as refusal:
        read_facts(read_manifest(artifact), plan)
    assert refusal.value.hint


@pytest.mark.parametrize("channels", [1, 4])
def test_networks_of_other_channels_are_served_with_images_only_where_files_have_them(
    altered, digits, channels
):
    onnx = read_manifest(digits).as_json()["onnx"]
    onnx["inputs"][0]["shape"] = ["batch", channels, 32, 32]
    preprocessing = Preprocessing((32, 32), 32).for_channels(channels).as_manifest()
    artifact = altered(onnx=onnx, preprocessing=preprocessing)
    config = config_of(artifact, backend="onnxruntime", with_ensemble=False)
    assert tensors(config) == [("pixel_values", "TYPE_FP32", [channels, 32, 32]), LOGITS]
    assert list(config.model_warmup[0].inputs["pixel_values"].dims) == [channels, 32, 32]
    if channels == 1:
        assert tensors(config_of(artifact, configs.preprocess_config))[0] == IMAGE
    else:
        refused(artifact, UsageError, "4 channels; image files are for networks of 1")


def test_an_engine_of_tensorrt_rtx_is_none_for_triton(with_engine):
    artifact = with_engine(flavour="tensorrt_rtx", version="1.7.1.116")
    refused(
        artifact,
        EnvironmentProblem,
        r"TensorRT-RTX 1\.7\.1\.116.*full TensorRT",
        backend="tensorrt",
    )
    assert config_of(artifact).backend == "onnxruntime"


FROM_TWO = {"min": [2, 3, 32, 32], "opt": [8, 3, 32, 32], "max": [8, 3, 32, 32]}


@pytest.mark.parametrize(
    ("engine", "options", "match"),
    [
        ({"weights_stripped": True}, {"backend": "tensorrt"}, "no weights"),
        ({"profile": FROM_TWO}, {}, "batches from 2 on"),
        ({}, {"max_batch": 25}, "largest batch 24"),
        ({}, {"device": "cpu"}, "runs on GPUs"),
        ({}, {"preferred_batches": (32,)}, "above the largest batch 24"),
    ],
)
def test_what_an_engine_cannot_serve(with_engine, engine, options, match):
    refused(with_engine(**engine), UsageError, match, **options)


def test_no_engine_at_all(digits):
    refused(digits, UsageError, "have no engine", backend="tensorrt")


def test_bfloat16_needs_a_gpu_in_stock_onnx_runtime(altered):
    artifact = altered(precision="bf16")
    refused(artifact, UsageError, "no bfloat16", device="cpu", backend="onnxruntime")
    assert config_of(artifact, backend="onnxruntime").instance_group[0].kind == GROUP.KIND_GPU
    python = config_of(artifact, device="cpu", backend="python")
    assert python.instance_group[0].kind == GROUP.KIND_CPU


def test_a_fixed_batch(altered, digits):
    onnx = read_manifest(digits).as_json()["onnx"]
    onnx["inputs"][0]["shape"][0] = 4
    artifact = altered(onnx=onnx)
    refused(artifact, UsageError, "fixed to 4", backend="onnxruntime")
    assert config_of(artifact, backend="python").max_batch_size == 4


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"name": "a/b"}, "cannot name a model"),
        ({"name": ".."}, "cannot name a model"),
        ({"name": ""}, "cannot name a model"),
        ({"max_batch": 0}, "--max-batch"),
        ({"instances": 0}, "--instances"),
        ({"preferred_batches": (0,)}, "--preferred-batch"),
        ({"max_queue_delay_us": -1}, "--max-queue-delay-us"),
        ({"server_path": "models"}, "absolute"),
        ({"backend": "tensorflow"}, "no back end"),
        ({"device": "tpu"}, "no device"),
    ],
)
def test_plans_that_make_no_sense(options, match):
    with pytest.raises(UsageError, match=match):
        plan_of(Path("unused"), **options)
