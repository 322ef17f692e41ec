"""Measure the app in fresh processes: cold start, warm calls, memory, and a store that is down."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import probes
from benchmarks.limits import COLD_START_RATIO, LIMITS, LITE, MB, OUTAGE_SECONDS, ROOT
from benchmarks.measurement import Measurement, summarise
from devhost.azurite import connection_string
from sentiment.model import session_options

COLD_STARTS = 20  # of each side: ten are too few on a machine that does other things as well

type Environment = Mapping[str, str]


def app_environment(folder: Path) -> Environment:
    """Return the whole environment of the app's processes. Nothing of this shell's changes what is measured."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),  # compiled in the warm-up round, as the package ships it
        "RECEIPT_KEY": "k" * 32,
        "TABLES_CONNECTION_STRING": "AccountName=nobody",
        "AUTH_LEVEL": "anonymous",
        "MODEL": LITE.name,
    }


class ProbeResult(NamedTuple):
    started: float  # perf_counter of this process, which reads the same clock as the probe's
    seconds: float  # from the start to the line that the probe prints
    value: Any  # that line, decoded from JSON


def run_probe(name: str, environment: Environment) -> ProbeResult:
    """Run a function of `benchmarks.probes` in a fresh interpreter. Raises SystemExit with its stderr if it fails."""
    command = [sys.executable, "-c", f"from benchmarks.probes import {name}; {name}()"]
    with tempfile.TemporaryFile() as log:  # the app logs every outage, with its traceback
        started = time.perf_counter()
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log) as process:
            assert process.stdout
            line = process.stdout.readline()
            seconds = time.perf_counter() - started
        if process.returncode:
            log.seek(0)
            raise SystemExit(f"{log.read().decode()}benchmarks.probes.{name} ended with status {process.returncode}")
    return ProbeResult(started, seconds, json.loads(line))


def measure_cold_start(model: Path, environment: Environment) -> Iterator[Measurement]:
    """Measure the time from spawn to the first prediction, against the floor: what no app with this model can avoid.

    The stages come from runs of their own, in turn with the others, because timing them takes time as well.
    """
    environment = {**environment, "MODEL": model.name}
    with_telemetry = {**environment, "PYTHON_ENABLE_OPENTELEMETRY": "true"}  # the runtime imports it before the app
    app, floor, monitored, stages = [], [], [], []
    for _ in range(1 + COLD_STARTS):
        app.append(run_probe("app", environment).seconds * 1e3)
        floor.append(run_probe("floor", environment).seconds * 1e3)
        monitored.append(run_probe("app", with_telemetry).seconds * 1e3)
        stages.append(_stage_durations(run_probe("stages", environment)))
    del app[0], floor[0], monitored[0], stages[0]  # the first round compiled the bytecode and filled the page cache
    name = f"{model.name}: cold start, against its floor"
    yield summarise(name, "ms", app, baseline=floor, bounded="ratio", limit=COLD_START_RATIO)
    without_devhost = [total - stage["devhost"] for total, stage in zip(app, stages, strict=True)]
    yield summarise("  without devhost, which Azure lacks", "ms", without_devhost, baseline=floor)
    yield summarise("  with Application Insights", "ms", monitored, baseline=floor)
    for stage in stages[0]:
        yield summarise(f"  of which {stage}", "ms", [durations[stage] for durations in stages])


def _stage_durations(result: ProbeResult) -> dict[str, float]:
    """Return the length of each stage in ms."""
    ends = [result.started, *result.value.values()]
    return {stage: (ends[i + 1] - ends[i]) * 1e3 for i, stage in enumerate(result.value)}


def check_session_options() -> None:
    """Raise AssertionError if `probes.floor` opens the model with other options than the app: it repeats them."""
    floor, app = probes.session_options(), session_options()
    for name in ("intra_op_num_threads", "graph_optimization_level", "execution_mode", "log_severity_level"):
        assert getattr(floor, name) == getattr(app, name), name
    spinning = "session.intra_op.allow_spinning"
    assert floor.get_session_config_entry(spinning) == app.get_session_config_entry(spinning), spinning


def measure_warm_calls(model: Path, environment: Environment) -> Iterator[Measurement]:
    calls = run_probe("calls", {**environment, "MODEL": model.name}).value
    milliseconds = [seconds * 1e3 for seconds in calls["seconds"]]
    limits = LIMITS[model]
    name = f"{model.name}: warm call through the runtime"
    yield summarise(name, "ms", milliseconds, bounded="p50", limit=limits.call_ms)
    name = f"{model.name}: resident memory after {probes.WARM_UP:,} calls"
    yield summarise(name, "MB", [calls["resident"] / MB], bounded="p50", limit=limits.resident_mb)


def measure_outages(environment: Environment) -> Iterator[Measurement]:
    """Measure how long it takes to refuse feedback with 503 when the store is down."""
    _time_refusals(environment, hangs=False)  # compiles the bytecode of the store's SDK
    for verb, hangs in (("refuses", False), ("hangs", True)):
        seconds = _time_refusals(environment, hangs)
        yield summarise(f"503 when the store {verb}", "s", seconds, bounded="p95", limit=OUTAGE_SECONDS)


def _time_refusals(environment: Environment, hangs: bool) -> list[float]:
    with socket.socket() as store:
        store.bind(("127.0.0.1", 0))  # reserves a port; it refuses connections until it listens
        if hangs:
            store.listen()  # the kernel accepts connections, and no answer follows
        down = {"TABLES_CONNECTION_STRING": connection_string(store.getsockname()[1])}
        seconds: list[float] = run_probe("outage", {**environment, **down}).value
    return seconds
