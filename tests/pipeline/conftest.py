import importlib.util
from pathlib import Path

import pytest

from tests.aoti_compiler import keeping_compiler
from vmamba_deploy import native
from vmamba_deploy.pipeline.export import run_export
from vmamba_deploy.pipeline.plan import ExportPlan
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
HAS_TORCH_LIBRARY = native.available("vmamba_torch")[0]
HAS_RTX = importlib.util.find_spec("tensorrt_rtx") is not None


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """One small export with everything, run once: its outcome and its events."""
    events = []
    plan = ExportPlan(
        model=None,
        weights=str(GOLDEN / "vssm_s1.pth"),
        output=tmp_path_factory.mktemp("export") / "out",
        image_size=(32, 64),
        build_engine=HAS_RTX,
        aoti=HAS_TORCH_LIBRARY,
        aoti_device="cpu",
        engine=EnginePlan(flavour="rtx", batches=(1, 2, 4)),
    )
    with keeping_compiler():
        return run_export(plan, events.append), events
