"""Results as text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.network_ops import KINDS

Results = Mapping[str, Any]


def spread_text(spread: Mapping[str, float], digits: int) -> str:
    """`median (q25..q75)`."""
    low, middle, high = (f"{spread[key]:.{digits}f}" for key in ("q25", "median", "q75"))
    return f"{middle} ({low}..{high})"


def op_text(report: Results) -> str:
    """The op at the shape of the bar, and the scans of VMamba-T."""
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


def model_text(report: Results) -> str:
    """Each competitor's time and its ratio to eager PyTorch."""
    lines = [
        f"{report['preset']} {report['precision']}, batch {report['batch']}, {report['device']}"
    ]
    for row in report["rows"]:
        lines.append(
            f"  {row['competitor']:<22}{spread_text(row['ms'], 1)} ms  "
            f"{spread_text(row['over_yardstick'], 2)}x eager PyTorch"
        )
    lines += [f"  {name:<22}absent: {reason}" for name, reason in report["absent"].items()]
    return "\n".join(lines)


def floor_text(report: Results) -> str:
    """Floors in microseconds by section and kind, at each batch size."""
    lines = []
    for batch, floors in report["batches"].items():
        lines.append(f"{report['preset']} {report['precision']}, batch {batch}: floor in us")
        lines.append("  " + "".join(f"{kind:>13}" for kind in ("", *KINDS)))
        for name, row in floors["floor_us"].items():
            lines.append(f"  {name:>13}" + "".join(f"{row[kind]:13.1f}" for kind in KINDS))
        lines.append(
            f"  in sum {floors['total_us']:.0f}, "
            f"without norms and elementwise operations {floors['heavy_us']:.0f}"
        )
    return "\n".join(lines)


def resolutions_text(report: Results) -> str:
    """Predicted cost per pixel of the image, with a full batch and with one image."""
    lines = [f"{report['gpu']}, predicted: the 14 scans of tiny_s1l8 with their projections, fp16"]
    lines += [
        f"  {row['width']:>4} x {row['height']:<4} batch {row['batch']:>3}: "
        f"{row['us']:8.0f} us, {row['ns_per_pixel']:6.3f} ns a pixel"
        for row in report["rows"]
    ]
    return "\n".join(lines)
