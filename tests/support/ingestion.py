"""The ingestion endpoint of Application Insights, for the real exporter."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

DEADLINE_SECONDS = 60  # what has not happened by then does not happen

type Envelope = dict[str, Any]
type Behaviour = Literal["accept", "fail", "hang"]


class Ingestion:
    """An HTTP server on a free port that accepts envelopes, fails, or hangs: see `behaviour`."""

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

    def set_behaviour(self, behaviour: Behaviour) -> None:
        with self._changed:
            self.behaviour = behaviour
            self._changed.notify_all()

    def receive(self, body: bytes) -> int:
        """Return the status to answer with; 0 closes the connection without an answer."""
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
            assert self._changed.wait_for(happened, DEADLINE_SECONDS), self.envelopes

    @property
    def connection_string(self) -> str:
        key = "00000000-0000-0000-0000-000000000000"
        return f"InstrumentationKey={key};IngestionEndpoint=http://127.0.0.1:{self._port}/"

    @property
    def envelopes(self) -> list[Envelope]:
        return [envelope for body in self.accepted for envelope in json.loads(body)]

    def envelopes_of(self, kind: str) -> list[Envelope]:
        """Return the envelopes with Message, Exception or Metric data."""
        return [envelope for envelope in self.envelopes if envelope["data"]["baseType"] == f"{kind}Data"]

    @property
    def messages(self) -> list[tuple[str, str]]:
        """Message and operation id of each event and log record."""
        events = self.envelopes_of("Message")
        return [(envelope["data"]["baseData"]["message"], operation_id(envelope)) for envelope in events]

    def measurements(self) -> tuple[dict[str, float], Counter[str]]:
        """Return sum and number of the measurements by metric; those with a decision, by decision."""
        sums, numbers = Counter[str](), Counter[str]()
        for envelope in self.envelopes_of("Metric"):
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
            status = ingestion.receive(body)
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


def operation_id(envelope: Envelope) -> str:
    return str(envelope["tags"]["ai.operation.id"])


def properties(envelope: Envelope) -> dict[str, str]:
    """Return the properties without the one that OpenTelemetry adds."""
    return {k: v for k, v in envelope["data"]["baseData"]["properties"].items() if k != "logger_name"}
