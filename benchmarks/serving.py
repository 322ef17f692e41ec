"""`python -m benchmarks.serving`: what serving costs, beside its limits. `make bench` runs this.

Machines differ and are noisy, so a comparison is a ratio within one run, its two sides taken in turn. Writes
results/serving.json and prints a table. The status is 0 even where a limit is missed: this measures, the table tells.
"""

import asyncio
import gc
import json
import math
import os
import platform
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from benchmarks import probes
from devhost.azurite import connection_string
from sentiment.manifest import IdsCounts
from sentiment.model import Model, session_options

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / "models"
PACKAGE = ROOT / "build" / "buzzguard.zip"
RESULTS = ROOT / "benchmarks" / "results" / "serving.json"

COLD_STARTS = 20  # of each side: ten are too few on a machine that does other things as well
BATCHES, BATCH = 100, 64  # of each side: the model, and the dictionary it is compared with
REQUESTS = 2_000  # for each number of connections
CONNECTIONS = (1, 8, 32)
MB = 1e6  # bytes

type Environment = Mapping[str, str]


class Limits(NamedTuple):
    """Of a model that ships."""

    call: float  # ms, warm, through the runtime
    resident: float  # MB
    size: float  # MB on disk


LITE, CHAMPION = MODELS / "lite", MODELS / "champion"
LIMITS = {LITE: Limits(0.5, 140, 4), CHAMPION: Limits(5, 260, 25)}  # an encoder may take 120 MB more

type Bounded = Literal["p50", "p95", "ratio"]


class Figure(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was measured `n` times. `limit` is for the value that `bounded` names."""

    name: str
    unit: str  # of p50, p95 and baseline
    n: int
    p50: float
    p95: float | None = None
    baseline: float | None = None  # the p50 of what it is compared with, measured as often
    ratio: float | None = None  # p50 / baseline
    bounded: Bounded | None = None
    limit: float | None = None
    holds: bool | None = None


class Report(msgspec.Struct, frozen=True):
    date: str  # ISO 8601, UTC
    machine: dict[str, Any]
    models: list[str]
    figures: list[Figure]
    notes: list[str]


def main() -> None:
    machine = about_the_machine()
    with tempfile.TemporaryDirectory() as folder:
        check_session_options()
        environment = settings(Path(folder))
        figures = [
            *(each for model in LIMITS for each in cold_start(model, environment)),
            *(each for model in LIMITS for each in warm_call(model, environment)),
            model_alone(),
            *sizes(),
            *throughput(environment, Path(folder)),
            *outages(environment),
        ]
    versions = [Model.load(model).manifest for model in LIMITS]
    report = Report(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine,
        models=[manifest.release for manifest in versions],
        figures=figures,
        notes=notes(machine),
    )
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    print(table(report))


def settings(folder: Path) -> Environment:
    """The whole environment of every child: nothing of this shell's leaks into what is measured."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),  # compiled in the warm-up round, as the package ships it
        "RECEIPT_KEY": "k" * 32,
        "TABLES_CONNECTION_STRING": "AccountName=nobody",
        "AUTH_LEVEL": "anonymous",
        "MODEL": LITE.name,
    }


# --- processes of their own ------------------------------------------------------------------------------------------


class Said(NamedTuple):
    started: float  # seconds, by a clock that the child reads too
    seconds: float  # from there to its line
    value: Any


def spawn(name: str, environment: Environment) -> Said:
    """Runs a function of `benchmarks.probes` in a fresh interpreter and hears what it says."""
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
    return Said(started, seconds, json.loads(line))


def cold_start(model: Path, environment: Environment) -> Iterator[Figure]:
    """From spawn to the first prediction, against the same for what no app of this kind can do without.

    The stages come from further runs, between the others, because looking at them costs time as well.
    """
    environment = {**environment, "MODEL": model.name}
    observed = {**environment, "PYTHON_ENABLE_OPENTELEMETRY": "true"}  # the runtime imports it before the app
    app, floor, watched, stages = [], [], [], []
    for _ in range(1 + COLD_STARTS):
        app.append(spawn("app", environment).seconds * 1e3)
        floor.append(spawn("floor", environment).seconds * 1e3)
        watched.append(spawn("app", observed).seconds * 1e3)
        stages.append(durations(spawn("stages", environment)))
    del app[0], floor[0], watched[0], stages[0]  # the first round compiled the bytecode and filled the page cache
    yield figure(f"{model.name}: cold start, against its floor", "ms", app, baseline=floor, bounded="ratio", limit=1.25)
    without = [whole - parts["devhost"] for whole, parts in zip(app, stages, strict=True)]
    yield figure("  without devhost, which Azure lacks", "ms", without, baseline=floor)
    yield figure("  with Application Insights", "ms", watched, baseline=floor)
    for stage in stages[0]:
        yield figure(f"  of which {stage}", "ms", [each[stage] for each in stages])


def durations(said: Said) -> dict[str, float]:
    """The length of each stage, in ms, from the moments at which they were done."""
    moments = [said.started, *said.value.values()]
    return {stage: (moments[i + 1] - moments[i]) * 1e3 for i, stage in enumerate(said.value)}


def check_session_options() -> None:
    """The floor writes the model's session options again; it would be no floor if they differed."""
    floor, app = probes.session_options(), session_options()
    for name in ("intra_op_num_threads", "graph_optimization_level", "execution_mode", "log_severity_level"):
        assert getattr(floor, name) == getattr(app, name), name
    spinning = "session.intra_op.allow_spinning"
    assert floor.get_session_config_entry(spinning) == app.get_session_config_entry(spinning), spinning


def warm_call(model: Path, environment: Environment) -> Iterator[Figure]:
    calls = spawn("calls", {**environment, "MODEL": model.name}).value
    milliseconds = [seconds * 1e3 for seconds in calls["seconds"]]
    resident = f"{model.name}: resident memory after {probes.WARM_UP:,} calls"
    limits = LIMITS[model]
    yield figure(f"{model.name}: warm call through the runtime", "ms", milliseconds, bounded="p50", limit=limits.call)
    yield figure(resident, "MB", [calls["resident"] / MB], bounded="p50", limit=limits.resident)


def outages(environment: Environment) -> Iterator[Figure]:
    """How long feedback takes to be refused with 503 when the store is down."""
    refused(environment, hangs=False)  # compiles the bytecode of the store's SDK
    for verb, hangs in (("refuses", False), ("hangs", True)):
        yield figure(f"503 when the store {verb}", "s", refused(environment, hangs), bounded="p95", limit=3)


def refused(environment: Environment, hangs: bool) -> list[float]:
    with socket.socket() as store:
        store.bind(("127.0.0.1", 0))  # nobody else can have the port; as long as nobody listens, it refuses
        if hangs:
            store.listen()  # the kernel accepts, and nobody ever answers
        down = {"TABLES_CONNECTION_STRING": connection_string(store.getsockname()[1])}
        seconds: list[float] = spawn("outage", {**environment, **down}).value
    return seconds


# --- the model alone -------------------------------------------------------------------------------------------------


def model_alone() -> Figure:
    """Text to probability, against the plainest program that reads the same n-grams: look them up, sum, squash."""
    model = Model.load(LITE)
    baseline = dictionary(model)
    texts = probes.tweets(BATCH)
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(1 + BATCHES):
        ours.append(per_call(lambda text: model.score([text]), texts))
        theirs.append(per_call(baseline, texts))
    return figure("lite alone, against a dict", "ms", ours[1:], baseline=theirs[1:], bounded="ratio", limit=5)


def per_call(function: Callable[[str], object], texts: Sequence[str]) -> float:
    """Milliseconds per call."""
    start = time.perf_counter()
    for text in texts:
        function(text)
    return (time.perf_counter() - start) / len(texts) * 1e3


def dictionary(model: Model) -> Callable[[str], float]:
    """A logistic regression in a dict, with as many n-grams as the model has and every one of the tweets among them."""
    contract = model.manifest.input
    assert isinstance(contract, IdsCounts)
    size = (LITE / contract.vocabulary).stat().st_size * 8 // contract.bits
    choose = random.Random(0)  # noqa: S311
    known = (gram for text in probes.tweets(BATCH) for gram in ngrams(model.tokens(text), contract.longest))
    weights: dict[object, float] = dict.fromkeys(known, 0.0)
    weights |= {("invented", str(i)): 0.0 for i in range(size - len(weights))}
    weights = {gram: choose.gauss(0, 0.1) for gram in weights}
    gc.freeze()  # the collector would walk through half a million tuples, now and then, on either side

    def probability(text: str) -> float:
        logit = sum([weights.get(gram, 0.0) for gram in ngrams(model.tokens(text), contract.longest)])
        return 1 / (1 + math.exp(-logit))

    return probability


def ngrams(tokens: list[str], longest: int) -> list[object]:
    """Those of `sentiment.features`: the tokens, and each two to `longest` neighbours, with marks of start and end."""
    marked = ["\2", *tokens, "\3"]
    grams: list[object] = [*tokens]
    for n in range(2, longest + 1):
        grams += zip(*(marked[i:] for i in range(n)), strict=False)
    return grams


# --- sizes -----------------------------------------------------------------------------------------------------------


def sizes() -> Iterator[Figure]:
    if PACKAGE.is_file():
        yield figure("deployed zip", "MB", [PACKAGE.stat().st_size / MB], bounded="p50", limit=61)
    for model, limits in LIMITS.items():
        folder = sum(path.stat().st_size for path in model.iterdir())
        yield figure(f"models/{model.name}", "MB", [folder / MB], bounded="p50", limit=limits.size)


# --- over HTTP -------------------------------------------------------------------------------------------------------


def throughput(environment: Environment, folder: Path) -> Iterator[Figure]:
    with devhost(environment, folder / "app") as port:
        requests = [request(text) for text in probes.tweets(REQUESTS)]
        asyncio.run(drive(port, requests, CONNECTIONS[-1]))  # warm-up
        for connections in CONNECTIONS:
            start = time.perf_counter()
            latencies = asyncio.run(drive(port, requests, connections))
            rate = len(latencies) / (time.perf_counter() - start)
            name = f"HTTP, {connections} connection{'s' if connections > 1 else ''}"
            yield figure(f"{name}: throughput", "requests/s", [rate])
            yield figure(f"{name}: latency", "ms", [seconds * 1e3 for seconds in latencies])


@contextmanager
def devhost(environment: Environment, app: Path) -> Iterator[int]:
    """The port of the app behind `python -m devhost`, from a folder of its own: nobody's local.settings.json counts."""
    app.mkdir()
    for name in ("function_app.py", "host.json"):
        shutil.copy(ROOT / name, app)
    command = [sys.executable, "-m", "devhost", "--no-tables", "--no-monitoring", "--app", str(app)]
    with subprocess.Popen(
        command, cwd=ROOT, env={**environment, "PORT": "0"}, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            address = re.search(r"http://127\.0\.0\.1:(\d+)", process.stdout.readline())
            if address is None:
                raise SystemExit("devhost did not start")
            yield int(address[1])
        finally:
            process.terminate()


async def drive(port: int, requests: Sequence[bytes], connections: int) -> list[float]:
    """The latency of each request in seconds, over so many connections that are kept alive.

    Bare streams, because a full HTTP client takes more of the cores than the server under test.
    """
    waiting = iter(requests)
    latencies: list[float] = []

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for each in waiting:
            start = time.perf_counter()
            writer.write(each)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            assert length, head
            assert head.startswith(b"HTTP/1.1 200 "), head
            await reader.readexactly(int(length[1]))
            latencies.append(time.perf_counter() - start)
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(connection() for _ in range(connections)))
    return latencies


def request(text: str) -> bytes:
    body = json.dumps({"text": text}).encode()
    head = "POST /api/predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


# --- the report ------------------------------------------------------------------------------------------------------


def figure(
    name: str,
    unit: str,
    measured: Sequence[float],
    *,
    baseline: Sequence[float] = (),
    bounded: Bounded | None = None,
    limit: float | None = None,
) -> Figure:
    """p95 by nearest rank: of ten measurements it is the largest."""
    values: dict[str | None, float] = {"p50": statistics.median(measured)}
    if len(measured) > 1:
        values["p95"] = sorted(measured)[math.ceil(0.95 * len(measured)) - 1]
    if baseline:
        values["baseline"] = statistics.median(baseline)
        values["ratio"] = values["p50"] / values["baseline"]
    holds = None if limit is None else values[bounded] <= limit
    rounded = {str(key): float(f"{value:.4g}") for key, value in values.items()}
    return Figure(name, unit, len(measured), **rounded, bounded=bounded, limit=limit, holds=holds)


def about_the_machine() -> dict[str, Any]:
    """Also how busy it was before this began: figures of a busy machine are noise."""
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
    remarks = [f"Over HTTP the load generator and the server share the machine's {machine['cores']} cores."]
    if machine["load"] > 0.5:
        remarks.append(f"The machine was busy before this began (load {machine['load']}): the figures are noisy.")
    if not PACKAGE.is_file():
        remarks.append(f"{PACKAGE.relative_to(ROOT)} is not built, so its size was not measured: run make package.")
    return remarks


def table(report: Report) -> str:
    heads = ("", "n", "p50", "p95", "unit", "baseline", "ratio", "limit", "")
    rows = [heads, *map(row, report.figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        f"{' and '.join(report.models)}, {', '.join(f'{name} {value}' for name, value in report.machine.items())}",
        "",
    ]
    for name, *cells in rows:
        lines.append("  ".join([name.ljust(widths[0]), *map(str.rjust, cells, widths[1:])]).rstrip())
    missed = [each.name for each in report.figures if each.holds is False]
    verdict = f"Missed: {'; '.join(missed)}." if missed else "Every limit holds."
    return "\n".join([*lines, "", verdict, *report.notes, f"Written to {RESULTS.relative_to(ROOT)}."])


def row(figure: Figure) -> tuple[str, ...]:
    bounded = f"{figure.bounded} " if figure.n > 1 else ""
    limit = f"{bounded}≤ {figure.limit:g}" if figure.limit is not None else ""
    verdict = {True: "holds", False: "MISSED", None: ""}[figure.holds]
    p50, p95, baseline, ratio = map(number, (figure.p50, figure.p95, figure.baseline, figure.ratio))
    return figure.name, f"{figure.n:,}", p50, p95, figure.unit, baseline, ratio, limit, verdict


def number(value: float | None) -> str:
    """Three significant digits, no exponent."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    main()
