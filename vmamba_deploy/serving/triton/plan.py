"""What a Triton package is made with, and what of it makes sense."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from vmamba_deploy.errors import UsageError

BACKENDS = ("auto", "tensorrt", "onnxruntime", "python")
DEVICES = ("auto", "cpu", "gpu")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_MOST_INSTANCES = 1024


@dataclass(frozen=True)
class TritonPlan:
    """One packaging.

    Attributes:
        artifact: the artefact folder.
        repository: Triton's model repository; made if it is missing.
        backend: one of `BACKENDS`; `auto`: TensorRT if there is an engine for it, else ONNX
            Runtime.
        name: of the model; the ensemble and its steps are `<name>_images`, `<name>_preprocess`
            and `<name>_top5`.
        device: one of `DEVICES`; `auto` lets Triton take a GPU where there is one.
        max_batch: images of one execution; None: what the engine takes, 32 elsewhere.
        instances: of the model, per GPU or on the CPU.
        preferred_batches: sizes at which the dynamic batcher does not wait any longer.
        max_queue_delay_us: how long it waits for more images, in microseconds.
        with_ensemble: also write the models that take encoded images.
        server_path: where the server will see the repository, for what must be named by an
            absolute path there.
        force: replace models of an earlier run.
    """

    artifact: Path
    repository: Path
    backend: str = "auto"
    name: str = "vmamba"
    device: str = "auto"
    max_batch: int | None = None
    instances: int = 1
    preferred_batches: tuple[int, ...] = ()
    max_queue_delay_us: int = 1000
    with_ensemble: bool = True
    server_path: str = "/models"
    force: bool = False

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            hint = f"one of {', '.join(BACKENDS)}"
            raise UsageError(f"there is no back end {self.backend!r}", hint=hint)
        if self.device not in DEVICES:
            hint = f"one of {', '.join(DEVICES)}"
            raise UsageError(f"there is no device {self.device!r}", hint=hint)
        if not _NAME.fullmatch(self.name):
            raise UsageError(
                f"{self.name!r} cannot name a model",
                hint="letters, digits, and '_', '-', '.' after the first, at most 100",
            )
        if self.max_batch is not None and self.max_batch < 1:
            raise UsageError(f"--max-batch must be at least 1, got {self.max_batch}")
        if not 1 <= self.instances <= _MOST_INSTANCES:
            raise UsageError(f"--instances must be 1 to {_MOST_INSTANCES}, got {self.instances}")
        if any(size < 1 for size in self.preferred_batches):
            raise UsageError("--preferred-batch takes sizes of at least 1")
        if self.max_queue_delay_us < 0:
            raise UsageError(f"--max-queue-delay-us cannot be {self.max_queue_delay_us}")
        if not self.server_path.startswith("/"):
            raise UsageError(
                f"--server-path must be absolute, got {self.server_path!r}",
                hint="the place that `docker run -v REPO:/models` gives it: /models",
            )

    @property
    def preprocess_name(self) -> str:
        """Model that makes `pixel_values` from encoded images."""
        return f"{self.name}_preprocess"

    @property
    def top_name(self) -> str:
        """Model that makes the five best labels from logits."""
        return f"{self.name}_top5"

    @property
    def ensemble_name(self) -> str:
        """Ensemble from encoded images to labels."""
        return f"{self.name}_images"

    @property
    def models(self) -> tuple[str, ...]:
        """Names of all models of the package, each after the ones that it needs."""
        steps = (self.preprocess_name, self.top_name, self.ensemble_name)
        return (self.name, *(steps if self.with_ensemble else ()))
