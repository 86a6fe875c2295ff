"""Write the images of this folder and golden.json, the table that both preprocessings are held to.

    python tests/data/preprocessing/make_golden.py

The small images are committed, so that the table does not depend on an encoder; the large ones are
drawn by formula whenever they are needed. The table was made with Pillow's own resizing, and with
OpenCV's (opencv-python-headless 4.10.0, with 5.0.0 the same) where an image has to fit.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.preprocessing.golden_images import COMMITTED, LARGE, write_image
from vmamba_deploy.preprocessing import Preprocessing, read_image, resize_and_crop

HERE = Path(__file__).resolve().parent


def describe(name: str, how: str, path: Path, spec: Preprocessing) -> dict[str, Any]:
    """One row of the table."""
    image = read_image(path, spec.channels)
    crop = resize_and_crop(image, spec) if spec.fit is None else fitted_by_opencv(image, spec)
    crop_height, crop_width = crop.shape[:2]
    special = {
        name: value
        for name, value, usual in (
            ("interpolation", spec.interpolation, "bicubic"),
            ("stretched", spec.stretched, False),
            ("channels", spec.channels, 3),
            ("fit", spec.fit, None),
            ("pad", spec.pad, 1),
            ("fixed", spec.fixed, False),
        )
        if value != usual
    }
    places = [(0, 0), (crop_height // 2, crop_width // 2), (crop_height - 1, crop_width // 3)]
    return {
        "name": name,
        "how": how,
        "committed": name in COMMITTED,
        "upright_height_width": list(image.shape[:2]),
        "crop": list(spec.crop_pixels),
        "resize": spec.resize_pixels,
        **special,
        "sha256": hashlib.sha256(crop.tobytes()).hexdigest(),
        "pixels": [[y, x, *crop[y, x].tolist()] for y, x in places],
    }


def fitted_by_opencv(image: Any, spec: Preprocessing) -> Any:
    """uint8 [height,width,C], bilinear."""
    import cv2

    height, width = spec.resized(*image.shape[:2])
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return resized.reshape(height, width, image.shape[2])


def main() -> None:
    """Write everything anew."""
    rows = []
    for name, image in COMMITTED.items():
        write_image(HERE / name, image)
        for spec in image.specs:
            rows.append(describe(name, image.how, HERE / name, spec))
    with tempfile.TemporaryDirectory() as folder:
        for name, image in LARGE.items():
            write_image(Path(folder) / name, image)
            for spec in image.specs:
                rows.append(describe(name, image.how, Path(folder) / name, spec))
    text = ",\n".join(json.dumps(row) for row in rows)
    (HERE / "golden.json").write_text(f"[\n{text}\n]\n")


if __name__ == "__main__":
    main()
