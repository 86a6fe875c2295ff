from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from samples.serve_ray.metrics import ServiceMetrics


def samples(metrics: ServiceMetrics) -> dict[tuple[str, str], float]:
    """Values by name and the label beside `ingress`, which every sample must carry."""
    found = {}
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            labels = dict(sample.labels)
            assert labels.pop("ingress") == "one"
            found[sample.name, "".join(labels.values())] = sample.value
    return found


def test_counts_requests_by_outcome_with_their_times():
    metrics = ServiceMetrics("one")
    metrics.finished("ok", 0.02)
    metrics.finished("ok", 0.2)
    metrics.finished("timeout", 10.5)
    found = samples(metrics)
    assert found["vmamba_requests_total", "ok"] == 2
    assert found["vmamba_requests_total", "timeout"] == 1
    assert found["vmamba_request_seconds_bucket", "0.025"] == 1
    assert found["vmamba_request_seconds_bucket", "10.0"] == 2
    assert found["vmamba_request_seconds_bucket", "+Inf"] == 3


def test_counts_batches_retries_and_what_is_in_flight():
    metrics = ServiceMetrics("one")
    for images in (1, 4, 8):
        metrics.batch_ran(images)
    metrics.retried()
    metrics.in_flight(3)
    metrics.uploading(2)
    found = samples(metrics)
    assert (found["vmamba_batch_size_sum", ""], found["vmamba_batch_size_count", ""]) == (13, 3)
    assert found["vmamba_batch_size_bucket", "4.0"] == 2
    assert found["vmamba_retries_total", ""] == 1
    assert found["vmamba_requests_in_flight", ""] == 3
    assert found["vmamba_uploads", ""] == 2
