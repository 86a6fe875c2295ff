"""What the service counts, in the text format of Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_IMAGES = (1, 2, 4, 8, 16, 32, 64)


class ServiceMetrics:
    """Counts of one ingress replica.

    Each series has the label `ingress`, so that a scrape of one ingress replica after another
    never makes a counter fall.
    """

    def __init__(self, ingress: str) -> None:
        self._registry = CollectorRegistry()
        self._ingress = ingress
        label = ("ingress",)
        self._requests = Counter(
            "vmamba_requests", "Requests answered, by outcome", (*label, "outcome"),
            registry=self._registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "vmamba_request_seconds", "From the first byte to the answer", label,
            buckets=_SECONDS, registry=self._registry,
        ).labels(ingress)  # fmt: skip
        self._batches = Histogram(
            "vmamba_batch_size", "Images per execution of the model", label,
            buckets=_IMAGES, registry=self._registry,
        ).labels(ingress)  # fmt: skip
        self._retries = Counter(
            "vmamba_retries", "Requests sent again because a replica died", label,
            registry=self._registry,
        ).labels(ingress)  # fmt: skip
        self._in_flight = Gauge(
            "vmamba_requests_in_flight", "Requests being worked on", label,
            registry=self._registry,
        ).labels(ingress)  # fmt: skip
        self._uploads = Gauge(
            "vmamba_uploads", "Images that are arriving", label, registry=self._registry,
        ).labels(ingress)  # fmt: skip

    def finished(self, outcome: str, seconds: float) -> None:
        """Count one request; `outcome` is `ok`, `client_closed` or an error's code."""
        self._requests.labels(self._ingress, outcome).inc()
        self._seconds.observe(seconds)

    def batch_ran(self, images: int) -> None:
        """Count one execution of the model."""
        self._batches.observe(images)

    def retried(self) -> None:
        """Count one try that found its replica dead."""
        self._retries.inc()

    def in_flight(self, requests: int) -> None:
        """Note how many requests are being worked on."""
        self._in_flight.set(requests)

    def uploading(self, images: int) -> None:
        """Note how many images are arriving."""
        self._uploads.set(images)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)
