"""What the paper looks at: receptive fields, and time, memory and accuracy over image sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from vmamba_deploy.artifacts.atomic import make_folder
from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.evaluation.classes import ModelClasses, read_class_list
from vmamba_deploy.evaluation.samples import IMAGE_SUFFIXES, DataSet, Sample, read_samples
from vmamba_deploy.extras import require_modules
from vmamba_deploy.parity.inputs import PHOTOS, pictures
from vmamba_deploy.pipeline.events import OnEvent, Steps
from vmamba_deploy.preprocessing import preprocess
from vmamba_deploy.reports.json_file import write_json
from vmamba_deploy.reports.machine import describe_machine, tool_versions, utc_now
from vmamba_deploy.tasks import CLASSIFICATION

if TYPE_CHECKING:
    from torch import Tensor

    from vmamba_deploy.analysis.our_network import OurNetwork
    from vmamba_deploy.analysis.receptive_field import Field
    from vmamba_deploy.analysis.timm_network import TimmNetwork
    from vmamba_deploy.preprocessing import Preprocessing
    from vmamba_deploy.reports.analysis import (
        FieldFacts,
        ReceptiveFieldReport,
        ResolutionReport,
        State,
    )
    from vmamba_deploy.reports.evaluation_views.view import MadeWith

SIDES = (128, 192, 256, 384, 512, 768, 1024)
_TOOLS = ("vmamba-deploy", "torch", "onnxruntime", "timm", "numpy")


@dataclass(frozen=True)
class NetworksPlan:
    """Which networks are looked at, and where the results go.

    Attributes:
        model: preset or alias of ours; None lets the checkpoint's shapes tell.
        weights: path, https URL or `random`.
        beside: networks of timm's, as `TimmNetwork.parsed` takes them.
        seed: of random weights.
        output: folder of the JSON file and the figure; None: below `analyses`.
    """

    model: str | None = "t"
    weights: str = "random"
    beside: tuple[str, ...] = ()
    seed: int = 0
    output: Path | None = None

    def folder(self, analysis: str, network: str) -> Path:
        """Made where it is not there; raises UsageError."""
        folder = self.output or Path("analyses") / f"{analysis}-{network}"
        make_folder(folder)
        return folder


@dataclass(frozen=True)
class FieldPlan:
    """How receptive fields are measured.

    Attributes:
        image_size: (height, width); None: that of the weights.
        images: a folder of image files, at any depth; None: the package's photographs.
        limit: take so many, evenly spread; None: all.
    """

    image_size: tuple[int, int] | None = None
    images: Path | None = None
    limit: int | None = None


@dataclass(frozen=True)
class SizesPlan:
    """How sizes are compared.

    Attributes:
        sides: of the square images, ascending.
        rounds: in which each network has its turn.
        threads: of each session; 0 leaves the number to ONNX Runtime.
        data: labelled images, as an evaluation takes them; None: no accuracy.
        classes_file: names of the classes in the data, one a line.
        limit: take so many images, evenly spread; None: all.
    """

    sides: tuple[int, ...] = SIDES
    rounds: int = 5
    threads: int = 0
    data: Path | None = None
    classes_file: Path | None = None
    limit: int | None = None


def analyze_receptive_field(
    networks: NetworksPlan, plan: FieldPlan, on_event: OnEvent
) -> tuple[ReceptiveFieldReport, Path]:
    """Measure receptive fields; write receptive_field.json and receptive_field.svg.

    Of ours before training, and where there are weights after it; then those beside it.

    Returns:
        The report and the folder.

    Raises:
        UsageError: a network without feature maps, or not for such images.
        InputFileError: weights or an image that cannot be read.
        EnvironmentProblem: timm is not installed, and asked for.
    """
    require_modules("torch", "matplotlib")
    from vmamba_deploy.reports.analysis import ReceptiveFieldReport
    from vmamba_deploy.reports.analysis_plots import draw_receptive_fields

    steps = Steps(on_event)
    ours, others = _networks(networks, steps)
    ours.require_maps()
    size = plan.image_size or _usual_size(ours)
    images = _image_files(plan)
    states: list[tuple[OurNetwork | TimmNetwork, State]] = []
    states.append((ours.before_training(networks.seed), "before training"))
    if not ours.random:
        states.append((ours, "after training"))
    states += [(one, "before training") for one in others]
    fields: dict[FieldFacts, Field] = {}
    with steps.step("analyze", f"receptive fields at {size[0]} x {size[1]}") as told:
        for number, (network, state) in enumerate(states):
            done = number / len(states)
            steps.progress(f"{network.name}, {state}", done)
            facts, field = _field(network, state, size, _tensors(network, size, images))
            fields[facts] = field
        told.append(f"{len(fields)} receptive fields, {len(images or PHOTOS)} images each")
    folder = networks.folder("receptive-field", ours.name)
    with steps.step("report", "drawing") as told:
        report = ReceptiveFieldReport(
            image_size=size,
            images=tuple(file.name for file in images) or PHOTOS,
            fields=tuple(fields),
            created=utc_now(),
            made_with=_made_with(),
        )
        write_json(report, folder / "receptive_field.json")
        draw_receptive_fields(fields, folder / "receptive_field.svg")
        told.append(str(folder))
    return report, folder


def analyze_resolution(
    networks: NetworksPlan, plan: SizesPlan, on_event: OnEvent
) -> tuple[ResolutionReport, Path]:
    """Measure time, memory, multiply-adds and accuracy over sizes of image, in fp32.

    Writes resolution.json and resolution.svg.

    Returns:
        The report and the folder.

    Raises:
        UsageError: no classifier, sizes that a network does not take, or data without weights.
        InputFileError: weights or data that cannot be read.
        EnvironmentProblem: timm or ONNX Runtime is not installed, or no compiler for our library.
        BuildError: a network cannot be exported.
        ResourceError: there is not enough memory.
    """
    require_modules("torch", "onnx", "onnxruntime", "matplotlib")
    import torch

    from vmamba_deploy.analysis.resolution import Measurement, measure_sizes
    from vmamba_deploy.native import library_path
    from vmamba_deploy.reports.analysis import ResolutionReport
    from vmamba_deploy.reports.analysis_plots import draw_resolutions

    if plan.threads:
        torch.set_num_threads(plan.threads)
    steps = Steps(on_event)
    ours, others = _networks(networks, steps)
    data = _labelled(ours, plan)
    with steps.step("library", "building the custom-op library"):
        library = library_path("vmamba_ort")
    measurement = Measurement(plan.sides, plan.rounds, plan.threads, library, data)
    with (
        steps.step("analyze", f"{len(plan.sides)} sizes") as told,
        TemporaryDirectory() as scratch,
    ):
        curves, rate = measure_sizes([ours, *others], measurement, Path(scratch), steps.progress)
        told.append(f"{len(curves)} networks, {len(plan.sides)} sizes")
    folder = networks.folder("resolution", ours.name)
    with steps.step("report", "drawing") as told:
        report = ResolutionReport(
            curves=curves,
            rounds=plan.rounds,
            threads=plan.threads,
            multiply_adds_per_s=rate,
            images=len(data.samples) if data is not None else 0,
            created=utc_now(),
            made_with=_made_with(),
        )
        write_json(report, folder / "resolution.json")
        draw_resolutions(report, folder / "resolution.svg")
        told.append(str(folder))
    return report, folder


def _networks(plan: NetworksPlan, steps: Steps) -> tuple[OurNetwork, list[TimmNetwork]]:
    from vmamba_deploy.analysis.our_network import OurNetwork
    from vmamba_deploy.analysis.timm_network import TimmNetwork
    from vmamba_deploy.models.loading import load_weights

    others = [TimmNetwork.parsed(text) for text in plan.beside]
    if len({one.name for one in others}) < len(others):
        raise UsageError("a network is named twice with --beside")
    with steps.step("weights", f"loading {plan.weights}") as told:
        loaded = load_weights(plan.weights, preset=plan.model, seed=plan.seed)
        told.append(loaded.source)
    name = loaded.model.preset_name or Path(plan.weights.partition("#")[0]).stem
    return OurNetwork(name, loaded), others


def _usual_size(ours: OurNetwork) -> tuple[int, int]:
    from vmamba_deploy.preprocessing import IMAGENET_PREPROCESSING

    return (
        ours.loaded.model.image_size
        or (ours.loaded.preprocessing or IMAGENET_PREPROCESSING).crop_pixels
    )


def _field(
    network: OurNetwork | TimmNetwork, state: State, size: tuple[int, int], images: Iterator[Tensor]
) -> tuple[FieldFacts, Field]:
    from vmamba_deploy.analysis.receptive_field import extents, receptive_field
    from vmamba_deploy.reports.analysis import FieldFacts

    module = network.build(size).requires_grad_(False)
    sizes: list[tuple[int, int]] = []

    def last_map(pixels: Tensor) -> Tensor:
        features = network.last_map(module, pixels)
        sizes.append((features.shape[2], features.shape[3]))
        return features

    field = receptive_field(last_map, images)
    found = extents(field, sizes[0])
    return FieldFacts(network.name, state, network.weights, sizes[0], found), field


def _image_files(plan: FieldPlan) -> tuple[Path, ...]:
    """The images of a folder; empty for the package's photographs."""
    if plan.limit is not None and plan.limit < 1:
        raise UsageError(f"--limit must be at least 1, got {plan.limit}")
    if plan.images is None:
        return ()
    found = sorted(path for path in plan.images.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        raise InputFileError(f"there is no image in {plan.images}")
    count = min(plan.limit or len(found), len(found))
    return tuple(found[number * len(found) // count] for number in range(count))


def _tensors(
    network: OurNetwork | TimmNetwork, size: tuple[int, int], files: Sequence[Path]
) -> Iterator[Tensor]:
    """pixel_values [1, C, H, W] of each image."""
    import torch

    preprocessing: Preprocessing = network.preprocessing(size)
    if files:
        arrays = (preprocess(file, preprocessing)[None] for file in files)
    else:
        photos = pictures(PHOTOS, preprocessing, np.random.default_rng(0))
        arrays = (photo[None] for photo in photos)
    return (torch.from_numpy(np.ascontiguousarray(one)) for one in arrays)


def _labelled(ours: OurNetwork, plan: SizesPlan) -> DataSet[Sample] | None:
    """The labelled images.

    Raises:
        UsageError: ours is no classifier, or has random weights and so no accuracy.
    """
    model = ours.loaded.model
    if CLASSIFICATION.name not in model.tasks:
        raise UsageError(f"{ours.name} is no classifier: it is for {' and '.join(model.tasks)}")
    if plan.data is None:
        return None
    if ours.random:
        raise UsageError("random weights have no accuracy", hint="name a checkpoint with --weights")
    count = model.config.num_classes
    listed = read_class_list(plan.classes_file, count) if plan.classes_file is not None else None
    return read_samples(plan.data, ModelClasses(count, model.class_labels, listed)).limited(
        plan.limit
    )


def _made_with() -> MadeWith:
    from vmamba_deploy.reports.evaluation_views.view import MadeWith

    return MadeWith(describe_machine(), tool_versions(_TOOLS))
