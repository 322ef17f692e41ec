"""Measure serving against its limits:  python -m benchmarks.serving

Machines differ and are noisy, so a comparison is a ratio within one run, and its two sides are measured in turn.
Writes results/serving.json and prints a table. The status is 0 even if a limit is missed: the table says so.
"""

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import report
from benchmarks.limits import LIMITS, MB, PACKAGE, PACKAGE_MB
from benchmarks.measurement import Measurement, summarise
from benchmarks.model_alone import measure_model
from benchmarks.over_http import measure_http
from benchmarks.processes import (
    app_environment,
    check_session_options,
    measure_cold_start,
    measure_outages,
    measure_warm_calls,
)
from benchmarks.under_load import measure_sick_store, measure_starvation
from sentiment.model import Model


def main() -> None:
    machine = report.describe_machine()
    check_session_options()
    with tempfile.TemporaryDirectory() as folder:
        measurements = list(measure_everything(Path(folder)))
    result = report.Report(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine,
        models=[Model.load(model).manifest.release for model in LIMITS],
        measurements=measurements,
        notes=report.notes(machine),
    )
    report.write(result)
    print(report.table(result))


def measure_everything(folder: Path) -> Iterator[Measurement]:
    environment = app_environment(folder)
    for model in LIMITS:
        yield from measure_cold_start(model, environment)
    for model in LIMITS:
        yield from measure_warm_calls(model, environment)
    yield measure_model()
    yield from measure_sizes()
    yield from measure_http(environment, folder)
    yield from measure_outages(environment)
    yield measure_starvation(environment, folder)
    yield from measure_sick_store(environment, folder)


def measure_sizes() -> Iterator[Measurement]:
    if PACKAGE.is_file():
        yield summarise("deployed zip", "MB", [PACKAGE.stat().st_size / MB], bounded="p50", limit=PACKAGE_MB)
    for model, limits in LIMITS.items():
        size = sum(path.stat().st_size for path in model.iterdir())
        yield summarise(f"models/{model.name}", "MB", [size / MB], bounded="p50", limit=limits.size_mb)


if __name__ == "__main__":
    main()
