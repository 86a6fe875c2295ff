"""A loaded model as an application uses it: images to the arrays that the network gives."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from vmamba_deploy.artifacts.manifest import Manifest
from vmamba_deploy.errors import ClosedError, UsageError
from vmamba_deploy.inference.lanes import LanePool
from vmamba_deploy.preprocessing import MAX_PIXELS, ImageSource, Preprocessing, preprocess
from vmamba_deploy.tasks import Task
from vmamba_deploy.tasks.inputs import completed_inputs

if TYPE_CHECKING:
    from vmamba_deploy.runtimes.base import Outputs


Images: TypeAlias = Sequence[ImageSource] | npt.NDArray[np.generic]
"""A sequence of images; one array [H,W,C] or [H,W] is one image, and [B,H,W,C] are several."""


@dataclass(frozen=True)
class OpenModel:
    """What `load` hands to a `Model`.

    Attributes:
        runtime: name of what executes.
        lanes: its sessions.
        batches: the smallest and the largest batch of one execution.
        release: called after the sessions are closed.
        max_pixels: of an image as it lies there.
    """

    runtime: str
    lanes: LanePool
    batches: tuple[int, int]
    release: Callable[[], None]
    max_pixels: int = MAX_PIXELS


def one_by_one(images: Images) -> list[ImageSource]:
    """The images of a sequence or of an array [B,H,W,C]; an array of one image gives that one.

    Raises:
        UsageError: one file where a sequence is expected, or an array of another shape.
    """
    if isinstance(images, np.ndarray):
        if images.ndim not in (2, 3, 4):
            raise UsageError(
                f"an array of shape {list(images.shape)} is neither an image [H,W,C] or [H,W], nor "
                "a batch [B,H,W,C]"
            )
        return list(images) if images.ndim == 4 else [images]
    if isinstance(images, str | bytes) or not isinstance(images, Iterable):
        raise UsageError("one image was given", hint="give a list: classify([image])")
    return list(images)


class Model:
    """An artefact folder, opened by `vmamba_deploy.inference.load`.

    Any thread may call any method. Calls run side by side, up to the number of streams; further
    ones wait. `close` waits for the calls under way.

    Attributes:
        manifest: of the folder.
        task: what the network is for.
        runtime: `onnxruntime`, `onnxruntime-cuda`, `tensorrt` or `tensorrt_rtx`.
        max_batch: images of one execution; larger batches are split.
    """

    def __init__(self, manifest: Manifest, opened: OpenModel, task: Task) -> None:
        self.manifest, self.task = manifest, task
        if manifest.preprocessing is not None:
            self.preprocessing = manifest.prepared()  # what cannot be done is told by `load`
        self.runtime = opened.runtime
        self._min_batch, self.max_batch = opened.batches
        self._opened = opened
        self._closed, self._closing = False, threading.Lock()
        self._executor = ThreadPoolExecutor(len(opened.lanes), thread_name_prefix="vmamba-stream")
        image = manifest.onnx.inputs[0]
        self._sample_shape, self._dtype = image.shape[1:], np.dtype(image.dtype)

    def __repr__(self) -> str:
        taken = ", ".join(f"{one.name} {list(one.shape)}" for one in self.manifest.onnx.inputs)
        what = f"{self.manifest.preset} {self.manifest.precision}"
        state = "closed" if self._closed else self.runtime
        return f"<{type(self).__name__} {what}, {state}: {taken}>"

    @cached_property
    def preprocessing(self) -> Preprocessing:
        """How an image becomes `pixel_values`, or the first input of a user's network.

        Raises:
            UsageError: of a user's network, where nobody said so.
        """
        return self.manifest.prepared()

    def preprocess(self, images: Images) -> npt.NDArray[Any]:
        """Decode, resize, crop and normalise (docs/preprocessing.md).

        Returns:
            [B,C,H,W] float32, or [B,H,W,C] uint8 for a model that normalises itself.

        Raises:
            InputFileError: an image that cannot be read, or is none for this network; the message
                names it.
            UsageError: one file where a sequence is expected, no image, or images that get
                different sizes.
        """
        most = self._opened.max_pixels
        pixels = [
            preprocess(image, self.preprocessing, max_pixels=most) for image in one_by_one(images)
        ]
        if not pixels:
            raise UsageError("no image was given")
        if len({one.shape for one in pixels}) > 1:
            raise UsageError(
                "the images get different sizes and make no one batch",
                hint="prepare those of one size together",
            )
        return np.stack(pixels)

    def outputs(self, pixel_values: npt.NDArray[np.generic], **others: npt.NDArray[Any]) -> Outputs:
        """What the network gives for prepared images.

        Args:
            pixel_values: as `preprocess` gives them, any batch size.
            others: the task's other inputs, the batch first. `sizes` [B,2] int64, the height and
                width of each picture before it was padded, may be left out: the whole map is meant.

        Returns:
            Per output of the task its array, the batch first; float32, or int32 where it counts or
            names.

        Raises:
            UsageError: another shape or dtype than the model takes, an input that it has not, or
                one that is missing.
            ClosedError: the model is closed.
        """
        pixels = np.asarray(pixel_values)
        self._check(pixels)
        rows = slice(1, 3) if self.preprocessing.normalisation_in_graph else slice(2, 4)
        height, width = pixels.shape[rows]
        completed = completed_inputs(
            self.task.inputs, others, batch=len(pixels), size=(height, width)
        )
        return self._run_batch([pixels, *completed.values()])

    def _run_batch(self, arrays: Sequence[npt.NDArray[Any]]) -> Outputs:
        """Run any number of entries of a batch, in as many executions as it takes."""
        starts = range(0, len(arrays[0]), self.max_batch)
        chunks = [
            tuple(each[start : start + self.max_batch] for each in arrays) for start in starts
        ]
        if len(chunks) == 1:
            return self._run(chunks[0])
        try:
            running = self._executor.map(self._run, chunks)
        except RuntimeError as error:
            if self._closed:  # what was begun ends; the executor takes no more
                raise ClosedError("this model is closed") from error
            raise
        parts = list(running)
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def __call__(
        self, pixel_values: npt.NDArray[np.generic], **others: npt.NDArray[Any]
    ) -> Outputs:
        """As `outputs`."""
        return self.outputs(pixel_values, **others)

    def close(self) -> None:
        """Wait for the calls under way and free the model; later calls raise `ClosedError`."""
        self._closed = True
        with self._closing:
            self._executor.shutdown(wait=True)
            if not self._opened.lanes.closed:
                self._opened.lanes.close()
                self._opened.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _run(self, chunk: Sequence[npt.NDArray[Any]]) -> Outputs:
        """One execution, of images and the task's other inputs.

        A batch below the smallest is filled up with its last image.
        """
        batch = len(chunk[0])
        missing = self._min_batch - batch
        if missing > 0:
            filled = [np.concatenate([each, each[-1:].repeat(missing, axis=0)]) for each in chunk]
            return {name: array[:batch] for name, array in self._run(filled).items()}
        pixels, *others = map(np.ascontiguousarray, chunk)
        named = {each.name: other for each, other in zip(self.task.inputs, others, strict=True)}
        with self._opened.lanes.take() as session:
            return session(pixels, **named)

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
