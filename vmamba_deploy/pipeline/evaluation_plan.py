"""What an evaluation was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vmamba_deploy.errors import UsageError
from vmamba_deploy.evaluation.judging import Bars
from vmamba_deploy.extras import require_modules

if TYPE_CHECKING:
    from vmamba_deploy.evaluation.distributed import Cluster


@dataclass(frozen=True)
class EvaluationPlan:
    """What the user asked for.

    Attributes:
        data: folder or CSV file.
        artifact: the artefact folder.
        output: folder of the journal and the reports; None: `evaluations/<artefact's name>`.
        against: `pytorch` to run every image through PyTorch in fp32 too.
        weights: where the weights are, when not where the artefact says.
        runtime: `auto`, `trt`, `rtx`, `ort` or `ort-cuda`.
        batch: images per batch.
        limit: evaluate so many images, evenly spread; None: all.
        loader_threads: that read images, per process; 0: one per core here, one per Ray worker.
        threads: of the runtime and of PyTorch; 0 leaves the number to them.
        top_k: the k of top-k accuracy.
        classes_file: which name in the data is which class.
        skip_unreadable: leave out images that cannot be read.
        resume: go on from the journal of an earlier run.
        bars: what to reach.
        cluster: run on Ray; None: in this process.
    """

    data: Path
    artifact: Path
    output: Path | None = None
    against: Literal["pytorch"] | None = None
    weights: str | None = None
    runtime: str = "auto"
    batch: int = 32
    limit: int | None = None
    loader_threads: int = 0
    threads: int = 0
    top_k: int = 5
    classes_file: Path | None = None
    skip_unreadable: bool = False
    resume: bool = True
    bars: Bars = field(default_factory=Bars)
    cluster: Cluster | None = None

    def folder(self) -> Path:
        """Where the journal and the reports go."""
        return self.output or Path("evaluations") / self.artifact.resolve().name


def check_plan(plan: EvaluationPlan) -> None:
    """Refuse numbers that make no sense, and work whose page could not be written.

    Raises:
        UsageError: names the option.
        EnvironmentProblem: what makes the page, or what is asked for, is not installed.
    """
    require_modules("jinja2", "matplotlib")
    if plan.against is not None:
        require_modules("torch", "onnx")
    least = {
        "batch": plan.batch,
        "top-k": plan.top_k,
        "limit": 1 if plan.limit is None else plan.limit,
    }
    for name, value in least.items():
        if value < 1:
            raise UsageError(f"--{name} must be at least 1, got {value}")
    if plan.bars.max_changed is not None and plan.against is None:
        raise UsageError("--max-changed needs --against pytorch to compare with")
