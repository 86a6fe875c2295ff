"""What an operator can set, with units and limits, in one place."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from vmamba_deploy.runtimes.registry import runtime_choices

MEBIBYTE = 2**20

Runtime = Literal[*runtime_choices()]


class Settings(BaseModel):
    """Settings of the application: `name=value` of `serve run`, options of `serve.py`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    artifact: str = Field(description="Folder that `vmamba-deploy export` wrote; on every node.")
    runtime: Runtime = Field("auto", description="auto: the fastest that works on the node.")
    replicas: int = Field(1, ge=1, description="Processes that hold the model.")
    ingress_replicas: int = Field(1, ge=1, description="Processes that speak HTTP.")
    cpus_per_replica: float = Field(1.0, gt=0, description="Cores that Ray reserves; its threads.")
    gpus_per_replica: float = Field(0.0, ge=0, description="GPUs; fractions share one.")
    max_batch: int = Field(8, ge=1, description="Images of one execution; 1: no batching.")
    batch_wait_ms: float = Field(5.0, ge=0, description="Of a batch's first image, for company.")
    max_bytes: int = Field(10 * MEBIBYTE, ge=1, description="Of one encoded image.")
    max_pixels: int = Field(25_000_000, ge=1, description="Of an image, as it is and as resized.")
    max_in_flight: int = Field(64, ge=1, description="Requests in an ingress replica; then 503.")
    max_uploads: int = Field(64, ge=1, description="Images arriving at it; more end the oldest.")
    timeout_s: float = Field(10.0, gt=0, description="Of a request, from its first byte.")
    max_tries: int = Field(3, ge=1, description="Replicas that a request may lose.")
    access_log: bool = Field(False, description="A line per request.")

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
        return self.model_dump(include={"max_bytes", "max_pixels", "max_in_flight", "timeout_s"})
