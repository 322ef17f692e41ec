"""What Application Insights is told: by the real app, through the real exporter, at an endpoint of our own."""

import json
import os
import secrets
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, NamedTuple

import httpx
import msgspec
import pytest

from devhost.azurite import Azurite
from feedback.receipt import Receipts
from sentiment.manifest import MANIFEST_FILE, Baseline, Calibration, read_manifest
from tests.support.app import App, StartApp
from tests.support.paths import ROOT

KEY = "development-" + "k" * 32
DEADLINE = 60  # seconds; what has not happened by then does not happen

type Envelope = dict[str, Any]
type Behaviour = Literal["accept", "fail", "hang"]


class Ingestion:
    """Application Insights as the exporter meets it. `behaviour` is how it takes what it is sent."""

    def __init__(self) -> None:
        self.behaviour: Behaviour = "accept"
        self.accepted: list[bytes] = []
        self.attempts = 0
        self._changed = threading.Condition()
        self._port = 0
        self.listen()

    def listen(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), _handler(self))
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def turn(self, behaviour: Behaviour) -> None:
        with self._changed:
            self.behaviour = behaviour
            self._changed.notify_all()

    def take(self, body: bytes) -> int:
        """The status to answer with; 0 is to break off the connection."""
        with self._changed:
            self.attempts += 1
            self._changed.notify_all()
            match self.behaviour:
                case "accept":
                    self.accepted.append(body)
                    return 200
                case "fail":
                    return 500
                case "hang":
                    self._changed.wait_for(lambda: self.behaviour != "hang")
                    return 0

    def wait_for(self, happened: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(happened, DEADLINE), self.envelopes

    @property
    def connection_string(self) -> str:
        key = "00000000-0000-0000-0000-000000000000"
        return f"InstrumentationKey={key};IngestionEndpoint=http://127.0.0.1:{self._port}/"

    @property
    def envelopes(self) -> list[Envelope]:
        return [envelope for body in self.accepted for envelope in json.loads(body)]

    def of(self, kind: str) -> list[Envelope]:
        """Envelopes with Message, Exception or Metric data."""
        return [envelope for envelope in self.envelopes if envelope["data"]["baseType"] == f"{kind}Data"]

    @property
    def told(self) -> list[tuple[str, str]]:
        """Message and operation id of every record."""
        return [(envelope["data"]["baseData"]["message"], operation(envelope)) for envelope in self.of("Message")]

    def measured(self) -> tuple[dict[str, float], Counter[str]]:
        """Sum and number of the measurements; by decision, where there is one."""
        sums, numbers = Counter[str](), Counter[str]()
        for envelope in self.of("Metric"):
            (point,) = envelope["data"]["baseData"]["metrics"]
            name = properties(envelope).get("decision", point["name"])
            sums[name] += point["value"]
            numbers[name] += point["count"]
        return sums, numbers


def _handler(ingestion: Ingestion) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            assert self.path == "/v2.1/track"
            body = self.rfile.read(int(self.headers["content-length"]))
            status = ingestion.take(body)
            if status != 200:
                self.close_connection = True
            if status:
                n = len(json.loads(body))
                answer = json.dumps({"itemsReceived": n, "itemsAccepted": n, "errors": []}).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def operation(envelope: Envelope) -> str:
    return str(envelope["tags"]["ai.operation.id"])


def properties(envelope: Envelope) -> dict[str, str]:
    """Without the one that OpenTelemetry adds."""
    return {k: v for k, v in envelope["data"]["baseData"]["properties"].items() if k != "logger_name"}


@pytest.fixture
def ingestion() -> Iterator[Ingestion]:
    ingestion = Ingestion()
    yield ingestion
    ingestion.turn("fail")
    ingestion.close()


@pytest.fixture
def app(start_app: StartApp, ingestion: Ingestion, azurite: Azurite) -> App:
    return start_app(
        TABLES_CONNECTION_STRING=azurite.connection_string,
        APPLICATIONINSIGHTS_CONNECTION_STRING=ingestion.connection_string,
    )


class Sent(NamedTuple):
    trace: str
    response: httpx.Response
    start: datetime
    end: datetime


def send(app: App, method: str, path: str, body: object = None, flags: str = "01") -> Sent:
    trace, start = secrets.token_hex(16), datetime.now(UTC)
    headers = {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-{flags}"}
    response = app.http.request(method, path, json=body, headers=headers)
    return Sent(trace, response, start, datetime.now(UTC))


def test_everything_is_told_once_as_it_was(
    start_app: StartApp, ingestion: Ingestion, azurite: Azurite, model_folder: Path
) -> None:
    """From the very first request on, when there is nobody yet to tell it to."""
    sure = msgspec.structs.replace(
        read_manifest(model_folder),
        calibration=Calibration(slope=1000.0),
        baseline=Baseline((0.4, *[0.0] * 8, 0.6), 0.05),
    )
    (model_folder / MANIFEST_FILE).write_bytes(msgspec.json.encode(sure))
    app = start_app(
        MODEL=str(model_folder),
        TABLES_CONNECTION_STRING=azurite.connection_string,
        APPLICATIONINSIGHTS_CONNECTION_STRING=ingestion.connection_string,
    )
    one = send(app, "POST", "/api/predict", {"text": "the crew was great"}, flags="00")  # its caller keeps no trace
    two = send(app, "POST", "/api/predict", {"texts": ["the crew was awful", "zyzzyva the crew was great"]})
    receipt = one.response.json()["predictions"][0]["prediction_id"]
    feedback = {"prediction_id": receipt, "correct": False}
    wrong, again = (send(app, "POST", "/api/feedback", feedback) for _ in range(2))
    conflict = send(app, "POST", "/api/feedback", feedback | {"correct": True})
    erased = send(app, "DELETE", f"/api/feedback/{receipt}")
    right = send(app, "POST", "/api/feedback", feedback | {"correct": True})
    sent = [one, two, two, wrong, again, erased, right]
    assert [each.response.status_code for each in sent] == [200, 200, 200, 201, 200, 204, 201]
    assert conflict.response.status_code == 409

    ingestion.wait_for(lambda: len(ingestion.told) >= len(sent))
    names = [*["prediction"] * 3, *["bad_prediction"] * 2, "feedback_erased", "good_prediction"]
    assert Counter(ingestion.told) == Counter(zip(names, (each.trace for each in sent), strict=True))
    during = {each.trace: (each.start, each.end) for each in sent}
    for envelope in ingestion.of("Message"):
        start, end = during[operation(envelope)]
        assert start <= datetime.fromisoformat(envelope["time"]) <= end

    of = {operation(envelope): properties(envelope) for envelope in ingestion.of("Message")}
    version = one.response.json()["model"]["version"]
    assert 0 < float(of[one.trace].pop("latency_ms")) < (one.end - one.start) / timedelta(milliseconds=1)
    assert of[one.trace] == {
        "model": "tiny",
        "version": version,
        "label": "positive",
        "decision": "publish",
        "bucket": "9",
        "expected": "0.6",
        "length": "18",
        "unknown": "0.0",
        "unknown_expected": "0.05",
    }
    digest = {"receipt": Receipts([KEY], timedelta(days=30)).read(receipt).digest}
    report = digest | {"model": f"tiny@{version}", "label": "positive", "probability": "1.0"}
    assert of[wrong.trace] == of[again.trace] == of[right.trace] == report
    assert of[erased.trace] == digest
    bad, good = (properties(envelope) for envelope in ingestion.of("Message") if operation(envelope) == two.trace)
    assert (bad["label"], bad["decision"], bad["bucket"], bad["expected"]) == ("negative", "hold", "0", "0.4")
    assert (good["length"], good["unknown"]) == ("26", "0.2")

    ingestion.wait_for(lambda: ingestion.measured()[1].total() >= 6)
    sums, numbers = ingestion.measured()
    assert numbers == {"predict.duration": 2, "publish": 1, "hold": 1, "unknown_words": 3}
    assert (sums["publish"], sums["hold"], round(sums["unknown_words"], 3)) == (2, 1, 0.2)
    assert len(ingestion.envelopes) == len(ingestion.of("Message")) + len(ingestion.of("Metric"))


def test_no_request_suffers_from_an_endpoint_that_is_down(app: App, ingestion: Ingestion) -> None:
    """It hangs, it fails, it is gone. What it is told again when it is back, it is told once."""
    sent = set[str]()

    def predict() -> None:
        for _ in range(10):
            each = send(app, "POST", "/api/predict", {"text": "the crew was great"})
            assert each.response.status_code == 200
            sent.add(each.trace)

    ingestion.turn("hang")
    predict()
    ingestion.wait_for(lambda: ingestion.attempts == 1)
    predict()
    ingestion.turn("fail")
    ingestion.wait_for(lambda: ingestion.attempts == 2)
    predict()
    ingestion.close()
    predict()
    ingestion.turn("accept")
    ingestion.listen()
    ingestion.wait_for(lambda: len(ingestion.told) >= len(sent))
    assert Counter(ingestion.told) == Counter(("prediction", trace) for trace in sent)
    for envelope in ingestion.of("Message"):  # the model has no baseline
        assert "bucket" in properties(envelope) and not {"expected", "unknown_expected"} & set(properties(envelope))


WRITTEN = ["Zebulon", "zebulon@mail.example", "+33 6 12 34 56 78", "http://zebulon.example/x", "@zebulon"]
BODIES = [
    {"text": " ".join(WRITTEN)},
    {"texts": [*WRITTEN, " ".join(WRITTEN)], "explain": True},
    {"text": WRITTEN, WRITTEN[0]: 1},
    {WRITTEN[0]: 1},
    {"text": " ".join(WRITTEN) * 20},
]


def test_nobody_is_told_what_a_person_wrote(start_app: StartApp, ingestion: Ingestion) -> None:
    """Neither ops nor the console; not when it is well, not when the input is bad or the tables are down."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        endpoint = f"TableEndpoint=http://127.0.0.1:{nobody.getsockname()[1]}/a;"
        app = start_app(
            TABLES_CONNECTION_STRING=f"DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;{endpoint}",
            APPLICATIONINSIGHTS_CONNECTION_STRING=ingestion.connection_string,
        )
        statuses = [send(app, "POST", "/api/predict", body).response.status_code for body in BODIES]
        assert statuses == [200, 200, 400, 400, 400]
        broken = json.dumps(BODIES[0])[:-1].encode() + b"\xff"
        assert app.http.post("/api/predict", content=broken, headers={"content-type": "application/json"}).is_error
        text = " ".join(WRITTEN)
        receipt = Receipts([KEY], timedelta(days=30)).sign("tiny@1", 0.9, "positive", text)
        feedback = {"prediction_id": receipt, "correct": False, "text": text, "share_text": True, "comment": text}
        failed = send(app, "POST", "/api/feedback", feedback)
        assert failed.response.status_code == 503
    ingestion.wait_for(lambda: bool(ingestion.of("Exception")))
    (exception,) = ingestion.of("Exception")
    assert operation(exception) == failed.trace
    (details,) = exception["data"]["baseData"]["exceptions"]
    assert (details["typeName"], details["hasFullStack"]) == ("ServiceRequestError", True)
    assert "cloud/table_storage.py" in details["stack"]
    assert failed.response.headers["x-request-id"] == failed.trace and failed.trace in details["message"]
    assert len(ingestion.told) == 1 + len(WRITTEN) + 1
    everything = b"".join(ingestion.accepted).decode() + app.log.read_text()
    assert "zebulon" not in everything.lower() and WRITTEN[2] not in everything


TELL = """
import logging
from cloud import telemetry

logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
log, watch = logging.getLogger("buzzguard"), logging.getLogger("buzzguard.watch")
telemetry.start({connection_string!r})
log.error("before there was a request")
log.info("nothing for ops")
logging.getLogger("a.library").error("nothing of ours")
with telemetry.invocation("00-{trace}-00f067aa0ba902b7-01"):
    watch.info("feedback_erased", extra={{"receipt": "r"}})
    try:
        1 / 0
    except ZeroDivisionError:
        logging.getLogger("buzzguard.retention").exception("within one")
input()
log.warning("the last word")

from opentelemetry.trace import get_tracer
assert all(get_tracer("none").start_span("of many").is_recording() for _ in range(100))
"""


def tell(connection_string: str, trace: str = "nonsense", **environment: str) -> "subprocess.Popen[str]":
    script = TELL.format(connection_string=connection_string, trace=trace)
    pipes: Any = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    settings = os.environ | environment
    return subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, env=settings, text=True, **pipes)


# What the deployment sets for the host, whose samplers these are, and what nobody sets.
SAMPLERS = [{}, {"OTEL_TRACES_SAMPLER": "microsoft.fixed_percentage", "OTEL_TRACES_SAMPLER_ARG": "1.0"}]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=["nothing set", "as deployed"])
@pytest.mark.parametrize("trace", ["0af7651916cd43dd8448eb211c80319c", "nonsense"])
def test_ops_get_the_failures_and_people_the_console(ingestion: Ingestion, trace: str, sampler: dict[str, str]) -> None:
    """All of them, whatever the number: see the end of TELL."""
    with tell(ingestion.connection_string, trace, **sampler) as process:
        ingestion.wait_for(lambda: bool(ingestion.accepted))
        _, console = process.communicate("\n", timeout=DEADLINE)
    assert process.returncode == 0, console
    first, erased, last = ingestion.of("Message")
    (exception,) = ingestion.of("Exception")
    assert len(ingestion.envelopes) == 4
    messages = [envelope["data"]["baseData"]["message"] for envelope in (first, erased, last)]
    assert messages == ["before there was a request", "feedback_erased", "the last word"]
    assert properties(erased) == {"receipt": "r"}
    (details,) = exception["data"]["baseData"]["exceptions"]
    assert (details["typeName"], details["message"]) == ("ZeroDivisionError", "within one")
    assert operation(erased) == operation(exception) != "0" * 32
    assert (operation(erased) == trace) is (trace != "nonsense")
    assert operation(first) not in (trace, "0" * 32)
    lines = [line for line in console.splitlines() if line.startswith(("buzzguard", "a.library", "opentelemetry"))]
    assert lines == [
        "buzzguard: before there was a request",
        "buzzguard: nothing for ops",
        "a.library: nothing of ours",
        "buzzguard.retention: within one",
        "buzzguard: the last word",
    ]


def test_the_host_is_told_nothing_that_it_ignores() -> None:
    """With OpenTelemetry, its sampler is in the environment: github.com/Azure/azure-functions-host/issues/10770"""
    told = json.loads((ROOT / "host.json").read_text())
    assert told["telemetryMode"] == "OpenTelemetry"
    assert "applicationInsights" not in told.get("logging", {})


def test_a_process_does_not_wait_for_an_endpoint_that_hangs(ingestion: Ingestion) -> None:
    ingestion.turn("hang")
    with tell(ingestion.connection_string) as process:
        ingestion.wait_for(lambda: ingestion.attempts == 1)
        process.communicate("\n", timeout=20)  # OpenTelemetry itself would wait for 30 seconds, twice
    assert process.returncode == 0


MISTYPE = """
import logging, threading
from cloud import telemetry

logging.basicConfig(format="%(message)s")
telemetry.start("InstrumentationKey=mistyped")
with telemetry.invocation(""):
    logging.getLogger("buzzguard.watch").info("feedback_erased", extra={"receipt": "r"})
for thread in threading.enumerate():
    if thread.name == "telemetry":
        thread.join()
logging.getLogger("buzzguard.watch").info("feedback_erased", extra={"receipt": "r"})
"""


def test_people_are_told_when_ops_cannot_be() -> None:
    process = subprocess.run(
        [sys.executable, "-c", MISTYPE], cwd=ROOT, text=True, capture_output=True, timeout=DEADLINE
    )
    assert process.returncode == 0
    assert process.stderr.startswith("Telemetry cannot be set up")


USE = """
import asyncio, json, sys, threading
from pathlib import Path
from devhost.host.loader import load_app
from devhost.host.runtime import HttpRequest

def call(name, **body):
    headers = {"content-type": "application/json"}
    request = HttpRequest(
        method="POST",
        url="http://localhost/",
        headers=headers,
        body=json.dumps(body).encode(),
        traceparent=f"00-{1:032}-{1:016}-01",
    )
    return json.loads(asyncio.run(runtime.call_http(name, request)).body)

def state():
    imported = [name for name in sys.modules if name.startswith(("opentelemetry", "azure.monitor"))]
    return imported[:3], "telemetry" in [thread.name for thread in threading.enumerate()]

runtime = load_app(Path.cwd())
before = state()
(prediction,) = call("predict", text="the crew was great")["predictions"]
after = state()
call("feedback", prediction_id=prediction["prediction_id"], correct=False)
print(json.dumps([before, after, state()]))
"""


def use(azurite: Azurite, model_folder: Path, **environment: str) -> list[tuple[list[str], bool]]:
    """What is imported and whether the thread runs: before the first response, after it, after the second."""
    laptop = {"AZURE_FUNCTIONS_ENVIRONMENT": "Development", "RECEIPT_KEY": KEY, "MODEL": str(model_folder)}
    laptop["TABLES_CONNECTION_STRING"] = azurite.connection_string
    output = subprocess.check_output([sys.executable, "-c", USE], cwd=ROOT, env=os.environ | laptop | environment)
    return json.loads(output.splitlines()[-1])


def test_without_a_connection_string_nothing_is_imported(azurite: Azurite, model_folder: Path) -> None:
    assert use(azurite, model_folder) == [[[], False]] * 3


def test_nothing_is_imported_before_the_first_response(
    azurite: Azurite, model_folder: Path, ingestion: Ingestion
) -> None:
    before, after, _ = use(azurite, model_folder, APPLICATIONINSIGHTS_CONNECTION_STRING=ingestion.connection_string)
    assert (before, after[1]) == ([[], False], True)
