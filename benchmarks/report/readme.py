"""The results of the README: a short table between two marks, from the kept results."""

from __future__ import annotations

from pathlib import Path

from benchmarks.report.page import environment, network_rows, op_rows, three_digits
from benchmarks.report.results import Json, Results
from vmamba_deploy.errors import InputFileError

README = Path(__file__).resolve().parents[2] / "README.md"
BEGIN = "<!-- results, made by `python -m benchmarks report`: do not edit -->\n"
END = "<!-- end of results -->\n"
_SHOWN = "D96 L3136 N1"
_SHOWN_AS = "the op with x_proj on a GPU (D 96, 56 x 56, N 1), fp16"
_MEASURED_BY = "`make gpu-check`"
_PREDICTED_BY = "`python -m benchmarks.kernel_model times`"
_MODEL = "vmamba_tiny_s1l8"
_IDENTITY = "onnxruntime-identity"
_CPU_RUNTIMES = {
    "onnxruntime-library": "VMamba-T fp32, ONNX Runtime with our library, on the CPU",
    "onnxruntime-body": "VMamba-T fp32, stock ONNX Runtime (function body), on the CPU",
}


def readme_text(results: Results, before: str) -> str:
    """The README with its results made anew.

    Raises:
        InputFileError: the marks are not there, or not in their order.
    """
    head, begin, rest = before.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise InputFileError(
            f"{README.name} has no place for the results",
            hint=f"put these lines around it: {BEGIN.strip()} and {END.strip()}",
        )
    return f"{head}{BEGIN}\n{section(results)}\n{END}{tail}"


def section(results: Results) -> str:
    """What stands between the marks."""
    text = (
        environment()
        .get_template("readme_results.md.j2")
        .render(
            gpu=results.stage("environment").get("gpu", {}).get("name"),
            gpu_rows=[*_op_rows(results), *_network_rows(results)],
            cpu_op=results.cpu_op,
            cpu_rows=_cpu_rows(results),
            cpu_machine=(results.cpu_op or results.cpu_model or {}).get("machine"),
        )
    )
    return text.strip() + "\n"


def _op_rows(results: Results) -> list[Json]:
    rows = []
    every = op_rows(results)
    for row in every:
        time = _time_us(row)
        if row["shape"] != _SHOWN or not time:
            continue
        how = "" if row["ours_us"] else " (predicted)"
        command = _MEASURED_BY if row["ours_us"] else _PREDICTED_BY
        ratio = three_digits(row["published_us"] / time)
        ratios = [
            each["published_us"] / found
            for each in every
            if each["batch"] == row["batch"]
            and bool(each["ours_us"]) == bool(row["ours_us"])
            and (found := _time_us(each))
        ]
        span = f"{three_digits(min(ratios))}x to {three_digits(max(ratios))}x"
        rows.append(
            {
                "what": f"{_SHOWN_AS}, batch {row['batch']}",
                "ours": f"{three_digits(time)} us{how}",
                "yardstick": f"floor {three_digits(row['floor_us'])} us",
                "others": f"public chain {three_digits(row['published_us'])} us: {ratio}x; "
                f"at the {len(ratios)} judged shapes {span}{how}",
                "reproduce": command,
            }
        )
    return rows


def _time_us(row: Json) -> float | None:
    """As measured, else as predicted."""
    return row["ours_us"]["median"] if row["ours_us"] else row["predicted_us"]


def _network_rows(results: Results) -> list[Json]:
    """The fastest runtime of VMamba-T in half precision at each batch size, as measured."""
    rows = [
        row
        for row in network_rows(results)
        if row["model"] == _MODEL and row["precision"] == "fp16" and row["agrees"]
    ]
    shown = []
    for batch in sorted({row["batch"] for row in rows}, reverse=True):
        best = max((row for row in rows if row["batch"] == batch), key=_speed)
        shown.append(
            {
                "what": f"VMamba-T fp16 on a GPU, batch {batch}, {best['runtime']}",
                "ours": f"{best['images_per_s']:.0f} images/s",
                "yardstick": f"{best['ms_per_image']:.3f} ms per image",
                "others": "public code: 2883 eager, 4242 compiled" if batch == 128 else "",
                "reproduce": _MEASURED_BY,
            }
        )
    return shown


def _speed(row: Json) -> float:
    return float(row["images_per_s"])


def _cpu_rows(results: Results) -> list[Json]:
    times = {row["competitor"]: row for row in (results.cpu_model or {}).get("rows", [])}
    if _IDENTITY not in times:
        return []
    return [
        {
            "what": what,
            "ms": times[name]["ms"]["median"],
            "over_identity": times[name]["ms"]["median"] / times[_IDENTITY]["ms"]["median"],
            "over_eager": times[name]["over_yardstick"]["median"],
        }
        for name, what in _CPU_RUNTIMES.items()
        if name in times
    ]
