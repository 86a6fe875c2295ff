"""A loaded model as an application uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from vmamba_deploy.artifacts.manifest import Manifest
from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.inference.lanes import LanePool
from vmamba_deploy.preprocessing import ImageSource, Preprocessing, preprocess

Logits = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Prediction:
    """One class of an image.

    Attributes:
        index: of the class.
        label: its name; the index as text where the artefacts have no names.
        probability: softmax of the logits, 0 to 1.
    """

    index: int
    label: str
    probability: float


@dataclass(frozen=True)
class OpenModel:
    """What `load` hands to the `Classifier`.

    Attributes:
        runtime: name of what executes.
        lanes: its sessions.
        batches: the smallest and the largest batch of one execution.
        release: called after the sessions are closed.
    """

    runtime: str
    lanes: LanePool
    batches: tuple[int, int]
    release: Callable[[], None]


class Classifier:
    """An artefact folder, opened by `vmamba_deploy.inference.load`.

    Any thread may call any method. Calls run side by side, up to the number of streams; further
    ones wait. `close` waits for the calls under way.

    Attributes:
        manifest: of the folder.
        preprocessing: how an image becomes `pixel_values`.
        labels: names of the classes; None where the artefacts have none.
        runtime: `onnxruntime`, `onnxruntime-cuda`, `tensorrt` or `tensorrt_rtx`.
        max_batch: images of one execution; larger batches are split.
    """

    def __init__(self, manifest: Manifest, opened: OpenModel) -> None:
        self.manifest = manifest
        self.preprocessing = Preprocessing.from_manifest(manifest["preprocessing"])
        labels = manifest["labels"]
        self.labels: tuple[str, ...] | None = tuple(labels) if labels else None
        self.runtime = opened.runtime
        self._min_batch, self.max_batch = opened.batches
        self._opened = opened
        self._executor = ThreadPoolExecutor(len(opened.lanes), thread_name_prefix="vmamba-stream")
        self._sample_shape, self._dtype = _expected_input(manifest)

    def classify(
        self, images: Sequence[ImageSource], *, top_k: int = 5
    ) -> list[tuple[Prediction, ...]]:
        """The most probable classes of images.

        Args:
            images: paths, encoded files as bytes, Pillow images, or uint8 arrays [H,W,3] or [H,W].
            top_k: classes per image; all of them where there are fewer.

        Returns:
            Per image its `top_k` predictions, the most probable first.

        Raises:
            InputFileError: an image that cannot be read; the message names it.
            UsageError: `top_k` below 1, or one image where a sequence is expected.
        """
        if top_k < 1:
            raise UsageError(f"top_k must be at least 1, got {top_k}")
        return self.top(self(self.preprocess(images)), top_k) if len(images) else []

    def preprocess(self, images: Sequence[ImageSource]) -> npt.NDArray[Any]:
        """Decode, resize, crop and normalise (docs/preprocessing.md).

        Returns:
            [B,3,H,W] float32, or [B,H,W,3] uint8 for a model that normalises itself.

        Raises:
            InputFileError: an image that cannot be read; the message names it.
            UsageError: one image where a sequence is expected, or none.
        """
        if isinstance(images, str | bytes) or not isinstance(images, Iterable):
            raise UsageError("one image was given", hint="give a list: classify([image])")
        pixels = [preprocess(image, self.preprocessing) for image in images]
        if not pixels:
            raise UsageError("no image was given")
        return np.stack(pixels)

    def __call__(self, pixel_values: npt.NDArray[np.generic]) -> Logits:
        """Logits of prepared images.

        Args:
            pixel_values: as `preprocess` gives them, any batch size.

        Returns:
            [B, classes] float32.

        Raises:
            UsageError: another shape or dtype than the model takes.
            VmambaError: the model is closed.
        """
        pixels = np.asarray(pixel_values)
        self._check(pixels)
        starts = range(0, len(pixels), self.max_batch)
        chunks = [pixels[start : start + self.max_batch] for start in starts]
        if len(chunks) == 1 or self._opened.lanes.closed:
            return self._run(chunks[0])
        return np.concatenate(list(self._executor.map(self._run, chunks)))

    def top(self, logits: Logits, top_k: int) -> list[tuple[Prediction, ...]]:
        """The `top_k` most probable classes of logits [B, classes]; ties go to the lower index."""
        if not np.isfinite(logits).all():
            raise InputFileError(
                "the model gave logits that are not finite",
                hint="export it in fp32 or bf16, and look at the parity report",
            )
        shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
        probabilities = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
        order = np.argsort(-logits, axis=1, kind="stable")[:, :top_k]
        return [
            tuple(Prediction(int(i), self.label(int(i)), float(row[i])) for i in best)
            for row, best in zip(probabilities, order, strict=True)
        ]

    def label(self, index: int) -> str:
        """The name of a class; its index as text where there is none."""
        if self.labels is not None and index < len(self.labels):
            return self.labels[index]
        return str(index)

    def close(self) -> None:
        """Wait for the calls under way and free the model; later calls raise."""
        self._executor.shutdown(wait=True)
        self._opened.lanes.close()
        self._opened.release()

    def __enter__(self) -> Classifier:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self, pixels: npt.NDArray[np.generic]) -> Logits:
        """One execution; a batch below the smallest is filled up with its last image."""
        missing = self._min_batch - len(pixels)
        if missing > 0:
            filled = np.concatenate([pixels, np.repeat(pixels[-1:], missing, axis=0)])
            return self._run(filled)[: len(pixels)]
        with self._opened.lanes.take() as session:
            return session(np.ascontiguousarray(pixels))

    def _check(self, pixels: npt.NDArray[np.generic]) -> None:
        fits = pixels.ndim == len(self._sample_shape) + 1 and len(pixels) > 0
        fits = fits and all(
            isinstance(wanted, str) or wanted == given
            for wanted, given in zip(self._sample_shape, pixels.shape[1:], strict=False)
        )
        if not fits or pixels.dtype != self._dtype:
            wanted = ",".join(str(side) for side in ("B", *self._sample_shape))
            raise UsageError(
                f"the model takes pixel_values [{wanted}] of {self._dtype}, got "
                f"{list(pixels.shape)} of {pixels.dtype}",
                hint="`preprocess(images)` makes them from images",
            )


def _expected_input(manifest: Manifest) -> tuple[tuple[int | str, ...], np.dtype[Any]]:
    """Shape of one image, with names for free sides, and dtype."""
    tensor = manifest["onnx"]["inputs"][0]
    return tuple(tensor["shape"][1:]), np.dtype(tensor["dtype"])
