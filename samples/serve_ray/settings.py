"""What an operator can set, with units and limits, in one place."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

MEBIBYTE = 2**20

Runtime = Literal["auto", "trt", "rtx", "ort", "ort-cuda"]


class Settings(BaseModel):
    """Settings of the application; `serve run` gives them as `name=value`.

    Attributes:
        artifact: folder that `vmamba-deploy export` wrote; the same path on every node.
        runtime: which runtime executes it; `auto` takes the fastest that works on the node.
        replicas: processes that hold the model.
        ingress_replicas: processes that speak HTTP and check requests.
        cpus_per_replica: CPU cores that Ray reserves for a replica, and its threads.
        gpus_per_replica: GPUs that Ray reserves for a replica; fractions share one.
        max_batch: images that one execution takes at most; 1 turns batching off.
        batch_wait_ms: time that the first image of a batch waits for company.
        max_bytes: of one encoded image.
        max_pixels: of one image as its header says, and as it would be resized.
        max_in_flight: requests that one ingress replica works on; beyond, it answers 503.
        timeout_s: for one request, from its first byte to the answer.
        max_tries: replicas that a request may lose under its feet before it is given up.
        access_log: write a line per request.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    artifact: str
    runtime: Runtime = "auto"
    replicas: int = Field(default=1, ge=1)
    ingress_replicas: int = Field(default=1, ge=1)
    cpus_per_replica: float = Field(default=1.0, gt=0)
    gpus_per_replica: float = Field(default=0.0, ge=0)
    max_batch: int = Field(default=8, ge=1)
    batch_wait_ms: float = Field(default=5.0, ge=0)
    max_bytes: int = Field(default=10 * MEBIBYTE, ge=1)
    max_pixels: int = Field(default=25_000_000, ge=1)
    max_in_flight: int = Field(default=64, ge=1)
    timeout_s: float = Field(default=10.0, gt=0)
    max_tries: int = Field(default=3, ge=1)
    access_log: bool = False

    @field_validator("artifact")
    @classmethod
    def _absolute(cls, folder: str) -> str:
        """Workers of Ray have another working directory."""
        return str(Path(folder).resolve())

    @property
    def threads_per_replica(self) -> int:
        """Threads that a replica computes with."""
        return max(1, int(self.cpus_per_replica))

    @property
    def object_store_bytes(self) -> int:
        """Shared memory that holds every image in flight, and Ray's minimum at least."""
        return max(100 * MEBIBYTE, 2 * self.max_in_flight * self.max_bytes)

    def limits(self) -> dict[str, Any]:
        """What a client has to keep within."""
        return {
            "max_bytes": self.max_bytes,
            "max_pixels": self.max_pixels,
            "max_in_flight": self.max_in_flight,
            "timeout_s": self.timeout_s,
        }
