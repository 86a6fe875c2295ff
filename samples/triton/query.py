"""Ask a Triton server for the labels of images: python -m samples.triton.query IMAGE..."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException


@click.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--url", default="127.0.0.1:8000", show_default=True)
@click.option("--model", default="vmamba_images", show_default=True, help="The ensemble.")
def main(images: tuple[Path, ...], url: str, model: str) -> None:
    """Print the five best labels of each image. The server decodes and resizes."""
    with triton.InferenceServerClient(url) as client:
        for path in images:
            given = triton.InferInput("image", [1, 1], "BYTES")
            given.set_data_from_numpy(np.array([[path.read_bytes()]], dtype=np.object_))
            try:
                answer = client.infer(model, [given])
            except (InferenceServerException, OSError) as error:
                click.echo(f"{path}: {error}", err=True)
                sys.exit(1)
            for best in json.loads(answer.as_numpy("top5")[0, 0]):
                click.echo(f"{path}  {best['label']}  {best['probability']:.4f}")


if __name__ == "__main__":
    main()
