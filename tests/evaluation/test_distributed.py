"""Ray for real: one start of a local cluster, with a worker that is killed under way."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tests.pipeline.evaluations import done, lasting
from vmamba_deploy.errors import InputFileError, IntegrityError, UsageError
from vmamba_deploy.evaluation import distributed
from vmamba_deploy.evaluation.distributed import Cluster, Worker, run_on_ray
from vmamba_deploy.evaluation.samples import Batch, Sample
from vmamba_deploy.evaluation.scorer import Source, Work
from vmamba_deploy.pipeline.evaluate import EvaluationPlan, run_evaluation


@pytest.fixture
def killed(monkeypatch):
    """The process of the first batch that comes back, which is killed at once."""
    victims = []
    original = distributed._outcome

    def and_kill(told):
        outcome = original(told)
        if not victims:
            victims.append(outcome.worker)
            os.kill(int(outcome.worker.split("/")[-1]), signal.SIGKILL)
        return outcome

    monkeypatch.setattr(distributed, "_outcome", and_kill)
    return victims


@pytest.mark.slow
def test_a_cluster_gives_what_one_process_gives_though_a_worker_dies(
    digits_artifact, digits_folder, tmp_path, killed, capfd
):
    here = EvaluationPlan(
        source=Source(digits_folder),
        artifact=digits_artifact("fp32", engine=False),
        output=tmp_path / "here",
        runtime="ort",
        against="pytorch",
        batch=10,
        limit=150,
        threads=1,
    )
    expected = run_evaluation(here, lambda _event: None)

    # The cluster goes on from where one process stopped.
    there = replace(here, output=tmp_path / "there", cluster=Cluster(workers=2))
    there.output.mkdir()
    lines = (here.output / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (there.output / "journal.jsonl").write_bytes(b"".join(lines[: 1 + 30]))
    events = []
    outcome = run_evaluation(there, events.append)

    assert lasting(there.output) == lasting(here.output)
    assert outcome.report.summary.agreement == expected.report.summary.agreement
    table = (there.output / "predictions.csv").read_bytes()
    assert table == (here.output / "predictions.csv").read_bytes()
    assert sorted(done(there.output)) == list(range(150))
    run = outcome.report.run
    assert (run.images, run.resumed, run.distributed) == (120, 30, True)
    assert len(killed) == 1
    assert run.workers >= 2
    assert [event.fraction for event in events if event.event == "progress"][-1] == 1.0
    printed = capfd.readouterr()
    assert "pid=" not in printed.out + printed.err


def run_row(work, path):
    return Worker()({"batch": [Batch(0, 0, (Sample(path, "x", 0),))]}, work)["outcome"][0]


def test_what_a_worker_meets_is_raised_here_as_it_was(digits_artifact, tmp_path):
    absent = run_row(Work(tmp_path / "absent"), tmp_path / "1.png")
    with pytest.raises(InputFileError, match="there is no folder") as caught:
        distributed._outcome(absent)
    assert "vmamba-deploy export" in caught.value.hint
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(IntegrityError, match="schema version"):
        distributed._outcome(run_row(Work(tmp_path), tmp_path / "1.png"))
    work = Work(digits_artifact("fp32", engine=False), runtime="ort")
    with pytest.raises(InputFileError, match=r"gone\.png"):
        distributed._outcome(run_row(work, tmp_path / "gone.png"))


@pytest.mark.parametrize("package", ["ray", "pandas"])
def test_without_ray_or_what_ray_data_needs(package):
    script = f"""
import sys
sys.modules["{package}"] = None
from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.evaluation.distributed import import_ray
try:
    import_ray()
except EnvironmentProblem as error:
    print(error.message, error.hint, sep="|")
"""
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    message, hint = result.stdout.strip().split("|")
    assert message.startswith("Ray Data cannot be imported")
    assert hint == 'pip install "ray[data]"'


@pytest.mark.parametrize(
    ("runtime", "cluster", "expected"),
    [
        ("ort", Cluster(), (4, 0)),
        ("ort", Cluster(workers=3), (3, 0)),
        ("ort", Cluster(cores=2), (2, 0)),
        ("trt", Cluster(), (1, 1)),
        ("auto", Cluster(workers=5), None),
        ("rtx", Cluster(workers=2), None),
    ],
)
def test_one_worker_per_core_or_gpu(tmp_path, runtime, cluster, expected):
    ray = SimpleNamespace(cluster_resources=lambda: {"CPU": 4.0, "GPU": 1.0})
    if expected is None:
        with pytest.raises(UsageError, match=r"the Ray cluster has [CG]PUs for \d workers"):
            distributed._resources(ray, Work(tmp_path, runtime), cluster)
    else:
        found = distributed._resources(ray, Work(tmp_path, runtime), cluster)
        assert (found.workers, found.gpus) == expected


def test_a_cluster_without_gpus_cannot_run_an_engine(tmp_path):
    ray = SimpleNamespace(cluster_resources=lambda: {"CPU": 4.0})
    with pytest.raises(UsageError, match="has GPUs for 0 workers") as caught:
        distributed._resources(ray, Work(tmp_path, "trt"), Cluster())
    assert "--runtime" in caught.value.hint


def test_nothing_to_do_starts_no_cluster(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert list(run_on_ray([], Work(tmp_path), Cluster())) == []
