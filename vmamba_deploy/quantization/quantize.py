"""From a calibrated network to its quantized file, and the record of what was done."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import onnx
import onnx_ir as ir

from vmamba_deploy.artifacts.atomic import atomic_write
from vmamba_deploy.artifacts.quantization_facts import (
    CalibrationFacts,
    LayerFacts,
    QuantizationFacts,
)
from vmamba_deploy.errors import BuildError, InputFileError, UsageError
from vmamba_deploy.exporting.layers import Layer, quantizable_layers
from vmamba_deploy.exporting.narrow_scans import NarrowScans, wide_scans
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.exporting.quantize import GRIDS, QuantizeLayers
from vmamba_deploy.exporting.smooth import SmoothLayers
from vmamba_deploy.precisions import PrecisionName
from vmamba_deploy.quantization.arrays import CalibrationArrays
from vmamba_deploy.quantization.calibration import Progress, Seen, observe
from vmamba_deploy.quantization.images import CalibrationImages

BESIDE_SCAN = "the scan reads its input in full as well, so that 8 bits would cost a launch"
WIDE_RESULT = "TensorRT's convolutions of integers write float32, which costs more than they save"
NO_FLOAT8 = "runtimes have no convolution in float8"


def calibrate(
    base: OnnxModel,
    images: CalibrationImages | CalibrationArrays,
    progress: Progress,
    *,
    precision: PrecisionName,
) -> QuantizationFacts:
    """Look at the input of every layer, and at what convolutions and scans write.

    All layers are to be quantized that can be. Of scans those count that read float16.

    Args:
        base: the file before.
        images: to look at it on.
        progress: told the fraction done.
        precision: that its layers are to have.

    Raises:
        BuildError: there is no layer to quantize.
        InputFileError: see `observe`.
    """
    layers = list(quantizable_layers(base.ir))
    if not layers:
        raise BuildError("the network has no layer to quantize", hint="leave it in fp16")
    sources = [layer.source.name or "" for layer in layers]
    results = [layer.result.name or "" for layer in layers if layer.convolution]
    scans = _wide_results(base)
    seen = observe(base, [*sources, *results, *scans], images, progress)
    return QuantizationFacts(
        base=base.base,
        images=dict(images.files),
        samples=len(images),
        layers=tuple(_facts(layer, seen, kept=_kept(layer, base, precision)) for layer in layers),
        largest_scan=max((seen[name].largest for name in scans), default=None),
    )


def calibrate_scans(
    base: OnnxModel, images: CalibrationImages | CalibrationArrays, progress: Progress
) -> CalibrationFacts:
    """Look at what scans write that read float16, and at nothing else.

    Args:
        base: the file.
        images: to look at it on.
        progress: told the fraction done.

    Raises:
        UsageError: there is no such scan.
        InputFileError: see `observe`.
    """
    scans = _wide_results(base)
    if not scans:
        raise UsageError(
            "the network has no scan that reads float16 and writes float32: there is nothing to "
            "calibrate",
            hint="leave --calibrate out",
        )
    seen = observe(base, scans, images, progress)
    return CalibrationFacts(
        images=dict(images.files),
        samples=len(images),
        largest_scan=max(one.largest for one in seen.values()),
    )


def _wide_results(base: OnnxModel) -> list[str]:
    return [node.outputs[0].name or "" for node in wide_scans(base.ir)]


def _kept(layer: Layer, base: OnnxModel, precision: PrecisionName) -> str | None:
    """Why a layer cannot gain; on a CPU each can."""
    if layer.convolution and precision == "fp8":
        return NO_FLOAT8
    if base.base == "fp16":
        return WIDE_RESULT if layer.convolution else BESIDE_SCAN if layer.beside_scan else None
    return None


def _facts(layer: Layer, seen: Mapping[str, Seen], *, kept: str | None) -> LayerFacts:
    inner, outer = layer.features
    source = seen[layer.source.name or ""]
    result = seen[layer.result.name or ""] if layer.convolution else None
    # A pixel of a map is in several products of a convolution, and in one of a linear layer.
    positions = source.elements / inner if result is None else result.elements / outer
    return LayerFacts(
        name=layer.name,
        largest=source.largest,
        largest_result=None if result is None else result.largest,
        multiply_adds=round(positions) * inner * outer,
        kept=kept,
    )


def write_quantized(
    base: OnnxModel, facts: QuantizationFacts, precision: PrecisionName, path: Path
) -> OnnxModel:
    """Write the quantized form of a file, with the record in its metadata.

    Args:
        base: the file before.
        facts: which layers, with what range.
        precision: `int8` or `fp8`.
        path: of the new file; weights that lie beside the base are put into it.

    Raises:
        BuildError: the file does not pass onnx.checker; nothing is left at `path`.
    """
    model = quantized(base.ir, facts, precision)
    _tell(model, {"precision": precision, "quantization": record_text(facts)})
    return _written(model, path, "quantized file")


def _tell(model: ir.Model, said: Mapping[str, str]) -> None:
    """Add to the metadata, which stays in the order of its keys."""
    metadata = {**model.metadata_props, **said}
    model.metadata_props.clear()
    model.metadata_props.update(sorted(metadata.items()))


def with_narrow_scans(base: OnnxModel) -> OnnxModel:
    """The file before, written anew with scans whose results are float16.

    Raises:
        BuildError: the file does not pass onnx.checker; the one before is left.
    """
    return _written(NarrowScans()(base.ir.clone()).model, base.path, "file with narrow scans")


def with_smooth_layers(base: OnnxModel, exponents: Mapping[str, Sequence[int]]) -> OnnxModel:
    """The file before, written anew with the channels that layers read divided by powers of two.

    Args:
        base: the file.
        exponents: one a channel, by the layer's name.

    Raises:
        InputFileError: a layer that the file does not have in that form.
        BuildError: the file does not pass onnx.checker; the one before is left.
    """
    return _written(smooth_form(base, exponents).ir, base.path, "smoothed file")


def smooth_form(base: OnnxModel, exponents: Mapping[str, Sequence[int]]) -> OnnxModel:
    """The file before with smooth layers, in memory alone.

    Raises:
        InputFileError: a layer that the file does not have in that form.
    """
    model = base.ir.clone()
    try:
        SmoothLayers(exponents)(model)
    except ValueError as error:
        raise InputFileError(
            f"the layers of {base.path} cannot be smoothed as the record says: {error}"
        ) from error
    return replace(base, ir=model)


def write_calibrated(base: OnnxModel, facts: CalibrationFacts) -> OnnxModel:
    """Write a file anew with the record of a calibration, and with narrow scans where they fit.

    Raises:
        BuildError: the file does not pass onnx.checker; the one before is left.
    """
    model = base.ir.clone()
    if facts.narrow_scans:
        NarrowScans()(model)
    _tell(model, {"calibration": record_text(facts)})
    return _written(model, base.path, "calibrated file")


def _written(model: ir.Model, path: Path, what: str) -> OnnxModel:
    """The model, saved to one file and read back from it."""
    with atomic_write(path) as temporary:
        onnx.save_model(ir.to_proto(ir.external_data.load_to_model(model)), str(temporary))
        saved = OnnxModel.read(temporary)
        try:
            saved.check(strictly=True)
        except InputFileError as error:
            raise BuildError(f"the {what} does not pass onnx.checker: {error.__cause__}") from error
    return replace(saved, path=path)


def quantized(model: ir.Model, facts: QuantizationFacts, precision: PrecisionName) -> ir.Model:
    """A copy of a graph with those layers quantized that a record names."""
    copy = model.clone()
    QuantizeLayers(GRIDS[precision], facts.quantized, facts.results)(copy)
    return copy


def record_text(facts: CalibrationFacts) -> str:
    """As the metadata has it: equal records are equal texts."""
    return json.dumps(msgspec.to_builtins(facts), sort_keys=True, separators=(",", ":"))


def kept(facts: QuantizationFacts, names: Sequence[str], why: str) -> QuantizationFacts:
    """The record with further layers left in the base's precision."""
    layers = tuple(
        msgspec.structs.replace(layer, kept=why) if layer.name in names else layer
        for layer in facts.layers
    )
    return msgspec.structs.replace(facts, layers=layers)
