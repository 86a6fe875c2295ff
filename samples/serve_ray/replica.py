"""The deployment that holds the model: decode, wait for company, run."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from ray import serve

from samples.serve_ray.answers import Fields, Outputs, Wishes, answers_of
from samples.serve_ray.settings import Settings
from vmamba_deploy.errors import InputFileError
from vmamba_deploy.inference import load

# One runs while the next is decoded and gathered. Two at once would only share the same cores.
CONCURRENT_BATCHES = 1


@dataclass(frozen=True)
class _Waiting:
    """One prepared image in the batch queue; `arrived` is by `perf_counter`."""

    prepared: Any
    arrived: float


@dataclass(frozen=True)
class Share:
    """How one image fared in its batch.

    Attributes:
        batch_wait_ms: time until the image's batch began to run.
        model_ms: time of the batch in the model.
        batch_size: images in that batch.
        first_of_batch: true for one image of each batch, so that batches can be counted.
    """

    batch_wait_ms: float
    model_ms: float
    batch_size: int
    first_of_batch: bool


@dataclass(frozen=True)
class Answered:
    """The answer for one image.

    Attributes:
        fields: what the task says of it.
        preprocess_ms: time to decode, resize and normalise.
        share: of its batch.
        replica: which one answered.
    """

    fields: Fields
    preprocess_ms: float
    share: Share
    replica: str

    def as_json(self, tries: int, total_ms: float) -> dict[str, Any]:
        """The body of the HTTP answer."""
        milliseconds = {
            "total_ms": total_ms,
            "preprocess_ms": self.preprocess_ms,
            "batch_wait_ms": self.share.batch_wait_ms,
            "model_ms": self.share.model_ms,
        }
        return {
            **self.fields,
            "timing": {name: round(value, 3) for name, value in milliseconds.items()},
            "batch_size": self.share.batch_size,
            "replica": self.replica,
            "tries": tries,
        }


@dataclass(frozen=True)
class Refused:
    """The image cannot be answered, on this or on any other replica."""

    message: str
    hint: str


Answer = Answered | Refused


@serve.deployment(name="Model")
class Replica:
    """A replica with a model of its own.

    Args:
        settings: of the application.

    Raises:
        VmambaError: the artefact cannot be opened here; Serve reports the deployment as failed.
    """

    def __init__(self, settings: Settings) -> None:
        self._replica = serve.get_replica_context().replica_id.unique_id
        threads = settings.threads_per_replica
        self._model = load(
            settings.artifact, runtime=settings.runtime, streams=CONCURRENT_BATCHES, threads=threads
        )
        self._answers = answers_of(self._model.task.name)(self._model)
        self._image_threads = ThreadPoolExecutor(threads, thread_name_prefix="image")
        self._max_batch = min(settings.max_batch, self._model.max_batch)
        self._run_batch.set_max_batch_size(self._max_batch)
        self._run_batch.set_batch_wait_timeout_s(settings.batch_wait_ms / 1000)
        crop = self._model.preprocessing.crop_pixels
        self._probe = self._answers.prepare(np.zeros(crop, np.uint8))
        # The first execution of a shape allocates, and no request should wait for that.
        for places in self._answers.batches([self._probe] * self._max_batch):
            self._answers.run([self._probe] * len(places))
        self._answers.check(self._probe)

    async def __call__(self, encoded: bytes, wishes: Wishes) -> Answer:
        """Answer for one image.

        Args:
            encoded: content of an image file.
            wishes: what the answer should hold.
        """
        started = time.perf_counter()
        loop = asyncio.get_running_loop()
        try:
            prepared = await loop.run_in_executor(
                self._image_threads, self._answers.prepare, encoded
            )
        except InputFileError as error:
            hint = error.hint or "send an image that other programs can open"
            return Refused(message=error.message, hint=hint)
        arrived = time.perf_counter()
        outputs, share = await self._run_batch(_Waiting(prepared, arrived))
        fields = await loop.run_in_executor(
            self._image_threads, self._answers.fields, encoded, prepared, outputs, wishes
        )
        return Answered(
            fields=fields,
            preprocess_ms=(arrived - started) * 1000,
            share=share,
            replica=self._replica,
        )

    async def describe(self) -> dict[str, Any]:
        """What the model is; answering shows that this replica is there."""
        manifest = self._model.manifest
        return {
            "task": manifest.task,
            "labels": manifest.labels or None,
            "preset": manifest.preset,
            "precision": manifest.precision,
            "runtime": self._model.runtime,
            "image_pixels": self._model.preprocessing.crop_pixels,
            "max_batch": self._max_batch,
            "weights_sha256": manifest.weights.sha256,
            "versions": manifest.versions,
        }

    async def check_health(self) -> None:
        """Run the model; Serve replaces a replica that fails here.

        Raises:
            RuntimeError: the model's output is not what it should be.
        """
        await asyncio.to_thread(self._answers.check, self._probe)

    @serve.batch(max_concurrent_batches=CONCURRENT_BATCHES)
    async def _run_batch(self, waiting: list[_Waiting]) -> list[tuple[Outputs, Share]]:
        return await asyncio.to_thread(self._run, waiting)

    def _run(self, waiting: list[_Waiting]) -> list[tuple[Outputs, Share]]:
        done: dict[int, tuple[Outputs, Share]] = {}
        for places in self._answers.batches([image.prepared for image in waiting]):
            started = time.perf_counter()
            outputs = self._answers.run([waiting[place].prepared for place in places])
            model_ms = (time.perf_counter() - started) * 1000
            for row, place in enumerate(places):
                waited_ms = (started - waiting[place].arrived) * 1000
                share = Share(waited_ms, model_ms, len(places), row == 0)
                done[place] = outputs[row], share
        return [done[place] for place in range(len(waiting))]
