"""The deployment that holds the model: decode, wait for company, run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from ray import serve

from samples.serve_ray.settings import Settings
from vmamba_deploy.errors import InputFileError
from vmamba_deploy.inference import Prediction, load_classifier

Logits = npt.NDArray[np.float32]

# One runs while the next is decoded and gathered. Two at once would only share the same cores.
CONCURRENT_BATCHES = 1


@dataclass(frozen=True)
class _Waiting:
    """One preprocessed image [1, ...] in the batch queue; `arrived` is by `perf_counter`."""

    pixels: npt.NDArray[Any]
    arrived: float


@dataclass(frozen=True)
class Share:
    """What one image gets out of its batch.

    Attributes:
        logits: [classes].
        batch_wait_ms: time until the image's batch began to run.
        model_ms: time of the batch in the model.
        batch_size: images in that batch.
        first_of_batch: true for one image of each batch, so that batches can be counted.
    """

    logits: Logits
    batch_wait_ms: float
    model_ms: float
    batch_size: int
    first_of_batch: bool


@dataclass(frozen=True)
class Classified:
    """The answer for one image.

    Attributes:
        predictions: the most probable first.
        preprocess_ms: time to decode, resize and normalise.
        share: of its batch.
        replica: which one answered.
    """

    predictions: Sequence[Prediction]
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
            "predictions": [asdict(one) for one in self.predictions],
            "timing": {name: round(value, 3) for name, value in milliseconds.items()},
            "batch_size": self.share.batch_size,
            "replica": self.replica,
            "tries": tries,
        }


@dataclass(frozen=True)
class Refused:
    """The image cannot be classified, on this or on any other replica."""

    message: str
    hint: str


Answer = Classified | Refused


@serve.deployment(name="Classifier")
class Classifier:
    """A replica with a model of its own.

    Args:
        settings: of the application.

    Raises:
        VmambaError: the artefact cannot be opened here; Serve reports the deployment as failed.
    """

    def __init__(self, settings: Settings) -> None:
        self._replica = serve.get_replica_context().replica_id.unique_id
        threads = settings.threads_per_replica
        self._model = load_classifier(
            settings.artifact, runtime=settings.runtime, streams=CONCURRENT_BATCHES, threads=threads
        )
        self._decoders = ThreadPoolExecutor(threads, thread_name_prefix="decode")
        self._max_batch = min(settings.max_batch, self._model.max_batch)
        self._run_batch.set_max_batch_size(self._max_batch)
        self._run_batch.set_batch_wait_timeout_s(settings.batch_wait_ms / 1000)
        crop = self._model.preprocessing.crop_pixels
        self._probe = self._model.preprocess(np.zeros(crop, np.uint8))
        # The first execution of a shape allocates, and no request should wait for that.
        self._model(np.repeat(self._probe, self._max_batch, axis=0))
        self._check_model()

    async def __call__(self, encoded: bytes, top_k: int) -> Answer:
        """Classify one image.

        Args:
            encoded: content of an image file.
            top_k: predictions wanted; fewer where the model has fewer classes.
        """
        started = time.perf_counter()
        loop = asyncio.get_running_loop()
        try:
            pixels = await loop.run_in_executor(self._decoders, self._model.preprocess, [encoded])
        except InputFileError as error:
            hint = error.hint or "send an image that other programs can open"
            return Refused(message=error.message, hint=hint)
        arrived = time.perf_counter()
        share = await self._run_batch(_Waiting(pixels, arrived))
        return Classified(
            predictions=self._model.top(share.logits[None], top_k)[0],
            preprocess_ms=(arrived - started) * 1000,
            share=share,
            replica=self._replica,
        )

    async def describe(self) -> dict[str, Any]:
        """What the model is; answering shows that this replica is there."""
        manifest = self._model.manifest
        return {
            "labels": self._model.labels,
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
        await asyncio.to_thread(self._check_model)

    @serve.batch(max_concurrent_batches=CONCURRENT_BATCHES)
    async def _run_batch(self, waiting: list[_Waiting]) -> list[Share]:
        started = time.perf_counter()
        pixels = np.concatenate([image.pixels for image in waiting])
        logits = await asyncio.to_thread(self._model, pixels)
        model_ms = (time.perf_counter() - started) * 1000
        return [
            Share(row, (started - image.arrived) * 1000, model_ms, len(waiting), position == 0)
            for position, (row, image) in enumerate(zip(logits, waiting, strict=True))
        ]

    def _check_model(self) -> None:
        logits = self._model(self._probe)
        labels = self._model.labels
        wrong_shape = labels is not None and logits.shape != (1, len(labels))
        if wrong_shape or not np.isfinite(logits).all():
            raise RuntimeError(f"the model answers a black image with {logits}")
