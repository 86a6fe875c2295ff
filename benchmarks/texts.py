"""Results as text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vmamba_deploy.evaluation.intervals import percent, proportion

Results = Mapping[str, Any]


def spread_text(spread: Mapping[str, float], digits: int) -> str:
    """`median (q25..q75)`."""
    low, middle, high = (f"{spread[key]:.{digits}f}" for key in ("q25", "median", "q75"))
    return f"{middle} ({low}..{high})"


def rows_text(report: Results) -> str:
    """What the results say of the whole, and a line for each of their rows, if they have some."""
    head = {name: value for name, value in report.items() if name != "rows"}
    lines = [f"{name}: {_short(value)}" for name, value in head.items()]
    return "\n".join(lines + [_short(row) for row in report.get("rows", ())])


def _short(value: object) -> str:
    if isinstance(value, Mapping):
        if "median" in value:
            return spread_text(value, 2)
        return ", ".join(f"{name} {_short(each)}" for name, each in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def accuracy_text(report: Results) -> str:
    """A Markdown table: each runtime and precision beside PyTorch in fp32."""
    lines = [
        "| precision | runtime | accuracy (95% interval) | points lost | as PyTorch fp32 | "
        "right there alone / here alone | largest difference of a logit |",
        "|---|---|---|---|---|---|---|",
        *(_accuracy_row(row, report["reference"]) for row in report["rows"]),
    ]
    return "\n".join(lines)


def _accuracy_row(row: Results, reference: Results) -> str:
    head = f"| {row['precision']} | {row['runtime']} |"
    if row["skipped"] is not None:
        return f"{head} not run: {' '.join(row['skipped'].split())} | | | | |"
    lost = (reference["correct"] - row["correct"]) / row["images"]
    return (
        f"{head} {interval_text(row)} | {100 * lost + 0:.2f} | "
        f"{percent(row['agreeing'] / row['images'])} | {row['lost']} / {row['gained']} | "
        f"{row['largest_difference']:.1e} |"
    )


def interval_text(row: Results) -> str:
    """`97.33 % (95.42 to 98.47)`, in percent: the right answers of a row, and Wilson's interval."""
    found = proportion(row["correct"], row["images"])
    return f"{percent(found.share)} ({100 * found.low:.2f} to {100 * found.high:.2f})"


def op_text(report: Results) -> str:
    """The op at the shape of the target, and the scans of VMamba-T."""
    lines = [
        f"{report['isa']}, {report['threads']} threads",
        f"matrix product: {report['multiply_adds_per_s'] / 1e9:.1f} G multiply-adds/s",
        f"D=96 56x56 N=1 R=6, floor {report['bar_floor_ms']:.2f} ms",
    ]
    for name, times in report["bar"]["times_ms"].items():
        ratio = report["bar"]["speedup"].get(name)
        times_slower = f"  {spread_text(ratio, 1)}x the kernel" if ratio else ""
        lines.append(f"  {name:18s} {spread_text(times, 2)} ms{times_slower}")
    tiny = report["tiny_s1l8"]
    lines += [f"  D={d:4s} {spread_text(times, 3)} ms" for d, times in tiny["times_ms"].items()]
    total = spread_text(tiny["total_ms"], 2)
    lines.append(f"  14 scans of tiny_s1l8: {total} ms, floor {tiny['floor_ms']:.2f} ms")
    return "\n".join(lines)


def forms_text(report: Results) -> str:
    """Each shape's forms: the fastest call in ms, and its ratio to four routes."""
    lines = [f"{report['isa']}, {report['threads']} threads, fp32, {report['machine']}"]
    for row in report["shapes"]:
        size = row["shape"]
        sizes = f"D {size['channels']}, {size['height']} x {size['width']}, N {size['state']}"
        lines.append(f"{sizes}, R {size['rank']}")
        for name, times in row["times_ms"].items():
            ratio = spread_text(row["to_four"][name], 3)
            lines.append(f"  {name:<16}{spread_text(times, 3)} ms  {ratio}x four")
    return "\n".join(lines)


def model_text(report: Results) -> str:
    """Each competitor's time and its ratio to eager PyTorch."""
    lines = [
        f"{report['preset']} {report['precision']}, batch {report['batch']}, {report['device']}"
    ]
    for row in report["rows"]:
        lines.append(
            f"  {row['competitor']:<24}{row['precision']:<9}{spread_text(row['ms'], 2)} ms  "
            f"{spread_text(row['over_yardstick'], 2)}x eager PyTorch"
            + (f"  NMSE {row['nmse']:.0e}" if "nmse" in row else "")
            + ("" if row.get("agrees", True) else " TOO FAR")
        )
    lines += [f"  {name:<24}absent: {reason}" for name, reason in report["absent"].items()]
    lines += [f"  {name:<24}FAILED: {reason}" for name, reason in report["failed"].items()]
    return "\n".join(lines)


def dense_text(report: Results) -> str:
    """Time, most memory and the ops' shares of each way, beside the floor of its network."""
    lines = [f"fp32, batch 1, {report['threads']} threads"]
    for case in report["cases"]:
        height, width = case["input"]
        lines.append(f"{case['preset']} {height} x {width}: floor {case['floor_ms']:.0f} ms")
        for row in case["rows"]:
            lines.append(
                f"  {row['competitor']:<22}{spread_text(row['ms'], 0)} ms  "
                f"{row['peak_bytes'] / 1e9:.2f} GB  {_shares_text(row['shares'], 0.005)}"
            )
    return "\n".join(lines)


def vim_text(report: Results) -> str:
    """Time, floor and largest parts of each network."""
    lines = [f"fp32, batch 1, {report['threads']} threads"]
    for row in report["rows"]:
        lines.append(
            f"  {row['network']:<10}{spread_text(row['ms'], 1)} ms  "
            f"{spread_text(row['over_yardstick'], 2)}x  floor {row['whole_floor_ms']:.1f} ms, "
            f"of it scans {row['scan_floor_ms']:.1f}  {_shares_text(row['shares'], 0.02)}"
        )
    return "\n".join(lines)


def _shares_text(shares: Mapping[str, float], least: float) -> str:
    """Those of at least that."""
    return ", ".join(f"{op} {share:.0%}" for op, share in shares.items() if share >= least)


def floor_text(report: Results) -> str:
    """Floors in microseconds by section and kind, at each batch size."""
    lines = []
    for batch, floors in report["batches"].items():
        lines.append(f"{report['preset']} {report['precision']}, batch {batch}: floor in us")
        kinds = next(iter(floors["floor_us"].values()))
        lines.append("  " + "".join(f"{kind:>13}" for kind in ("", *kinds)))
        for name, row in floors["floor_us"].items():
            lines.append(f"  {name:>13}" + "".join(f"{us:13.1f}" for us in row.values()))
        lines.append(
            f"  in sum {floors['total_us']:.0f}, "
            f"without norms and elementwise operations {floors['heavy_us']:.0f}"
        )
    return "\n".join(lines)


def layers_text(report: Results) -> str:
    """Milliseconds by kind of operation."""
    totals: dict[str, float] = {}
    for row in report["rows"]:
        totals[row["kind"]] = totals.get(row["kind"], 0.0) + (row["time_ms"] or 0.0)
    lines = [f"{report['model']} {report['precision']}, batch {report['batch']}: ms by kind"]
    lines += [f"  {kind:<14}{ms:8.3f}" for kind, ms in totals.items()]
    return "\n".join([*lines, f"  {'in sum':<14}{report['total_ms'] or 0.0:8.3f}"])


def counters_text(report: Results) -> str:
    """Every launch with its counters."""
    return "\n".join(
        f"{row['kernel'].split('(')[0]}: "
        + ", ".join(f"{name} {value}" for name, value in row.items() if name != "kernel")
        for row in report["rows"]
    )
