"""The report of a run: a JSON file, and a table for the terminal."""

import os
import platform
import re
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.limits import PACKAGE, ROOT
from benchmarks.measurement import Measurement

RESULTS = ROOT / "benchmarks" / "results" / "serving.json"


class Report(msgspec.Struct, frozen=True):
    date: str  # ISO 8601, UTC
    machine: dict[str, Any]
    models: list[str]
    measurements: list[Measurement] = msgspec.field(name="figures")
    notes: list[str]


def describe_machine() -> dict[str, Any]:
    """Return what the machine is, and how busy it is: call this before the first measurement."""
    information = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = re.search(r"^model name\s*: (.+)$", information, re.MULTILINE)
    return {
        "cores": os.cpu_count(),
        "cpu": model[1] if model else platform.processor(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),  # runnable processes, mean of the minute before
    }


def notes(machine: dict[str, Any]) -> list[str]:
    """Return what a reader must know to judge the measurements."""
    remarks = [f"Over HTTP the load generator and the server share the machine's {machine['cores']} cores."]
    if machine["load"] > 0.5:
        remarks.append(f"The machine was busy before this began (load {machine['load']}): the figures are noisy.")
    if not PACKAGE.is_file():
        remarks.append(f"{PACKAGE.relative_to(ROOT)} is not built, so its size was not measured: run make package.")
    return remarks


def write(report: Report) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")


def table(report: Report) -> str:
    heads = ("", "n", "p50", "p95", "unit", "baseline", "ratio", "limit", "")
    rows = [heads, *map(_row, report.measurements)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        f"{' and '.join(report.models)}, {', '.join(f'{name} {value}' for name, value in report.machine.items())}",
        "",
    ]
    for name, *cells in rows:
        lines.append("  ".join([name.ljust(widths[0]), *map(str.rjust, cells, widths[1:])]).rstrip())
    missed = [measurement.name for measurement in report.measurements if measurement.holds is False]
    outcome = f"Missed: {'; '.join(missed)}." if missed else "Every limit holds."
    return "\n".join([*lines, "", outcome, *report.notes, f"Written to {RESULTS.relative_to(ROOT)}."])


def _row(measurement: Measurement) -> tuple[str, ...]:
    bounded = f"{measurement.bounded} " if measurement.n > 1 else ""
    limit = f"{bounded}≤ {measurement.limit:g}" if measurement.limit is not None else ""
    outcome = {True: "holds", False: "MISSED", None: ""}[measurement.holds]
    p50, p95 = _number(measurement.p50), _number(measurement.p95)
    baseline, ratio = _number(measurement.baseline), _number(measurement.ratio)
    return measurement.name, f"{measurement.n:,}", p50, p95, measurement.unit, baseline, ratio, limit, outcome


def _number(value: float | None) -> str:
    """Format with three significant digits and no exponent; None is an empty cell."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
