"""How the evaluation of a task is told: as JSON, as a page, in one sentence, in the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from vmamba_deploy.evaluation.report_data import EvaluationReport
from vmamba_deploy.reports.model import MachineInfo


@dataclass(frozen=True)
class MadeWith:
    """The machine, and the version of each tool."""

    machine: MachineInfo
    tools: dict[str, str]


@dataclass(frozen=True)
class TextTable:
    """A table as text; columns whose name starts with `>` are aligned to the right."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class View:
    """How an evaluation is told.

    Attributes:
        schema: type of what evaluation.json says.
        template: of the page.
        context: what the template takes beside what every page has.
        headline: one sentence: what was measured.
        thresholds: what was asked for, as texts.
        tables: what the terminal shows.
        pictured: positions of the images that the page shows, of its figures.
        listed: the figures as evaluation.json has them.
    """

    schema: type
    template: str
    context: Callable[[EvaluationReport[Any]], dict[str, Any]]
    headline: Callable[[EvaluationReport[Any]], str]
    thresholds: Callable[[EvaluationReport[Any]], list[str]]
    tables: Callable[[EvaluationReport[Any]], Sequence[TextTable]]
    pictured: Callable[[Any], Iterable[int]]
    listed: Callable[[Any], Any] = lambda summary: summary
