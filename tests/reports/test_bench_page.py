from __future__ import annotations

import re
from dataclasses import replace

import jsonschema
import numpy as np
import pytest

from vmamba_deploy.reports.bench import BenchReport
from vmamba_deploy.reports.bench_page import headline, render_bench
from vmamba_deploy.reports.bench_plots import bin_edges
from vmamba_deploy.reports.evaluation_views.view import MadeWith
from vmamba_deploy.reports.json_file import plain
from vmamba_deploy.reports.machine import describe_machine
from vmamba_deploy.reports.schema import schema_of
from vmamba_deploy.runtimes.profiles import NodeTime, profile_of
from vmamba_deploy.timing.latencies import Latencies, Latency


def statistics_of(milliseconds):
    latencies = Latencies()
    latencies.add(milliseconds)
    return latencies.statistics()


@pytest.fixture
def report():
    slow = statistics_of((np.random.default_rng(0).gamma(9.0, 1.0, 500) + 20).tolist())
    fast = statistics_of([*[0.5] * 99, 47.0])
    rows = [
        Latency(name, batch, 2, times, rate * batch, rate / 40)
        for batch in (1, 8)
        for name, times, rate in (("pytorch", slow, 40.0), ("openvino", fast, 1234.5))
    ]
    return BenchReport(
        network="vmamba_tiny_s1l8",
        precision="fp16",
        onnx_sha256="ab" * 32,
        command="vmamba-deploy bench artifacts/x --batch 1,8 --streams 2",
        rounds=10,
        seconds=2.5,
        warmup=2,
        threads=0,
        latencies=tuple(rows),
        skipped={"tensorrt": "no NVIDIA GPU"},
        profiles=(profile_of("openvino", 1, 3, [NodeTime("<b>fc</b>", "FullyConnected", 2.0)]),),
        unprofiled={"aotinductor": "it has no times of its nodes"},
        created="2026-11-27T12:00:00+00:00",
        made_with=MadeWith(describe_machine(), {"openvino": "2026.4.1"}),
        gpus=(),
    )


def test_the_page_has_every_figure_and_how_to_measure_it_again(report):
    page = render_bench(report)
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.split("</style>", 1)[1]))
    for text in (
        "Fastest at batch 1: openvino, 1234 images/s; batch 8: openvino, 9876 images/s",
        "2 streams side by side", "30.9x", "0.500", "47.0", "no NVIDIA GPU",
        "vmamba-deploy bench artifacts/x --batch 1,8 --streams 2", "at least 2.5 s",
        "&lt;b&gt;fc&lt;/b&gt;", "100.0%", "Profile of aotinductor", "2026.4.1",
    ):  # fmt: skip
        assert text in words, text
    assert page.count("<svg") == 4  # one a runtime and batch


def test_the_page_needs_nothing_from_elsewhere(report):
    page = render_bench(report)
    assert not re.search(r"<(script|link|iframe|object)|@import|https?://", page)
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page


def test_the_data_hold_to_their_schema_and_have_every_call(report):
    data = plain(report)
    jsonschema.validate(data, schema_of("bench"))
    for row in data["latencies"]:
        assert sum(row["times"]["histogram"]["calls"]) == row["times"]["calls"]


@pytest.mark.parametrize("times", [[3.0], [1.0, 1.0, 1.0], [0.5] * 99 + [47.0], range(1, 4000)])
def test_bars_cover_every_call(times):
    found = statistics_of(times)
    edges = bin_edges(found)
    assert edges[0] < found.min_ms
    assert edges == sorted(set(edges))
    assert 6 <= len(edges) - 1 <= 40
    assert edges[-1] > found.max_ms


def test_bars_are_of_equal_width_unless_a_few_calls_are_far_slower():
    near, far = (np.array(bin_edges(statistics_of(times))) for times in ([5, 9], [5, 90]))
    np.testing.assert_allclose(np.diff(near), np.diff(near)[0])
    np.testing.assert_allclose(far[1:] / far[:-1], far[1] / far[0])


def test_the_fastest_is_by_images_and_not_by_the_order(report):
    assert "pytorch" not in headline(report)
    swapped = replace(report, latencies=report.latencies[:1])
    assert headline(swapped) == "Fastest at batch 1: pytorch, 40.0 images/s"
