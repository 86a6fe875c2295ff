"""Files that are damaged, lie about themselves, or want something run."""

from __future__ import annotations

import builtins
import os
import pickle
import random
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.models import load_model
from vmamba_deploy.models.checkpoints.pickled import read_pickled
from vmamba_deploy.models.checkpoints.stand_in import plain

Weights = dict[str, Tensor]


class Payload:
    """Pickles as a call."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> Any:
        return self.call


def payloads(marker: Path) -> dict[str, Payload]:
    return {
        "os.system": Payload(os.system, f"touch {marker}"),
        "eval": Payload(builtins.eval, f"open({str(marker)!r}, 'w')"),
        "open": Payload(builtins.open, str(marker), "w"),
        "Popen": Payload(subprocess.Popen, ["touch", str(marker)]),
        "getattr": Payload(getattr, "text", "upper"),
        "torch.load": Payload(torch.load, str(marker)),
    }


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", list(payloads(Path())))
def test_nothing_is_run(
    name: str, zipped: bool, s2_weights: Weights, checkpoint: Path, tmp_path: Path
) -> None:
    marker = tmp_path / "ran"
    content = {"model": s2_weights, "config": payloads(marker)[name]}
    torch.save(content, checkpoint, _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputFileError, match="asks for the Python object") as error:
        load_model(checkpoint)
    assert not marker.exists()
    assert error.value.hint
    assert "weights_only" not in error.value.message


def test_a_bare_pickle_is_not_run(checkpoint: Path, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    checkpoint.write_bytes(pickle.dumps(payloads(marker)["os.system"]))
    with pytest.raises(InputFileError):
        load_model(checkpoint)
    assert not marker.exists()


def test_the_training_configuration_becomes_plain_data(s2_path: Path) -> None:
    content = read_pickled(s2_path)
    assert isinstance(content, dict)
    settings = plain(content["config"])
    assert settings["MODEL"]["VSSM"]["EMBED_DIM"] == 8
    assert "yacs" not in sys.modules


@pytest.mark.parametrize("content", [b"", b"x", b"not a checkpoint\n" * 50, b"\0" * 4096, b"PK"])
def test_other_files(content: bytes, checkpoint: Path) -> None:
    checkpoint.write_bytes(content)
    with pytest.raises(InputFileError):
        load_model(checkpoint)


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="No such file"):
        load_model(tmp_path / "absent.pth")
    with pytest.raises(InputFileError, match="is a folder"):
        load_model(tmp_path)


def three_formats(weights: Weights, folder: Path) -> list[bytes]:
    zipped, legacy, safe = (folder / name for name in ("zip", "legacy", "safe"))
    torch.save({"model": weights}, zipped)
    torch.save({"model": weights}, legacy, _use_new_zipfile_serialization=False)
    save_file(weights, safe)
    return [path.read_bytes() for path in (zipped, legacy, safe)]


def test_truncated_files(
    s2_weights: Weights, checkpoint: Path, tmp_path: Path, seed_of_the_test: int
) -> None:
    rng = random.Random(seed_of_the_test)
    for content in three_formats(s2_weights, tmp_path):
        for length in [5, len(content) // 2, rng.randrange(1, len(content) - 64)]:
            checkpoint.write_bytes(content[:length])
            with pytest.raises(InputFileError):
                load_model(checkpoint)


@pytest.mark.filterwarnings("ignore")
def test_damaged_files_load_or_give_one_error(
    s2_weights: Weights, checkpoint: Path, tmp_path: Path, seed_of_the_test: int
) -> None:
    rng, refused = random.Random(seed_of_the_test), 0
    for content in three_formats(s2_weights, tmp_path):
        for _ in range(40):
            damaged = bytearray(content)
            for _ in range(rng.randint(1, 5)):
                reach = rng.randrange(min(len(damaged), 10_000))
                damaged[rng.choice([reach, -reach - 1])] = rng.randrange(256)
            checkpoint.write_bytes(damaged)
            try:
                load_model(checkpoint)
            except InputFileError:
                refused += 1
    assert refused > 40, f"seed {seed_of_the_test}"


def test_compressed_archive(s2_path: Path, checkpoint: Path) -> None:
    with zipfile.ZipFile(s2_path) as source, zipfile.ZipFile(checkpoint, "w") as target:
        for record in source.infolist():
            data = source.read(record)
            target.writestr(record.filename, data, compress_type=zipfile.ZIP_DEFLATED)
    with pytest.raises(InputFileError, match="compressed or claim"):
        load_model(checkpoint)


def test_a_zip_of_something_else(tmp_path: Path, checkpoint: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file.txt").write_text("text")
    archive = shutil.make_archive(str(tmp_path / "archive"), "zip", tmp_path / "folder")
    Path(archive).rename(checkpoint)
    with pytest.raises(InputFileError):
        load_model(checkpoint)


def test_a_view_that_claims_more_than_the_file_holds(s2_weights: Weights, checkpoint: Path) -> None:
    huge = torch.zeros(1).expand(1 << 40)
    torch.save({"model": s2_weights | {"classifier.head.bias": huge}}, checkpoint)
    with pytest.raises(InputFileError, match=r"classifier\.head\.bias"):
        load_model(checkpoint)


@pytest.mark.parametrize(
    "tensor",
    [torch.ones(10, dtype=torch.int64), torch.ones(10).to_sparse(), torch.ones(10).cfloat()],
    ids=["integers", "sparse", "complex"],
)
def test_tensors_that_are_no_weights(tensor: Tensor, s2_weights: Weights, checkpoint: Path) -> None:
    torch.save({"model": s2_weights | {"classifier.head.bias": tensor}}, checkpoint)
    with pytest.raises(InputFileError, match=r"classifier\.head\.bias"):
        load_model(checkpoint)


def test_names_cannot_drive_the_terminal(s2_weights: Weights, checkpoint: Path) -> None:
    torch.save({"model": s2_weights | {"\x1b[2Jcleared": torch.ones(1)}}, checkpoint)
    with pytest.raises(InputFileError) as error:
        load_model(checkpoint)
    assert "\x1b" not in error.value.message
