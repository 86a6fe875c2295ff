"""What tasks whose models take pictures as they are, of any size, have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from vmamba_deploy.preprocessing import read_image
from vmamba_deploy.preprocessing.decode import ByteArray

if TYPE_CHECKING:
    from pathlib import Path

    from vmamba_deploy.evaluation.scorer import Work


class PictureJudge(ABC):
    """An opened artefact; see `Judge`.

    Attributes:
        model: as `vmamba_deploy.inference.load` gives it.
    """

    def __init__(self, model: Any, work: Work) -> None:
        self.model, self._work = model, work

    @property
    def runtime(self) -> str:
        """Name of what executes."""
        return str(self.model.runtime)

    def warm_up(self) -> None:
        """See `Judge`."""
        self.answer([np.zeros((64, 64, self.model.preprocessing.channels), np.uint8)])

    def read_picture(self, path: Path) -> ByteArray:
        """[h,w,C] uint8; raises InputFileError."""
        return read_image(path, self.model.preprocessing.channels, max_pixels=self._work.max_pixels)

    @abstractmethod
    def answer(self, images: Sequence[ByteArray]) -> Sequence[Any]:
        """What the model says of images."""


@contextmanager
def opened_model(work: Work) -> Iterator[Any]:
    """The artefact of an evaluation; closed at the end."""
    from vmamba_deploy.inference import load

    with load(
        work.artifact,
        runtime=work.runtime,
        streams=1,
        threads=work.threads,
        max_pixels=work.max_pixels,
    ) as model:
        yield model
