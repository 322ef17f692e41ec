"""Telemetry of the real app, through the real exporter: nothing personal, and no request waits for it."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from devhost.azurite import Azurite, connection_string
from feedback.receipt import Receipts
from tests.support.app import RECEIPT_KEY, App, StartApp
from tests.support.ingestion import DEADLINE_SECONDS, Ingestion, operation_id, properties
from tests.support.paths import ROOT
from tests.support.traced import send


@pytest.fixture
def ingestion() -> Iterator[Ingestion]:
    ingestion = Ingestion()
    yield ingestion
    ingestion.set_behaviour("fail")
    ingestion.close()


@pytest.fixture
def app(start_app: StartApp, ingestion: Ingestion, azurite: Azurite) -> App:
    return start_app(
        TABLES_CONNECTION_STRING=azurite.connection_string,
        APPLICATIONINSIGHTS_CONNECTION_STRING=ingestion.connection_string,
    )


def test_requests_succeed_while_the_endpoint_is_down(app: App, ingestion: Ingestion) -> None:
    """The endpoint hangs, fails and is gone. When it is back, it gets each event once."""
    sent = set[str]()

    def predict() -> None:
        for _ in range(10):
            each = send(app, "POST", "/api/predict", {"text": "the crew was great"})
            assert each.response.status_code == 200
            sent.add(each.trace)

    ingestion.set_behaviour("hang")
    predict()
    ingestion.wait_for(lambda: ingestion.attempts == 1)
    predict()
    ingestion.set_behaviour("fail")
    ingestion.wait_for(lambda: ingestion.attempts == 2)
    predict()
    ingestion.close()
    predict()
    ingestion.set_behaviour("accept")
    ingestion.listen()
    ingestion.wait_for(lambda: len(ingestion.messages) >= len(sent))
    assert Counter(ingestion.messages) == Counter(("prediction", trace) for trace in sent)
    for envelope in ingestion.envelopes_of("Message"):  # the model has no baseline
        assert "bucket" in properties(envelope) and not {"expected", "unknown_expected"} & set(properties(envelope))


WRITTEN = ["Zebulon", "zebulon@mail.example", "+33 6 12 34 56 78", "http://zebulon.example/x", "@zebulon"]
BODIES = [
    {"text": " ".join(WRITTEN)},
    {"texts": [*WRITTEN, " ".join(WRITTEN)], "explain": True},
    {"text": WRITTEN, WRITTEN[0]: 1},
    {WRITTEN[0]: 1},
    {"text": " ".join(WRITTEN) * 20},
]


def test_telemetry_and_log_hold_nothing_a_person_wrote(
    start_app: StartApp, ingestion: Ingestion, closed_port: int
) -> None:
    """Not for good requests, not for bad input, not while the tables are down."""
    app = start_app(
        TABLES_CONNECTION_STRING=connection_string(closed_port),
        APPLICATIONINSIGHTS_CONNECTION_STRING=ingestion.connection_string,
    )
    statuses = [send(app, "POST", "/api/predict", body).response.status_code for body in BODIES]
    assert statuses == [200, 200, 400, 400, 400]
    broken = json.dumps(BODIES[0])[:-1].encode() + b"\xff"
    assert app.http.post("/api/predict", content=broken, headers={"content-type": "application/json"}).is_error
    text = " ".join(WRITTEN)
    receipt = Receipts([RECEIPT_KEY], timedelta(days=30)).sign("tiny@1", 0.9, "positive", text)
    feedback = {"prediction_id": receipt, "correct": False, "text": text, "share_text": True, "comment": text}
    failed = send(app, "POST", "/api/feedback", feedback)
    assert failed.response.status_code == 503
    ingestion.wait_for(lambda: bool(ingestion.envelopes_of("Exception")))
    (exception,) = ingestion.envelopes_of("Exception")
    assert operation_id(exception) == failed.trace
    (details,) = exception["data"]["baseData"]["exceptions"]
    assert (details["typeName"], details["hasFullStack"]) == ("ServiceRequestError", True)
    assert "cloud/table_storage.py" in details["stack"]
    assert failed.response.headers["x-request-id"] == failed.trace and failed.trace in details["message"]
    assert len(ingestion.messages) == 1 + len(WRITTEN) + 1
    everything = b"".join(ingestion.accepted).decode() + app.log.read_text()
    assert "zebulon" not in everything.lower() and WRITTEN[2] not in everything


SCRIPT = """
import logging
from cloud import telemetry

logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
log = logging.getLogger("buzzguard")
telemetry.start({connection_string!r})
log.error("before the first request")
log.info("not exported")
logging.getLogger("a.library").error("of a library")
with telemetry.trace_context("00-{trace}-00f067aa0ba902b7-01"):
    telemetry.event("feedback_erased", receipt="r")
    try:
        1 / 0
    except ZeroDivisionError:
        logging.getLogger("buzzguard.retention").exception("within a request")
input()
log.warning("the last word")

from opentelemetry.trace import get_tracer
assert all(get_tracer("test").start_span("test").is_recording() for _ in range(100))
"""


def start_script(connection_string: str, trace: str = "nonsense", **environment: str) -> "subprocess.Popen[str]":
    script = SCRIPT.format(connection_string=connection_string, trace=trace)
    pipes: Any = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    settings = os.environ | environment
    return subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, env=settings, text=True, **pipes)


# Without settings, and with those that the deployment makes for the host's sampler.
SAMPLERS = [{}, {"OTEL_TRACES_SAMPLER": "microsoft.fixed_percentage", "OTEL_TRACES_SAMPLER_ARG": "1.0"}]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=["default", "as deployed"])
@pytest.mark.parametrize("trace", ["0af7651916cd43dd8448eb211c80319c", "nonsense"])
def test_exports_events_and_warnings_in_their_trace_and_leaves_the_console_alone(
    ingestion: Ingestion, trace: str, sampler: dict[str, str]
) -> None:
    """No sampler drops anything: see the end of SCRIPT."""
    with start_script(ingestion.connection_string, trace, **sampler) as process:
        ingestion.wait_for(lambda: bool(ingestion.accepted))
        _, console = process.communicate("\n", timeout=DEADLINE_SECONDS)
    assert process.returncode == 0, console
    first, erased, last = ingestion.envelopes_of("Message")
    (exception,) = ingestion.envelopes_of("Exception")
    assert len(ingestion.envelopes) == 4
    messages = [envelope["data"]["baseData"]["message"] for envelope in (first, erased, last)]
    assert messages == ["before the first request", "feedback_erased", "the last word"]
    assert properties(erased) == {"receipt": "r"}
    (details,) = exception["data"]["baseData"]["exceptions"]
    assert (details["typeName"], details["message"]) == ("ZeroDivisionError", "within a request")
    assert operation_id(erased) == operation_id(exception) != "0" * 32
    assert (operation_id(erased) == trace) is (trace != "nonsense")
    assert operation_id(first) not in (trace, "0" * 32)
    lines = [line for line in console.splitlines() if line.startswith(("buzzguard", "a.library", "opentelemetry"))]
    assert lines == [
        "buzzguard: before the first request",
        "buzzguard: not exported",
        "a.library: of a library",
        "buzzguard.retention: within a request",
        "buzzguard: the last word",
    ]


def test_host_json_leaves_sampling_to_opentelemetry() -> None:
    """The host then takes its sampler from the environment.

    https://github.com/Azure/azure-functions-host/issues/10770
    """
    host = json.loads((ROOT / "host.json").read_text())
    assert host["telemetryMode"] == "OpenTelemetry"
    assert "applicationInsights" not in host.get("logging", {})


def test_process_ends_although_the_endpoint_hangs(ingestion: Ingestion) -> None:
    ingestion.set_behaviour("hang")
    with start_script(ingestion.connection_string) as process:
        ingestion.wait_for(lambda: ingestion.attempts == 1)
        process.communicate("\n", timeout=20)  # OpenTelemetry itself would wait for 30 seconds, twice
    assert process.returncode == 0


INVALID_CONNECTION_STRING = """
import logging, threading
from cloud import telemetry

logging.basicConfig(format="%(message)s")
telemetry.start("InstrumentationKey=mistyped")
with telemetry.trace_context(""):
    telemetry.event("feedback_erased", receipt="r")
for thread in threading.enumerate():
    if thread.name == "telemetry":
        thread.join()
telemetry.event("feedback_erased", receipt="r")
"""


def test_logs_that_telemetry_cannot_be_set_up() -> None:
    process = subprocess.run(
        [sys.executable, "-c", INVALID_CONNECTION_STRING],
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=DEADLINE_SECONDS,
    )
    assert process.returncode == 0
    assert process.stderr.startswith("Telemetry cannot be set up")


USE_APP = """
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


def use_app(azurite: Azurite, model_folder: Path, **environment: str) -> list[tuple[list[str], bool]]:
    """Return what is imported and whether the thread runs: before the first response, after it, after the second."""
    laptop = {
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        "RECEIPT_KEY": RECEIPT_KEY,
        "MODEL": str(model_folder),
    }
    laptop["TABLES_CONNECTION_STRING"] = azurite.connection_string
    output = subprocess.check_output([sys.executable, "-c", USE_APP], cwd=ROOT, env=os.environ | laptop | environment)
    return json.loads(output.splitlines()[-1])


def test_imports_nothing_without_a_connection_string(azurite: Azurite, model_folder: Path) -> None:
    assert use_app(azurite, model_folder) == [[[], False]] * 3


def test_imports_nothing_before_the_first_response(azurite: Azurite, model_folder: Path, ingestion: Ingestion) -> None:
    before, after, _ = use_app(azurite, model_folder, APPLICATIONINSIGHTS_CONNECTION_STRING=ingestion.connection_string)
    assert (before, after[1]) == ([[], False], True)
