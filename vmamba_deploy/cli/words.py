"""Words that other tools have for what is done here, and ours for them."""

from __future__ import annotations

SAME = {
    "batch-size": "batch",
    "checkpoint": "weights",
    "ckpt": "weights",
    "half": "fp16",
    "img-size": "image-size",
    "imgsz": "image-size",
    "list": "models",
    "opset-version": "opset",
    "topk": "top-k",
}
"""Of options and commands, without dashes: these mean the same, and are taken as they are."""

_OPTIONS = {
    "--conf": ("--score-threshold",),
    "--data-dir": ("--data",),
    "--dataset": ("--data",),
    "--dynamic-axes": ("--dynamic-size", "--dynamic"),
    "--dynamic-batch": ("--batch",),
    "--img": ("--image-size",),
    "--input-size": ("--image-size",),
    "--maxShapes": ("--shapes",),
    "--memPoolSize": ("--workspace",),
    "--minShapes": ("--shapes",),
    "--name": ("--output",),
    "--num-workers": ("--workers",),
    "--optShapes": ("--shapes",),
    "--out": ("--output",),
    "--output-dir": ("--output",),
    "--output-file": ("--output",),
    "--pool-limit": ("--workspace",),
    "--pretrained": ("--weights",),
    "--project": ("--output",),
    "--provider": ("--runtime",),
    "--providers": ("--runtime",),
    "--save-dir": ("--output",),
    "--timingCacheFile": ("--timing-cache",),
    "--trt-max-shapes": ("--shapes",),
    "--trt-min-shapes": ("--shapes",),
    "--trt-opt-shapes": ("--shapes",),
    "--val-data": ("--data",),
    "--versionCompatible": ("--version-compatible",),
}
"""By their option those of ours that come closest; the first that a command has is named."""

_SAYINGS = {
    "--device": "an export runs on the CPU, and an engine is for GPUs (--target-sm); predict and "
    "evaluate choose by --runtime",
    "--format": "export writes the ONNX file and an engine; --no-engine leaves the engine out, "
    "--aoti adds a package",
    "--include": "export writes the ONNX file and an engine; --no-engine leaves the engine out, "
    "--aoti adds a package",
    "--loadEngine": "the artefact folder is the first argument",
    "--onnx": "the ONNX file, or its folder, is the first argument of build, compare and bench",
    "--save-engine": "the engine is model.engine in the folder that --output names",
    "--saveEngine": "the engine is model.engine in the folder that --output names",
    "--source": "the images are arguments, after the artefact folder",
}
"""What to say where no option of ours is like theirs, or none that this command has."""

_COMMANDS = {
    "benchmark": "bench",
    "check": "compare",
    "convert": "export",
    "detect": "predict",
    "diff": "compare",
    "engine": "build",
    "env": "doctor",
    "eval": "evaluate",
    "infer": "predict",
    "inference": "predict",
    "inspect": "info",
    "profile": "bench",
    "run": "compare",
    "segment": "predict",
    "serve": "package",
    "test": "evaluate",
    "triton": "package",
    "val": "evaluate",
    "validate": "evaluate",
    "verify": "compare",
}


def ours(token: str) -> str:
    """Our name of an option, choice or command, without dashes, where theirs means the same."""
    return SAME.get(token, token)


def options_for(word: str) -> tuple[str, ...]:
    """Our options for one of another tool, the closest first; of `--imgsz=3` as well."""
    name = word.partition("=")[0]
    same = SAME.get(name.lstrip("-"))
    return _OPTIONS.get(name, (f"--{same}",) if same else ())


def saying_for(word: str) -> str | None:
    """What to tell who wrote an option that nothing here is like."""
    return _SAYINGS.get(word.partition("=")[0])


def command_for(word: str) -> str | None:
    """Our command for one of another tool."""
    return _COMMANDS.get(word)
