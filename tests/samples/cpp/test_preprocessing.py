"""The C++ preprocessing gives the same bytes as the Python one, and no file brings it down."""

from __future__ import annotations

import io
import random
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.preprocessing.golden import FOLDER, files_of, read_table
from tests.preprocessing.golden_images import drawn, exif
from tests.preprocessing.png_writer import SIGNATURE, chunk, header, write_png
from tests.processes import HANG_S
from vmamba_deploy.errors import InputFileError
from vmamba_deploy.preprocessing import (
    INTERPOLATIONS,
    OPENCV_BILINEAR,
    Preprocessing,
    normalise,
    read_image,
    resize_and_crop,
)

SMALL = Preprocessing(crop_pixels=(8, 8), resize_pixels=8)
Job = tuple[Path, Preprocessing]


@dataclass(frozen=True)
class Answer:
    """What the program said of one image: "ok", or code and message; and its pixels."""

    said: str
    crop: npt.NDArray[np.uint8] | None = None
    values: npt.NDArray[np.float32] | None = None


def preprocess_all(checks: Path, folder: Path, jobs: Sequence[Job]) -> list[Answer]:
    """One run of the sanitised program over all jobs; fails where it does not end well."""
    lines = [
        " ".join(
            str(field)
            for field in (
                *spec.crop_pixels, spec.resize_pixels, spec.interpolation, int(spec.stretched),
                spec.channels, *(spec.fit or (0, 0)), spec.pad, int(spec.fixed), path,
            )
        )
        for path, spec in jobs
    ]  # fmt: skip
    (folder / "list").write_text("".join(f"{line}\n" for line in lines))
    done = subprocess.run(
        [checks / "preprocess_images", folder / "list", folder / "pixels"],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=HANG_S,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    said = done.stdout.splitlines()
    assert len(said) == len(jobs)
    answers = []
    with (folder / "pixels").open("rb") as stream:
        for line, (_, spec) in zip(said, jobs, strict=True):
            word, *sides = line.split()
            if word != "ok":
                answers.append(Answer(line))
                continue
            (h, w), c = map(int, sides), spec.channels
            crop = np.frombuffer(stream.read(h * w * c), np.uint8).reshape(h, w, c)
            h, w = spec.padded(h, w)
            values = np.frombuffer(stream.read(h * w * c * 4), np.float32).reshape(c, h, w)
            answers.append(Answer(word, crop, values))
        assert stream.read() == b""
    return answers


def told(spec: Preprocessing) -> Preprocessing:
    """With the program's own mean and std: the first of ImageNet's."""
    usual, channels = Preprocessing(), spec.channels
    return replace(spec, mean=usual.mean[:channels], std=usual.std[:channels])


def assert_equal_to_python(answer: Answer, job: Job) -> None:
    path, spec = job
    expected = resize_and_crop(read_image(path, spec.channels), spec)
    assert answer.said == "ok", path
    assert answer.crop is not None
    assert answer.values is not None
    assert np.array_equal(answer.crop, expected), (path, spec)
    assert np.abs(answer.values - normalise(expected, told(spec))).max() <= 1e-5, (path, spec)


def test_the_golden_table(checks: Path, tmp_path: Path) -> None:
    rows = read_table()
    files = files_of(rows, tmp_path)
    answers = preprocess_all(checks, tmp_path, [(files[row.name], row.spec) for row in rows])
    for row, answer in zip(rows, answers, strict=True):
        assert answer.said == "ok", row
        assert answer.crop is not None
        assert answer.values is not None
        row.check(answer.crop)
        # Nothing is rounded in another order: not one bit differs.
        assert np.array_equal(answer.values, normalise(answer.crop, told(row.spec))), row


sides = st.integers(1, 90) | st.integers(91, 700)
crops = st.builds(
    lambda height, width, margin, interpolation, stretched, channels: Preprocessing(
        crop_pixels=(height, width),
        resize_pixels=max(1, min(height, width) + margin),
        interpolation=interpolation,
        stretched=stretched,
    ).for_channels(channels),
    st.integers(1, 70),
    st.integers(1, 70),
    st.integers(-3, 30),
    st.sampled_from(INTERPOLATIONS),
    st.booleans(),
    st.sampled_from([1, 3]),
)
fits = st.builds(
    lambda crop, longest, shortest, pad, fixed, channels: Preprocessing(
        crop_pixels=crop,
        interpolation=OPENCV_BILINEAR,
        fit=(max(longest, shortest), min(longest, shortest)),
        pad=pad,
        fixed=fixed,
    ).for_channels(channels),
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.integers(1, 200),
    st.integers(1, 200),
    st.sampled_from([1, 7, 32]),
    st.booleans(),
    st.sampled_from([1, 3]),
)
specs = crops | fits
encodings = st.sampled_from(["png", "grey", "palette", "cmyk", "progressive", "420", "422", "444"])


@st.composite
def images(draw: st.DrawFn) -> tuple[bytes, Preprocessing]:
    height, width, encoding = draw(sides), draw(sides), draw(encodings)
    seed, quality = draw(st.integers(0, 99)), draw(st.integers(1, 100))
    pixels = drawn(height, width, 4, seed=seed).astype(np.uint8)
    orientation = exif(draw(st.integers(1, 8)))
    stream = io.BytesIO()
    rgb = Image.fromarray(pixels[..., :3])
    if encoding == "png":
        rgb.save(stream, "PNG", exif=orientation, compress_level=1)
    elif encoding == "palette":
        # Fewer colours than the indices reach: what lies beyond is black.
        colours = pixels[0, :1, :3].tobytes() * draw(st.integers(1, 16))
        stream.write(write_png(pixels[..., :1] % 16, 3, 4, palette=colours))
    elif encoding in {"grey", "cmyk"}:
        mode = {"grey": "L", "cmyk": "CMYK"}[encoding]
        part = pixels[..., 0] if mode == "L" else pixels
        image = Image.frombytes(mode, (width, height), part.tobytes())
        image.save(stream, "JPEG", quality=quality, exif=orientation)
    else:
        subsampling = {"444": 0, "422": 1}.get(encoding, 2)
        progressive = encoding == "progressive"
        rgb.save(
            stream, "JPEG", quality=quality, subsampling=subsampling, progressive=progressive,
            exif=orientation,
        )  # fmt: skip
    return stream.getvalue(), draw(specs)


@pytest.mark.slow
@settings(max_examples=6)
@given(cases=st.lists(images(), min_size=15, max_size=40))
def test_any_size_and_crop_gives_the_same_bytes(
    checks: Path, tmp_path_factory: pytest.TempPathFactory, cases: list[tuple[bytes, Preprocessing]]
) -> None:
    folder = tmp_path_factory.mktemp("random")
    jobs = []
    for number, (content, spec) in enumerate(cases):
        (folder / f"image{number}").write_bytes(content)
        jobs.append((folder / f"image{number}", spec))
    for answer, job in zip(preprocess_all(checks, folder, jobs), jobs, strict=True):
        assert_equal_to_python(answer, job)


def _mutated(content: bytes, rng: random.Random) -> bytes:
    """Cut short, or with a few bytes changed, or a part taken out or doubled."""
    kind, place = rng.randrange(4), rng.randrange(len(content))
    if kind == 0:
        return content[:place]
    if kind == 1:
        changed = bytearray(content)
        for _ in range(rng.choice((1, 2, 8))):
            changed[rng.randrange(len(content))] = rng.randrange(256)
        return bytes(changed)
    length = rng.randrange(1, 64)
    again = content[place : place + length] * 2 if kind == 2 else b""
    return content[:place] + again + content[place + length :]


def test_damaged_files_are_told_and_bring_nothing_down(checks: Path, tmp_path: Path) -> None:
    rng = random.Random(2026)
    jobs = []
    for path in sorted(FOLDER.glob("*.[pj][np]g")):
        for number in range(12):
            damaged = tmp_path / f"{number}-{path.name}"
            damaged.write_bytes(_mutated(path.read_bytes(), rng))
            jobs.append((damaged, SMALL))
    answers = preprocess_all(checks, tmp_path, jobs)
    refused = [(a.said, path) for a, (path, _) in zip(answers, jobs, strict=True) if a.said != "ok"]
    assert len(refused) > len(jobs) // 3
    for said, path in refused:
        assert said.startswith("3 "), said
        assert str(path) in said or "too long and thin" in said, said


@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_a_truncated_file_is_told_as_one(checks: Path, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"half.{kind}"
    Image.fromarray(drawn(64, 64, 3, seed=1).astype(np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (answer,) = preprocess_all(checks, tmp_path, [(path, SMALL)])
    assert answer.said == f"3 {path} is damaged: the file is truncated"


def _bomb(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / f"{kind}.bin"
    if kind == "jpeg":
        content = bytearray((FOLDER / "grey.jpg").read_bytes())
        frame = content.index(b"\xff\xc0") + 5
        content[frame : frame + 4] = struct.pack(">HH", 65000, 65000)
    else:
        side = {"png": 60000, "png-largest": 2**31 - 1}[kind]
        content = bytearray(SIGNATURE + header(side, side, 8, 2, interlaced=False))
        content += chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("kind", ["jpeg", "png", "png-largest"])
def test_an_image_of_too_many_pixels_is_refused_in_pythons_words(
    checks: Path, tmp_path: Path, kind: str
) -> None:
    path = _bomb(tmp_path, kind)
    (answer,) = preprocess_all(checks, tmp_path, [(path, SMALL)])
    with pytest.raises(InputFileError) as caught:
        read_image(path)
    assert answer.said == f"3 {caught.value.message}"


def test_a_long_thin_image_is_refused_in_pythons_words(checks: Path, tmp_path: Path) -> None:
    path = tmp_path / "thin.png"
    Image.new("L", (10000, 2)).save(path)
    spec = Preprocessing()
    (answer,) = preprocess_all(checks, tmp_path, [(path, spec)])
    with pytest.raises(InputFileError) as caught:
        resize_and_crop(read_image(path), spec)
    assert answer.said == f"3 {caught.value.message}"


@pytest.mark.parametrize("kind", ["absent", "folder", "text", "empty"])
def test_what_is_no_image_is_refused_in_pythons_words(
    checks: Path, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / kind
    if kind == "folder":
        path.mkdir()
    elif kind != "absent":
        path.write_bytes(b"not an image" if kind == "text" else b"")
    (answer,) = preprocess_all(checks, tmp_path, [(path, SMALL)])
    with pytest.raises(InputFileError) as caught:
        read_image(path)
    assert answer.said == f"3 {caught.value.message}"
