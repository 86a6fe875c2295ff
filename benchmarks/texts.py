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
            f"  {row['competitor']:<24}{row['precision']:<9}{spread_text(row['ms'], 2)} ms  "
            f"{spread_text(row['over_yardstick'], 2)}x eager PyTorch"
            + (f"  NMSE {row['nmse']:.0e}" if "nmse" in row else "")
            + ("" if row.get("agrees", True) else " TOO FAR")
        )
    lines += [f"  {name:<24}absent: {reason}" for name, reason in report["absent"].items()]
    lines += [f"  {name:<24}FAILED: {reason}" for name, reason in report["failed"].items()]
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


def machine_lines(report: Results) -> str:
    """The machine and what it reaches."""
    gpu, known = report.get("gpu") or {}, report["ceilings"]
    packages = ", ".join(f"{name} {version}" for name, version in report["packages"].items())
    lines = [
        f"{gpu.get('name', 'no GPU')} ({report['cpu']}, {report['cores']} cores); {packages}",
        f"copy {known['copy_bytes_per_s'] / 1e12:.3g} TB/s, "
        f"product {known['product_flop_per_s'] / 1e12:.3g} TFLOP/s",
    ]
    return "\n".join(lines + [f"{name}: {path}" for name, path in report["tools"].items()])


def gpu_op_text(report: Results) -> str:
    """Microseconds of each contender at each shape and batch size."""
    names = ("ours", "op_alone", "previous_op_alone", "x_proj_alone", "chain")
    lines = [
        f"{report['gpu']}, {report['dtype']}: microseconds",
        f"  {'shape':<16}{'batch':>5}"
        + "".join(f"{name.replace('_', ' '):>19}" for name in names)
        + f"{'floor':>8}{'chain/ours':>12}",
    ]
    for row in report["rows"]:
        cells = "".join(_median(row["times_us"], name, 19) for name in names)
        ratio = row.get("chain_over_ours", {}).get("median")
        lines.append(
            f"  {row['shape']:<16}{row['batch']:>5}{cells}{row['floor_us']['larger']:>8.1f}"
            + (f"{ratio:>11.2f}x" if ratio else f"{'-':>12}")
        )
    absent = sorted({f"{k}: {v}" for row in report["rows"] for k, v in row["absent"].items()})
    return "\n".join(lines + absent)


def _median(times: Mapping[str, Mapping[str, float]], name: str, width: int) -> str:
    return f"{times[name]['median']:>{width}.1f}" if name in times else f"{'-':>{width}}"


def chain_text(report: Results) -> str:
    """How far the chain is from the op at each shape."""
    return "\n".join(
        f"  {row['shape']:<16}{'channels last' if row['channels_last'] else '':<14}"
        f"NMSE {row['nmse']:.1e}, {row['seconds']:.1f} s to compile"
        for row in report["rows"]
    )


def resolutions_text(report: Results) -> str:
    """Cost per pixel of the image, with a full batch and with one image."""
    lines = [f"{report['model']} fp16 on {report['gpu']}"]
    lines += [
        f"  {row['width']:>4} x {row['height']:<4} batch {row['batch']:>3}: "
        f"{spread_text(row['ms'], 2)} ms, {row['ns_per_pixel']:6.3f} ns a pixel"
        for row in report["rows"]
    ]
    return "\n".join([*lines, f"  largest over smallest: {report['largest_over_smallest']:.2f}"])


def layers_text(report: Results) -> str:
    """Milliseconds by kind of operation."""
    totals: dict[str, float] = dict.fromkeys(KINDS, 0.0)
    for row in report["rows"]:
        totals[row["kind"]] += row["time_ms"] or 0.0
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
