"""Files that are often given in a checkpoint's place, told from their content and named."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vmamba_deploy.errors import InputFileError, printable
from vmamba_deploy.files import shown

START_BYTES = 4096
"""That are enough of a file to tell what it is."""
_SHOWN_CHARACTERS = 60

_FETCH = "Get the file itself: its address opened a page in its place. Look at it with a browser."
_UNPACK = "Unpack it, and give the path of the checkpoint that was in it."
_TRAINED_WITH = "Give the checkpoint that the training wrote, a .pth or .safetensors file."
_JOIN = (
    "Give its only file, or join several: save_file({name: tensor for file in files "
    'for name, tensor in load_file(file).items()}, "joined.safetensors") of safetensors.torch'
)
_ONNX = "`vmamba-deploy info` describes ONNX files; an export starts from a checkpoint."


@dataclass(frozen=True)
class _Kind:
    pattern: bytes
    name: str
    hint: str = _TRAINED_WITH

    def is_kind_of(self, start: bytes) -> bool:
        return re.match(self.pattern, start, re.DOTALL | re.IGNORECASE) is not None


_KINDS = (
    _Kind(
        rb"version https://git-lfs",
        "a Git LFS pointer, which stands for the file",
        "Fetch the file itself: git lfs pull",
    ),
    _Kind(
        rb"(\xef\xbb\xbf)?\s*(<!--.*?-->\s*)?<(!doctype html|html|head|body)",
        "an HTML page",
        _FETCH,
    ),
    _Kind(rb"\s*<(\?xml|error)", "an XML document, as servers send in place of a file", _FETCH),
    _Kind(rb'\s*\{.*"weight_map"', "the index of a checkpoint in several files", _JOIN),
    _Kind(rb"\s*[{\[]\s*[\"{\[\]}\d]", "JSON text, as servers send in place of a file", _FETCH),
    _Kind(rb"model_checkpoint_path:", "TensorFlow's list of checkpoints"),
    _Kind(rb"\x1f\x8b", "a gzip archive", _UNPACK),
    _Kind(rb"BZh\d", "a bzip2 archive", _UNPACK),
    _Kind(rb"\xfd7zXZ\0", "an xz archive", _UNPACK),
    _Kind(rb"\x28\xb5\x2f\xfd", "a Zstandard archive", _UNPACK),
    _Kind(rb"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    _Kind(rb"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    _Kind(rb".{257}ustar", "a tar archive", _UNPACK),
    _Kind(rb"\x93NUMPY", "a NumPy array (.npy)"),
    _Kind(rb"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes (.h5)"),
    _Kind(rb"GGUF", "a GGUF file of llama.cpp"),
    _Kind(rb".{4}TFL3", "a TensorFlow Lite model"),
    _Kind(rb"\x08[\x01-\x20][\x12\x1a\x22\x3a\x42]", "an ONNX model", _ONNX),
    _Kind(rb"[fpv]trt", "a TensorRT engine", "An export starts from the checkpoint."),
    _Kind(rb"\x7fELF", "a program or library"),
    _Kind(rb"%PDF", "a PDF document"),
    _Kind(rb"\x89PNG|\xff\xd8\xff|GIF8|RIFF.{4}WEBP", "an image"),
    _Kind(rb"\0{512}", "zeros at its beginning, an incomplete copy or download", "Get it again."),
    _Kind(rb"[\t\n\r -~]{16}", "text"),
)
_ARCHIVES = (
    (
        r"(^|/)(constants\.pkl|code/.+)$",
        "a TorchScript archive, a compiled network",
        'Write its weights: torch.save({"model": torch.jit.load(path).state_dict()}, "clean.pth")',
    ),
    (
        r"(^|/)(archive_format|serialized_exported_program\.json|data/aotinductor/.+)$",
        "a compiled or exported program of PyTorch (.pt2)",
        _TRAINED_WITH,
    ),
    (r"\.npy$", "a NumPy archive (.npz)", _TRAINED_WITH),
    (r"^model\.weights\.h5$", "a Keras model", _TRAINED_WITH),
    (r"\.(pth?|ckpt|bin|safetensors)$", "a zip archive with a checkpoint in it", _UNPACK),
)


def other_kind_of(start: bytes) -> str | None:
    """What a file that is no checkpoint is, with its article; None where it may be one.

    Args:
        start: its first `START_BYTES`.
    """
    kind = _kind_of(start)
    return kind.name if kind is not None else None


def refuse_other_file(path: Path | str, start: bytes) -> None:
    """Refuse a file that is no checkpoint, by what it is.

    Args:
        path: of the file, or its address.
        start: its first `START_BYTES`.

    Raises:
        InputFileError: it is of a known kind.
    """
    kind = _kind_of(start)
    if kind is not None:
        text = start[:_SHOWN_CHARACTERS].decode("utf-8", "replace")
        begins = f": it begins with {text!r}" if start.isascii() and start.strip(b"\0") else ""
        raise InputFileError(
            f"{shown(path)} is no checkpoint but {kind.name}{begins}.", hint=kind.hint
        )


def _kind_of(start: bytes) -> _Kind | None:
    return next((kind for kind in _KINDS if kind.is_kind_of(start)), None)


def refuse_other_archive(path: Path, names: Iterable[str]) -> None:
    """Refuse a zip archive that torch.save did not write, by what is in it.

    Raises:
        InputFileError: it is of a known kind, or holds no pickle of torch.save.
    """
    names = list(names)
    for pattern, kind, hint in _ARCHIVES:
        if any(re.search(pattern, name) for name in names):
            raise InputFileError(f"{shown(path)} is no checkpoint but {kind}.", hint=hint)
    if not any(name.endswith("/data.pkl") for name in names):
        some = printable(", ".join(name[:_SHOWN_CHARACTERS] for name in names[:4])) or "nothing"
        raise InputFileError(
            f"{shown(path)} is a zip archive, but not one that torch.save writes: it holds {some}.",
            hint=_UNPACK,
        )
