"""How an evaluation scales over Ray workers on this machine, and what an image costs to read.

`python -m benchmarks.evaluate_scaling` exports VMamba-T with random weights, makes photographs of
ImageNet's usual size, and prints a Markdown table. One process and one and two workers take turns,
each with one core per worker; a rate counts from the moment when every worker has given its first
batch, so that starting up is not in it.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from vmamba_deploy.evaluation.distributed import Cluster, import_ray, run_on_ray
from vmamba_deploy.evaluation.running import BatchOutcome, open_evaluator
from vmamba_deploy.evaluation.samples import Batch, Sample
from vmamba_deploy.evaluation.scorer import Work
from vmamba_deploy.preprocessing import IMAGENET_PREPROCESSING, preprocess

PHOTOS = Path(__file__).parents[1] / "vmamba_deploy" / "parity" / "photos"
IMAGE_SIZE = (500, 375)
"""Width and height; ImageNet's images have 500 x 375 more often than any other size."""
JPEG_QUALITY = 90
WORKERS = (1, 2)
BATCH = 4

Run = Callable[[], Iterator[BatchOutcome]]


def make_photos(folder: Path, count: int) -> list[Path]:
    """JPEG files of IMAGE_SIZE from the repository's photographs, each cut out elsewhere."""
    from PIL import Image

    sources = [Image.open(path).convert("RGB") for path in sorted(PHOTOS.glob("*.jpg"))]
    generator, written = np.random.default_rng(0), []
    for number in range(count):
        source = sources[number % len(sources)]
        share = generator.uniform(0.6, 1.0)
        width, height = (int(side * share) for side in source.size)
        left, top = (
            int(generator.integers(0, 1 + s - c))
            for s, c in zip(source.size, (width, height), strict=True)
        )
        part = source.crop((left, top, left + width, top + height))
        written.append(folder / f"{number:04d}.jpg")
        part.resize(IMAGE_SIZE, Image.Resampling.LANCZOS).save(written[-1], quality=JPEG_QUALITY)
    return written


def export_tiny(folder: Path) -> Path:
    """VMamba-T, fp32, random weights, neither engine nor parity check."""
    from vmamba_deploy.pipeline.export import run_export
    from vmamba_deploy.pipeline.plan import ExportPlan

    plan = ExportPlan(model="t", output=folder, build_engine=False, check_parity=False)
    return run_export(plan, lambda _event: None).folder


def reading_ms(images: Sequence[Path]) -> float:
    """Median milliseconds to read, decode, resize and normalise an image, on one core."""
    times = []
    for image in images:
        start = time.perf_counter()
        preprocess(image, IMAGENET_PREPROCESSING)
        times.append((time.perf_counter() - start) * 1e3)
    return float(np.median(times))


@dataclass(frozen=True)
class Turn:
    """One run: images per second, and processor milliseconds of the workers per image."""

    rate: float
    cpu_ms: float


def take_turn(run: Run, workers: int) -> Turn:
    """Measure from the moment when every worker has given its first batch."""
    begun: dict[str, float] = {}
    images, start, end, spent = 0, 0.0, 0.0, 0.0
    for outcome in run():
        end = time.perf_counter()
        if len(begun) < workers:
            begun[outcome.worker] = 0.0
            if len(begun) == workers:
                start, begun = end, {worker: cpu_seconds(worker) for worker in begun}
            continue
        images += len(outcome.results)
        spent = sum(cpu_seconds(worker) - at_start for worker, at_start in begun.items())
    return Turn(images / (end - start), spent / images * 1e3)


def cpu_seconds(worker: str) -> float:
    """Processor time that a process of this machine has taken, all threads."""
    fields = Path("/proc", worker.rpartition("/")[2], "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def one_process(batches: Sequence[Batch], work: Work) -> Iterator[BatchOutcome]:
    """Without Ray, on one thread for the network and one for reading."""
    with open_evaluator(work) as evaluator:
        yield from evaluator.run(batches)


@click.command()
@click.option("--images", type=click.IntRange(16), default=96, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--artifact", type=click.Path(path_type=Path), help="Default: export VMamba-T.")
def main(images: int, rounds: int, artifact: Path | None) -> None:
    """Measure and print."""
    ray = import_ray()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        paths = make_photos(folder, images)
        work = Work(artifact or export_tiny(folder / "t"), "ort", loader_threads=1, threads=1)
        samples = [Sample(path, path.name, 0) for path in paths]
        batches = [
            Batch(number, start, tuple(samples[start : start + BATCH]))
            for number, start in enumerate(range(0, images, BATCH))
        ]
        ray.init(
            address="local",
            num_cpus=max(WORKERS),
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
        runs: dict[str, tuple[Run, int]] = {
            "one process, no Ray": (lambda: one_process(batches, work), 1)
        }
        for count in WORKERS:
            name = f"Ray, {count} worker{'s' if count > 1 else ''}"
            runs[name] = (lambda n=count: run_on_ray(batches, work, Cluster(workers=n)), count)
        turns: dict[str, list[Turn]] = {name: [] for name in runs}
        for _ in range(rounds):
            for name, (run, workers) in runs.items():
                turns[name].append(take_turn(run, workers))
        kilobytes = float(np.mean([path.stat().st_size for path in paths])) / 1e3
        size = f"{IMAGE_SIZE[0]}x{IMAGE_SIZE[1]} JPEG of {kilobytes:.0f} kB"
        click.echo(f"{size}: read and preprocessed in {reading_ms(paths):.1f} ms on one core\n")
    click.echo(table(turns))
    click.echo(f"\nload of the machine at the end: {os.getloadavg()[0]:.1f}")


def table(turns: dict[str, list[Turn]]) -> str:
    """Markdown: medians, and ratios to one Ray worker taken within each round."""
    lines = [
        "| how | images/s, median | over one Ray worker, per round | processor ms per image |",
        "|---|---|---|---|",
    ]
    yardstick = turns["Ray, 1 worker"]
    for name, taken in turns.items():
        ratios = ", ".join(f"{a.rate / b.rate:.2f}" for a, b in zip(taken, yardstick, strict=True))
        rate, cpu_ms = (
            np.median([getattr(one, key) for one in taken]) for key in ("rate", "cpu_ms")
        )
        lines.append(f"| {name} | {rate:.2f} | {ratios} | {cpu_ms:.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
