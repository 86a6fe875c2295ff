import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import model_config_pb2

from vmamba_deploy.serving.triton.pbtxt import Name, map_field, to_pbtxt


def parse(text):
    return text_format.Parse(text, model_config_pb2.ModelConfig())


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_any_text_survives(text):
    assert parse(to_pbtxt({"name": text})).name == text


@given(st.integers(-(2**31), 2**31 - 1), st.lists(st.integers(-1, 2**40), max_size=4))
def test_numbers_and_repeated_fields(number, dims):
    config = parse(to_pbtxt({"max_batch_size": number, "input": [{"name": "x", "dims": dims}]}))
    assert config.max_batch_size == number
    assert list(config.input[0].dims) == dims


def test_names_flags_and_maps():
    parameters = map_field({"a": {"string_value": "1"}, "b": {"string_value": "x y"}})
    warmup = {"name": "w", "inputs": map_field({"p": {"zero_data": True, "dims": [3]}})}
    config = parse(
        to_pbtxt(
            {
                "instance_group": [{"kind": Name("KIND_CPU"), "passive": False}],
                "parameters": parameters,
                "model_warmup": [warmup],
            }
        )
    )
    assert config.instance_group[0].kind == model_config_pb2.ModelInstanceGroup.KIND_CPU
    assert config.parameters["b"].string_value == "x y"
    assert config.model_warmup[0].inputs["p"].zero_data is True


def test_what_has_no_place():
    with pytest.raises(TypeError, match="no place"):
        to_pbtxt({"name": 1.5})
