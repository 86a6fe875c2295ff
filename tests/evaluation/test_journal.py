import json
import re
import resource
from dataclasses import replace

import pytest

from vmamba_deploy.errors import InputFileError, ResourceError, UsageError
from vmamba_deploy.evaluation.journal import Identity, open_journal
from vmamba_deploy.evaluation.results import ImageResult, ReferenceResult

IDENTITY = Identity("a" * 64, "b" * 64, images=7, batch=3, top_k=2, against="PyTorch fp32")


def result(index, **changes):
    reference = ReferenceResult(1, 0.1 + index, 1e-13, 26.1, 2e-7, 0.9999999999999953, 1.25)
    known = {"top": (1, 0), "margin": 0.1 / 3, "probability": 0.7 + 0.1 / 3}
    return ImageResult(index, 4.5, 0.25, reference=reference, **known, **changes)


def batch(start):
    return [result(index) for index in range(start, min(start + 3, 7))]


def write(path, *starts, identity=IDENTITY):
    with open_journal(path, identity, ImageResult, resume=True) as journal:
        for start in starts:
            journal.append("onnxruntime", batch(start))


def reopened(path, identity=IDENTITY, resume=True):
    with open_journal(path, identity, ImageResult, resume=resume) as journal:
        return journal


def test_what_is_appended_in_any_order_is_read_back_to_the_last_bit(tmp_path):
    path = tmp_path / "journal.jsonl"
    write(path, 6, 0)
    journal = reopened(path)
    assert journal.results == {one.index: one for one in (*batch(0), *batch(6))}
    assert [journal.is_done(start) for start in (0, 3, 6)] == [True, False, True]
    assert journal.runtime == "onnxruntime"


def test_nothing_is_written_before_the_first_batch(tmp_path):
    journal = reopened(tmp_path / "journal.jsonl")
    assert (journal.results, journal.runtime) == ({}, None)
    assert list(tmp_path.iterdir()) == []


def test_a_batch_that_comes_twice_counts_once(tmp_path):
    path = tmp_path / "journal.jsonl"
    write(path, 0, 0, 3)
    write(path, 3, 6)
    indices = [json.loads(line)["index"] for line in path.read_text().splitlines()[1:]]
    assert indices == list(range(7))


@pytest.mark.parametrize("cut", range(1, 700, 23))
def test_a_run_goes_on_after_any_cut(tmp_path, cut):
    path = tmp_path / "journal.jsonl"
    write(path, 0, 3, 6)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    done = reopened(path).results
    assert len(done) in (0, 3, 6)
    write(path, *(start for start in (0, 3, 6) if start not in done))
    assert path.read_bytes() == whole


def test_zeros_that_a_power_cut_left_are_taken_off(tmp_path):
    path = tmp_path / "journal.jsonl"
    write(path, 0)
    whole = path.read_bytes()
    path.write_bytes(whole + bytes(4096))
    assert len(reopened(path).results) == 3
    assert path.read_bytes() == whole


def test_a_header_that_was_cut_short_is_no_journal_yet(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_text('{"journal":1,"mani')
    write(path, 0)
    assert len(reopened(path).results) == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"manifest_sha256": "c" * 64}, "another artefact"),
        ({"data_sha256": "c" * 64}, "other images or labels"),
        ({"images": 8}, "another number of images"),
        ({"batch": 4}, "another --batch"),
        ({"top_k": 1}, "another --top-k"),
        ({"against": None}, "another reference"),
        ({"skip_unreadable": True}, "another --skip-unreadable"),
        ({"runtime": "tensorrt"}, "another runtime"),
    ],
)
def test_the_journal_of_something_else_is_refused_and_left_alone(tmp_path, changes, words):
    path = tmp_path / "journal.jsonl"
    write(path, 0)
    before = path.read_bytes()
    with pytest.raises(UsageError, match=words) as caught:
        reopened(path, replace(IDENTITY, **changes))
    assert "--no-resume" in caught.value.hint
    assert path.read_bytes() == before


def test_results_of_two_runtimes_do_not_mix(tmp_path):
    path = tmp_path / "journal.jsonl"
    write(path, 0)
    with (
        open_journal(path, IDENTITY, ImageResult, resume=True) as journal,
        pytest.raises(UsageError, match="results of onnxruntime, this run uses tensorrt"),
    ):
        journal.append("tensorrt", batch(3))
    assert len(reopened(path).results) == 3


def test_starting_anew_replaces_the_journal_with_its_first_batch(tmp_path):
    path = tmp_path / "journal.jsonl"
    write(path, 0, 3)
    other = replace(IDENTITY, manifest_sha256="c" * 64)
    assert reopened(path, other, resume=False).results == {}
    assert len(reopened(path).results) == 6
    with open_journal(path, other, ImageResult, resume=False) as journal:
        journal.append("onnxruntime", batch(3))
    assert sorted(reopened(path, other).results) == [3, 4, 5]


def damage(lines, what):
    if what == "garbage":
        lines[2] = b"garbage\n"
    elif what == "hole":
        del lines[2]
    elif what == "twice":
        lines += lines[1:4]
    elif what == "shifted":
        del lines[1]
    return b"".join(lines)


@pytest.mark.parametrize("what", ["garbage", "hole", "twice", "shifted"])
def test_a_damaged_journal_is_refused(tmp_path, what):
    path = tmp_path / "journal.jsonl"
    write(path, 0, 3)
    path.write_bytes(damage(path.read_bytes().splitlines(keepends=True), what))
    with pytest.raises(InputFileError, match=r"damaged in line \d") as caught:
        reopened(path)
    assert "--no-resume" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]\n", "not a journal"),
        ("text\n", "not a journal"),
        ('{"journal": 2, "colour": "red"}\n', "not a journal"),
        ('{"journal": 3}\n', "journal of version 3, written by another release"),
    ],
)
def test_another_file_is_no_journal(tmp_path, text, words):
    path = tmp_path / "journal.jsonl"
    path.write_text(text)
    with pytest.raises(InputFileError, match=words):
        reopened(path)


def test_a_journal_without_probabilities_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "journal.jsonl"
    write(path, 0)
    older = re.sub(r',"probability":[^,]*', "", path.read_text()).replace(":2,", ":1,", 1)
    path.write_text(older)
    with pytest.raises(InputFileError, match=r"version 1, .* goes on from version 2") as caught:
        reopened(path)
    assert "--no-resume" in caught.value.hint
    assert path.read_text() == older


def test_what_is_not_finite_or_absent_survives(tmp_path):
    path = tmp_path / "journal.jsonl"
    nan = float("nan")
    odd = [
        ImageResult(0, error="0.png is damaged"),
        ImageResult(1, reference=ReferenceResult(1, 2.0, nan, 4.0, nan, nan, 1.0)),
        ImageResult(2, top=(4, 2), margin=1.0, probability=0.5),
    ]
    with open_journal(path, IDENTITY, ImageResult, resume=True) as journal:
        journal.append("onnxruntime", odd)
    found = [reopened(path).results[index] for index in range(3)]
    # NaN differs from itself; its text does not.
    assert list(map(repr, found)) == list(map(repr, odd))
    assert "NaN" not in path.read_text()


@pytest.fixture
def largest_file():
    """Sets the size beyond which this process cannot write a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [0, 100])
def test_a_full_disk_ends_the_run_and_loses_no_whole_batch(tmp_path, largest_file, room):
    path = tmp_path / "journal.jsonl"
    write(path, 0)
    whole = path.read_bytes()
    with open_journal(path, IDENTITY, ImageResult, resume=True) as journal:
        largest_file(len(whole) + room)
        with pytest.raises(ResourceError, match="cannot write"):
            journal.append("onnxruntime", batch(3))
    largest_file(resource.RLIM_INFINITY)
    assert sorted(reopened(path).results) == [0, 1, 2]
    assert path.read_bytes() == whole


def test_a_result_is_read_by_its_names_in_whatever_order_a_release_wrote_them():
    earlier = (
        '{"index":3,"top":[1,0],"margin":0.5,"probability":0.75,"preprocess_ms":4.5,"inference_ms":0.25,"reference":'
        '{"first":1,"margin":0.25,"squared_error":1e-13,"squared_reference":26.1,"max_abs":2e-07,'
        '"cosine":1.0,"milliseconds":1.25}}'
    )
    reference = ReferenceResult(1, 0.25, 1e-13, 26.1, 2e-7, 1.0, 1.25)
    expected = ImageResult(3, 4.5, 0.25, None, (1, 0), 0.5, 0.75, reference)
    assert ImageResult.from_json(json.loads(earlier)) == expected
