"""The record of a quantization: what it says in sum, and what is no record."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from vmamba_deploy.artifacts.quantization_facts import (
    LARGEST_NARROW_SCAN,
    CalibrationFacts,
    LayerFacts,
    QuantizationFacts,
    SetFacts,
    letters_of,
)


def record(**change: Any) -> dict[str, Any]:
    return {
        "base": "fp16",
        "images": {"cat.jpg": "0" * 64},
        "samples": 4,
        "layers": [
            {"name": "fc1", "largest": 3.5, "multiply_adds": 300},
            {"name": "fc2", "largest": 9.0, "multiply_adds": 100, "kept": "costs too much"},
            {"name": "out", "largest": 0.0, "multiply_adds": 0, "nmse": 1e-4},
        ],
        **change,
    }


def read(document: dict[str, Any]) -> QuantizationFacts:
    return msgspec.convert(document, QuantizationFacts)


def test_a_layer_is_quantized_unless_it_is_kept() -> None:
    assert read(record()).quantized == {"fc1": 3.5, "out": 0.0}


def test_the_share_is_of_the_multiply_adds() -> None:
    assert read(record()).share == 0.75
    assert read(record(layers=[])).share == 0.0


@pytest.mark.parametrize(
    ("largest", "narrow"),
    [(None, False), (0.0, True), (8187.9, True), (8188.0, False), (1e9, False)],
)
def test_scans_are_narrow_below_an_eighth_of_what_float16_holds(largest, narrow: bool) -> None:
    assert LARGEST_NARROW_SCAN == 8188
    assert read(record(largest_scan=largest)).narrow_scans is narrow


def test_what_is_as_usual_is_not_said() -> None:
    facts = read(record())
    assert (facts.method, facts.curve, facts.max_nmse, facts.nmse) == ("minmax", (), None, None)
    assert json.loads(msgspec.json.encode(facts)) == record()


def test_it_is_read_as_it_was_written() -> None:
    facts = QuantizationFacts(
        base="fp32",
        images={"a": "f" * 64},
        samples=1,
        layers=(LayerFacts(name="fc", largest=1.0, multiply_adds=2, nmse=1e-3, kept="why"),),
        max_nmse=1e-3,
        nmse=5e-4,
        curve=(SetFacts(share=0.5, expected=1e-4, nmse=2e-4),),
        largest_scan=4.0,
    )
    assert msgspec.json.decode(msgspec.json.encode(facts), type=QuantizationFacts) == facts


def layer(**change: Any) -> list[dict[str, Any]]:
    return [{"name": "fc", "largest": 1.0, "multiply_adds": 1, **change}]


def a_set(**change: Any) -> list[dict[str, Any]]:
    return [{"share": 0.5, "expected": 1e-4, "nmse": 1e-4, **change}]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"base": "int8"}, r"\$\.base"),
        ({"method": "entropy"}, r"\$\.method"),
        ({"images": {"a": "0" * 63}}, r"\$\.images"),
        ({"images": {"a": "G" * 64}}, r"\$\.images"),
        ({"images": {"a": "0" * 64 + "\n"}}, r"\$\.images"),
        ({"images": {"": "0" * 64}}, r"\$\.images|key"),
        ({"samples": 0}, r"\$\.samples"),
        ({"layers": layer(name="")}, r"\$\.layers\[0\]\.name"),
        ({"layers": layer(largest=-1.0)}, r"\$\.layers\[0\]\.largest"),
        ({"layers": layer(multiply_adds=-1)}, r"\$\.layers\[0\]\.multiply_adds"),
        ({"layers": layer(nmse=-1e-9)}, r"\$\.layers\[0\]\.nmse"),
        ({"layers": layer(smoothed="")}, r"\$\.layers\[0\]\.smoothed"),
        ({"layers": layer(smoothed="amz")}, r"\$\.layers\[0\]\.smoothed"),
        ({"layers": layer(smoothed="am\n")}, r"\$\.layers\[0\]\.smoothed"),
        ({"layers": layer(kept="")}, r"\$\.layers\[0\]\.kept"),
        ({"layers": layer(scale=1.0)}, "unknown field `scale`"),
        ({"max_nmse": -1.0}, r"\$\.max_nmse"),
        ({"nmse": -1.0}, r"\$\.nmse"),
        ({"curve": a_set(share=1.1)}, r"\$\.curve\[0\]\.share"),
        ({"curve": a_set(expected=-1.0)}, r"\$\.curve\[0\]\.expected"),
        ({"largest_scan": -0.5}, r"\$\.largest_scan"),
        ({"smoothness": 1}, "unknown field `smoothness`"),
    ],
)
def test_what_is_no_record_is_refused_with_the_place(change: dict[str, Any], place: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=place):
        read(record(**change))


@pytest.mark.parametrize("missing", ["base", "images", "samples", "layers"])
def test_nothing_stands_for_what_is_not_said(missing: str) -> None:
    document = record()
    del document[missing]
    with pytest.raises(msgspec.ValidationError, match=missing):
        read(document)


def test_a_calibration_alone_says_nothing_of_layers() -> None:
    alone = {"images": {"cat.jpg": "0" * 64}, "samples": 4, "largest_scan": 3.0}
    facts = msgspec.convert(alone, CalibrationFacts)
    assert facts.narrow_scans
    assert msgspec.to_builtins(facts) == alone
    for other in ({"base": "fp16"}, {"layers": []}):
        with pytest.raises(msgspec.ValidationError, match="unknown field"):
            msgspec.convert(alone | other, CalibrationFacts)


def test_powers_of_two_are_a_letter_each() -> None:
    smoothed = LayerFacts(name="fc", largest=1.0, multiply_adds=1, smoothed="lmnay")
    assert smoothed.exponents == (-1, 0, 1, -12, 12)
    assert letters_of(smoothed.exponents) == smoothed.smoothed
    assert LayerFacts(name="fc", largest=1.0, multiply_adds=1).exponents is None
