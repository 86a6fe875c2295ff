"""Files that are damaged, lie about themselves, or want something run."""

from __future__ import annotations

import builtins
import io
import os
import pickle
import random
import shutil
import struct
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
from vmamba_deploy.models.checkpoints import pickled, sections
from vmamba_deploy.models.checkpoints.pickled import read_pickled
from vmamba_deploy.models.checkpoints.reading import read_checkpoint
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


def position_of(tensor: Tensor, content: bytes) -> int:
    found = content.find(tensor.numpy().tobytes())
    assert found > 0
    return found


def test_one_flipped_bit_is_noticed(
    s2_weights: Weights, checkpoint: Path, seed_of_the_test: int
) -> None:
    rng = random.Random(seed_of_the_test)
    torch.save({"model": s2_weights}, checkpoint)
    content = checkpoint.read_bytes()
    for tensor in rng.sample([t for t in s2_weights.values() if t.numel() > 3], 5):
        damaged = bytearray(content)
        bit = rng.randrange(tensor.nbytes * 8)
        damaged[position_of(tensor, content) + bit // 8] ^= 1 << bit % 8
        checkpoint.write_bytes(damaged)
        with pytest.raises(InputFileError, match="CRC32"):
            load_model(checkpoint)
    damaged = bytearray(content)
    damaged[content.index(b"patch_embed")] ^= 4
    checkpoint.write_bytes(damaged)
    with pytest.raises(InputFileError, match="CRC32"):
        load_model(checkpoint)


def test_files_written_without_checksums(s2_weights: Weights, checkpoint: Path) -> None:
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"model": s2_weights}, checkpoint)
    finally:
        torch.serialization.set_crc32_options(True)
    state = load_model(checkpoint).state_dict()
    assert all(torch.equal(state[name], s2_weights[name]) for name in s2_weights)


def test_a_file_that_is_cut_while_it_is_read(s2_weights: Weights, checkpoint: Path) -> None:
    torch.save({"model": s2_weights}, checkpoint)
    stored = list(read_checkpoint(checkpoint).stored.values())
    os.truncate(checkpoint, 2000)
    with pytest.raises(InputFileError, match="are missing"):
        stored[-1].read()


RECORDS: dict[str, Any] = {
    "repeated": lambda records: setattr(records[-1], "filename", records[-2].filename),
    "compressed": lambda records: setattr(records[-1], "compress_type", zipfile.ZIP_DEFLATED),
    "overlapping": lambda records: setattr(records[-1], "header_offset", records[-2].header_offset),
    "longer than the file": lambda records: [
        setattr(records[-1], size, 1 << 20) for size in ("file_size", "compress_size")
    ],
    "of two sizes": lambda records: setattr(records[-1], "compress_size", 1),
    "encrypted": lambda records: setattr(records[-1], "flag_bits", 1),
    "into the list of records": lambda records: [
        setattr(records[-1], size, getattr(records[-1], size) + 1)
        for size in ("file_size", "compress_size")
    ],
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", RECORDS)
def test_archives_that_torch_does_not_write(name: str, checkpoint: Path) -> None:
    with zipfile.ZipFile(checkpoint, "w") as archive:
        archive.writestr("a/data.pkl", pickle.dumps({"x": 1}, 2))
        archive.writestr("a/data/0", bytes(100))
    assert read_pickled(checkpoint) == {"x": 1}
    with zipfile.ZipFile(checkpoint, "a") as archive:
        RECORDS[name](archive.filelist)
        archive._didModify = True
    with pytest.raises(InputFileError, match="compressed or claim"):
        read_pickled(checkpoint)


def test_a_list_of_records_in_another_order(checkpoint: Path) -> None:
    torch.save({"a": torch.arange(9.0)}, checkpoint)
    with zipfile.ZipFile(checkpoint, "a") as archive:
        archive.filelist.reverse()
        archive._didModify = True
    assert read_checkpoint(checkpoint).read()["a"].tolist() == [*range(9)]


def test_records_that_are_not_where_the_list_says(checkpoint: Path) -> None:
    with zipfile.ZipFile(checkpoint, "w") as archive:
        archive.writestr("a/data.pkl", pickle.dumps(1, 2))
        archive.filelist[0].header_offset = 3
    with pytest.raises(InputFileError, match="no record at byte 3"):
        read_pickled(checkpoint)


def test_a_list_of_records_that_is_too_long(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in (3, 1):  # Longer lists than the limit have an end of another form.
        monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", limit)
        with zipfile.ZipFile(checkpoint, "w") as archive:
            for name in range(2):
                archive.writestr(f"a/{name}/data.pkl", b"N.")
        assert (b"PK\6\6" in checkpoint.read_bytes()) == (limit == 1)
        with monkeypatch.context() as patch:
            patch.setattr(sections, "MAX_DIRECTORY_BYTES", 100)
            with pytest.raises(InputFileError, match="its list of records has"):
                read_pickled(checkpoint)


def test_the_longest_list_of_records(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"a": 1}, checkpoint)
    content = checkpoint.read_bytes()
    end = content.rindex(b"PK\5\6")
    (size,) = struct.unpack_from("<I", content, end + 12)
    monkeypatch.setattr(sections, "MAX_DIRECTORY_BYTES", size)
    assert read_pickled(checkpoint) == {"a": 1}
    monkeypatch.setattr(sections, "MAX_DIRECTORY_BYTES", size - 1)
    with pytest.raises(InputFileError, match=f"its list of records has {size} bytes"):
        read_pickled(checkpoint)


def test_pickles_that_are_too_long(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"a": "b" * 3000}, checkpoint)
    with zipfile.ZipFile(checkpoint) as archive:
        size = archive.getinfo("checkpoint/data.pkl").file_size
    monkeypatch.setattr(pickled, "MAX_PICKLE_BYTES", size)
    assert read_pickled(checkpoint) == {"a": "b" * 3000}
    monkeypatch.setattr(pickled, "MAX_PICKLE_BYTES", size - 1)
    with pytest.raises(InputFileError, match="its pickle has"):
        read_pickled(checkpoint)


def test_a_long_log_beside_the_weights(s2_weights: Weights, checkpoint: Path) -> None:
    torch.save({"model": s2_weights, "losses": [0.5] * 1_000_000}, checkpoint)
    with pytest.raises(InputFileError, match="more beside its tensors than is read") as refused:
        load_model(checkpoint)
    assert "state_dict()" in str(refused.value.hint)


def test_tensors_that_share_memory(s2_weights: Weights, checkpoint: Path) -> None:
    shared = torch.ones(1 << 18)
    tied = {"first": shared, "second": shared}
    torch.save(tied, checkpoint)
    stored = read_checkpoint(checkpoint).stored
    assert stored["first"].read().data_ptr() == stored["second"].read().data_ptr()
    torch.save(tied | {str(i): shared for i in range(3)}, checkpoint)
    with pytest.raises(InputFileError, match="claim"):
        read_checkpoint(checkpoint)


def program(*tensor: object, storage: tuple[object, ...] = ("0", "cpu", 4)) -> bytes:
    """A pickle of one tensor `x` with these arguments, and a reference to its storage in front."""

    class Reference:
        pass

    class Pickler(pickle.Pickler):
        def persistent_id(self, value: object) -> object:
            return (
                ("storage", torch.FloatStorage, *storage) if isinstance(value, Reference) else None
            )

    target = io.BytesIO()
    Pickler(target, 2).dump({"x": Payload(torch._utils._rebuild_tensor_v2, Reference(), *tensor)})
    return target.getvalue()


@pytest.mark.parametrize(
    ("tensor", "storage"),
    [
        ((0, (5,), (1,)), ("0", "cpu", 4)),
        ((1, (4,), (1,)), ("0", "cpu", 4)),
        ((4, (1,), (1,)), ("0", "cpu", 4)),
        ((-1, (4,), (1,)), ("0", "cpu", 4)),
        ((0, (2, 2), (3, 1)), ("0", "cpu", 4)),
        ((0, (4,), (-1,)), ("0", "cpu", 4)),
        ((0, (-4,), (1,)), ("0", "cpu", 4)),
        ((0, (4,), (1, 1)), ("0", "cpu", 4)),
        ((0, (1 << 70,), (0,)), ("0", "cpu", 4)),
        ((0, (1,) * 17, (1,) * 17), ("0", "cpu", 4)),
        ((0, ("4",), (1,)), ("0", "cpu", 4)),
        ((0, (4,), (1,)), ("0", "cpu", 5)),
        ((0, (3,), (1,)), ("0", "cpu", 3)),
        ((0, (4,), (1,)), ("1", "cpu", 4)),
        ((0, (4,), (1,)), ("0", "cpu", 4, ("0", 0, 4))),
        ((0, (4,), (1,)), ("0", "cpu", "4")),
        ((0, (4,), (1,)), ("../0", "cpu", 4)),
    ],
)
def test_tensors_beyond_their_storage(tensor: Any, storage: Any, checkpoint: Path) -> None:
    def write(content: bytes) -> None:
        with zipfile.ZipFile(checkpoint, "w") as archive:
            archive.writestr("a/data.pkl", content)
            archive.writestr("a/data/0", bytes(16))

    for shape, stride in (((2, 2), (2, 1)), ((1,) * 16, (1,) * 16)):
        write(program(0, shape, stride, False, {}))
        assert read_checkpoint(checkpoint).stored["x"].read().shape == shape
    write(program(*tensor, False, {}, storage=storage))
    with pytest.raises(InputFileError, match="cannot be read as a checkpoint"):
        read_checkpoint(checkpoint)


def test_big_endian_files(s2_weights: Weights, checkpoint: Path) -> None:
    for order in ("big", "no end"):
        with zipfile.ZipFile(checkpoint, "w") as archive:
            archive.writestr("a/data.pkl", pickle.dumps({"x": 1}, 2))
            archive.writestr("a/byteorder", order)
        with pytest.raises(InputFileError, match="big-endian"):
            read_pickled(checkpoint)
    torch.save(s2_weights, checkpoint, _use_new_zipfile_serialization=False)
    content = checkpoint.read_bytes()
    at = content.index(b"little_endian") + len(b"little_endian")
    at = content.index(b"\x88", at)
    checkpoint.write_bytes(content[:at] + b"\x89" + content[at + 1 :])
    with pytest.raises(InputFileError, match="big-endian"):
        read_pickled(checkpoint)


class Wrapped:
    """Keeps a network in its own way."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights


@pytest.mark.parametrize("wrap", [lambda held: held, lambda held: {"net": [held], "epoch": 1}])
def test_tensors_within_objects(
    wrap: Any, s2_weights: Weights, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, Wrapped.__module__, sys.modules[__name__])
    torch.save(wrap(Wrapped(s2_weights)), checkpoint)
    with pytest.raises(InputFileError, match=r"class '.*\.Wrapped'") as error:
        load_model(checkpoint)
    assert 'torch.save({"model": model.state_dict()}, "clean.pth")' in (error.value.hint or "")


def test_tensors_within_and_outside_of_objects(
    s2_weights: Weights, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, Wrapped.__module__, sys.modules[__name__])
    beside = Wrapped(s2_weights)
    torch.save({"student": s2_weights, "teacher": s2_weights, "log": beside}, checkpoint)
    with pytest.raises(InputFileError, match="weights under 'student', 'teacher'"):
        load_model(checkpoint)


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


def test_a_sparse_tensor_is_told_by_what_makes_it(s2_weights: Weights, checkpoint: Path) -> None:
    torch.save({"model": s2_weights | {"b": torch.ones(3).to_sparse()}}, checkpoint)
    with pytest.raises(
        InputFileError, match=r"makes it with torch\._utils\._rebuild_sparse"
    ) as error:
        load_model(checkpoint)
    assert "model.state_dict()" in (error.value.hint or "")


@pytest.mark.parametrize("names", [2, 3])
def test_tensors_that_claim_the_same_bytes(names: int, checkpoint: Path) -> None:
    """A tensor may have two names; one that has more claims more than the file has."""
    shared = torch.ones(100_000)
    torch.save({f"a{number}.weight": shared for number in range(names)}, checkpoint)
    if names == 2:
        assert len(read_checkpoint(checkpoint).stored) == names
    else:
        with pytest.raises(InputFileError, match="its tensors claim 1,200,000 together"):
            read_checkpoint(checkpoint)


def test_names_cannot_drive_the_terminal(s2_weights: Weights, checkpoint: Path) -> None:
    torch.save({"model": s2_weights | {"\x1b[2Jcleared": torch.ones(1)}}, checkpoint)
    with pytest.raises(InputFileError) as error:
        load_model(checkpoint)
    assert "\x1b" not in error.value.message
