"""`vmamba-deploy evaluate`."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vmamba_deploy.cli.parameters import artifact_argument, max_pixels_option
from vmamba_deploy.cli.reporting import reporting
from vmamba_deploy.errors import ExitCode, UsageError
from vmamba_deploy.evaluation.layouts import LAYOUTS
from vmamba_deploy.runtimes.registry import runtime_choices
from vmamba_deploy.tasks import TASKS

if TYPE_CHECKING:
    from vmamba_deploy.cli.terminal import Terminal
    from vmamba_deploy.evaluation.distributed import Cluster


@click.command("evaluate")
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder with a folder of images per class, or a CSV file with the columns path,label; "
    "folder with images/ and annotations/ for segmentation; COCO's JSON file for detection.",
)
@click.option("--task", type=click.Choice(list(TASKS)), help="What the artefact must be for.")
@click.option(
    "--images",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder of the images that a COCO file names.  [default: the file's own]",
)
@click.option("--split", metavar="NAME", help="Folder below images/ and annotations/.")
@click.option(
    "--reduce-zero-label/--no-reduce-zero-label",
    default=None,
    help="Label 0 of an annotation means nothing, 1 is the first class.  [default: with the 150 "
    "classes of ADE20K]",
)
@click.option(
    "--layout",
    type=click.Choice(list(LAYOUTS)),
    help="Refuse the data, before anything runs, where they are not laid out as this set is.",
)
@click.option("--against", type=click.Choice(["pytorch"]), help="Compare with PyTorch in fp32.")
@click.option("--weights", help="Weights for PyTorch, when they have moved.")
@click.option("--runtime", type=click.Choice(runtime_choices()), default="auto", show_default=True)
@click.option(
    "--batch",
    type=int,
    help="Images per batch.  [default: 32; 1 for segmentation and detection]",
)
@click.option("--limit", type=int, help="Evaluate so many images, evenly spread over the data.")
@click.option("--top-k", type=int, default=5, show_default=True, help="The k of top-k accuracy.")
@click.option(
    "--classes",
    "classes_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The name in the data of class 0, of class 1, ..., one a line.",
)
@max_pixels_option
@click.option("--skip-unreadable", is_flag=True, help="List unreadable images; do not count them.")
@click.option("--min-top1", type=float, metavar="PERCENT", help="End with 6 below this accuracy.")
@click.option("--min-miou", type=float, metavar="PERCENT", help="End with 6 below this mean IoU.")
@click.option("--min-box-ap", type=float, metavar="PERCENT", help="End with 6 below this AP.")
@click.option("--min-mask-ap", type=float, metavar="PERCENT", help="End with 6 below this AP.")
@click.option(
    "--max-changed",
    type=click.IntRange(0),
    metavar="N",
    help="End with 6 when more images change class against PyTorch.  [default: 0.5% of them]",
)
@click.option(
    "--workers",
    "loader_threads",
    type=click.IntRange(0, 1024),
    default=0,
    help="Threads that read images.  [default: one per core; with --ray one per worker]",
)
@click.option("--threads", type=click.IntRange(0, 1024), default=0, help="0: each runtime's own.")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    help="Folder of journal and reports.  [default: evaluations/NAME-OF-ARTIFACT]",
)
@click.option(
    "--resume/--no-resume",
    default=True,
    help="Go on from the journal of an interrupted run, or replace it.  [default: resume]",
)
@click.option("--ray", "on_ray", is_flag=True, help="Run on Ray: here, or on --ray-address.")
@click.option(
    "--ray-workers",
    type=click.IntRange(1),
    metavar="N",
    help="Workers, each with the artefact open.  [default: one per core or GPU]",
)
@click.option("--ray-address", metavar="ADDRESS", help="Of a running cluster: `auto`, host:port.")
@reporting
@artifact_argument
def command(
    terminal: Terminal,
    *,
    on_ray: bool,
    ray_workers: int | None,
    ray_address: str | None,
    min_top1: float | None,
    max_changed: int | None,
    min_miou: float | None,
    min_box_ap: float | None,
    min_mask_ap: float | None,
    **options: Any,
) -> ExitCode:
    """Measure the accuracy of ARTIFACT, a folder, on images of which the truth is known.

    Writes journal.jsonl, evaluation.json, evaluation.html and predictions.csv. The same command
    goes on where an interrupted one stopped. Ends with 6 when a threshold is missed.
    """
    from vmamba_deploy.cli.evaluation_tables import show_evaluation
    from vmamba_deploy.evaluation.judging import Thresholds
    from vmamba_deploy.evaluation.scorer import Source
    from vmamba_deploy.pipeline.evaluate import REPORT_NAMES, EvaluationPlan, run_evaluation
    from vmamba_deploy.reports.evaluation_views import evaluation_document

    source = Source(**{one.name: options.pop(one.name) for one in fields(Source)})
    plan = EvaluationPlan(
        source,
        **options,
        thresholds=Thresholds(min_top1, max_changed, min_miou, min_box_ap, min_mask_ap),
        cluster=_cluster(on_ray, ray_workers, ray_address),
    )
    outcome = run_evaluation(plan, terminal.on_event)
    show_evaluation(terminal, outcome)
    terminal.result(
        {
            "evaluation": evaluation_document(outcome.report),
            "files": [outcome.folder / name for name in REPORT_NAMES],
            "exit_code": outcome.exit_code,
        }
    )
    return outcome.exit_code


def _cluster(on_ray: bool, workers: int | None, address: str | None) -> Cluster | None:
    if not on_ray:
        if workers is not None or address is not None:
            raise UsageError("--ray-workers and --ray-address need --ray")
        return None
    from vmamba_deploy.evaluation.distributed import Cluster

    return Cluster(workers=workers or 0, address=address)
