"""The analyses as data. receptive_field.json and resolution.json have the same names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vmamba_deploy.analysis.receptive_field import Extent
from vmamba_deploy.analysis.resolution import SizeCurve
from vmamba_deploy.reports.evaluation_views.view import MadeWith

State = Literal["before training", "after training"]


@dataclass(frozen=True)
class FieldFacts:
    """The receptive field of one network.

    Attributes:
        network: its name.
        state: of its weights; before training they are random.
        weights: where they are from.
        map_size: (h, w) of the feature map whose centre was looked at.
        extents: one a share, ascending.
    """

    network: str
    state: State
    weights: str
    map_size: tuple[int, int]
    extents: tuple[Extent, ...]

    @property
    def title(self) -> str:
        """For a table and a figure."""
        return f"{self.network}, {self.state}"


@dataclass(frozen=True, kw_only=True)
class ReceptiveFieldReport:
    """What receptive_field.json tells.

    Attributes:
        image_size: (height, width) in pixels.
        images: names of the images that were averaged over.
        fields: one a network and state, in the order of the figure.
        created: UTC time, ISO 8601.
    """

    schema_version: Literal["1.0"] = "1.0"
    image_size: tuple[int, int]
    images: tuple[str, ...]
    fields: tuple[FieldFacts, ...]
    created: str
    made_with: MadeWith


@dataclass(frozen=True, kw_only=True)
class ResolutionReport:
    """What resolution.json tells.

    Attributes:
        curves: one a network.
        rounds: in which each network had its turn.
        threads: of each session; 0: as many as ONNX Runtime takes.
        multiply_adds_per_s: of a large matrix product in the same run; the floors are by it.
        images: labelled, of the accuracy; 0 where none was measured.
        created: UTC time, ISO 8601.
    """

    schema_version: Literal["1.0"] = "1.0"
    curves: tuple[SizeCurve, ...]
    rounds: int
    threads: int
    multiply_adds_per_s: float
    images: int
    created: str
    made_with: MadeWith
