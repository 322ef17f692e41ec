"""What Application Insights is told of the app: records, measurements, failures. Never what a person wrote.

Whoever has something to tell logs it, and need not know this module:
    logging.getLogger("buzzguard.watch").info("feedback_erased", extra={"receipt": digest})
    logging.getLogger("buzzguard.watch.meter").info("predict.duration", extra={"value": 2.1, "by": {}})
A failure is whatever a logger under "buzzguard" says at WARNING or above.

OpenTelemetry takes half a second and 42 MB to import: it is set up in the background, after the first response. What is
told until then waits, with its own time and the trace that it belongs to.
"""

import atexit
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from typing import Any

WATCH = "buzzguard.watch"
METER = "buzzguard.watch.meter"

_HEAD_START = 0.05  # seconds that the runtime has to send the first response
_WAITING = 2048  # records, as many as OpenTelemetry's own queue takes; the oldest go first
_PATIENCE = 5  # seconds to connect, and to wait for an answer; only threads in the background wait
_LAST_EXPORT = 2  # seconds that the end of the process may be put off
_EXPORT = "opentelemetry.buzzguard"  # the logger that OpenTelemetry listens to
_INSTRUMENTED = "azure_sdk django fastapi flask httpx httpx2 psycopg2 requests urllib urllib3".split()

# An instance may be gone seconds after its last response: what waits for an export is lost with it. Records go out
# every second by default, measurements every minute.
_ENVIRONMENT = {
    "OTEL_METRIC_EXPORT_INTERVAL": "5000",  # milliseconds
    "OTEL_TRACES_SAMPLER": "microsoft.fixed_percentage",  # as infra/ has it for the host; by default 5 traces a second
    "OTEL_TRACES_SAMPLER_ARG": "1.0",
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "azure_functions",  # other detectors ask the network where they are
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",  # this and the next two: Microsoft's own statistics
    "APPLICATIONINSIGHTS_SDKSTATS_DISABLED": "true",
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
}

type Receive = Callable[[logging.LogRecord], None]

log = logging.getLogger("buzzguard.telemetry")

_traceparent: ContextVar[str] = ContextVar("traceparent", default="")
_after_first_response: Callable[[], None] | None = None


def start(connection_string: str | None) -> None:
    """Listens from now on. To be called once; without a connection string nobody listens and nothing is imported."""
    global _after_first_response
    watch = logging.getLogger(WATCH)
    watch.setLevel(logging.INFO if connection_string else logging.WARNING)
    if connection_string is None:
        return
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    desk = Desk()
    watch.addHandler(desk)
    watch.propagate = False  # the console is for people
    logging.getLogger("buzzguard").addHandler(desk)
    logging.getLogger("azure").setLevel(logging.WARNING)  # it would log every export
    end = threading.Event()
    thread = threading.Thread(target=_export, args=(connection_string, desk, end), name="telemetry", daemon=True)
    atexit.register(_finish, thread, end)
    _after_first_response = thread.start


@contextmanager
def invocation(traceparent: str) -> Iterator[None]:
    """What is told within belongs to this trace (W3C Trace Context). Every function does its work in one."""
    global _after_first_response
    token = _traceparent.set(traceparent)
    try:
        yield
    finally:
        _traceparent.reset(token)
        if _after_first_response is not None:  # functions are async: they end one after the other
            begin, _after_first_response = _after_first_response, None
            begin()


class Desk(logging.Handler):
    """Keeps what it is told until it is opened. Then it passes everything on, in the context it was told in."""

    def __init__(self) -> None:
        super().__init__()
        self.addFilter(lambda record: record.levelno >= logging.WARNING or record.name.startswith(WATCH))
        self._waiting: deque[tuple[Context, logging.LogRecord]] = deque(maxlen=_WAITING)
        self._deliver: Callable[[Context, logging.LogRecord], None] = lambda *told: self._waiting.append(told)

    def emit(self, record: logging.LogRecord) -> None:  # one at a time: the handler has a lock
        self._deliver(copy_context(), record)

    def open(self, receive: Receive) -> None:
        def deliver(context: Context, record: logging.LogRecord) -> None:
            try:
                context.run(receive, record)
            except Exception:  # no request fails because it was logged
                self.handleError(record)

        self.acquire()
        self._deliver = deliver  # from here on nothing is added to what waits
        self.release()
        while self._waiting:
            deliver(*self._waiting.popleft())


def _export(connection_string: str, desk: Desk, end: threading.Event) -> None:
    """Sets OpenTelemetry up, opens the desk, waits for the end of the process and exports what is left."""
    end.wait(_HEAD_START)
    try:
        receive, providers = _set_up(connection_string)
    except Exception:
        desk.open(lambda record: None)
        if threading.main_thread().is_alive():  # else it is too late for new threads, and for a word about it
            log.exception("Telemetry cannot be set up: none is sent.")
        return
    desk.open(receive)
    end.wait()
    for provider in providers:
        provider.shutdown()


def _finish(thread: threading.Thread, end: threading.Event) -> None:
    if thread.is_alive():  # there was a response
        end.set()
        thread.join(_LAST_EXPORT)


def _set_up(connection_string: str) -> tuple[Receive, list[Any]]:
    """What takes records to Application Insights, and the providers to shut down in the end.

    Managed identity: the exporters themselves read APPLICATIONINSIGHTS_AUTHENTICATION_STRING.
    """
    from azure.monitor.opentelemetry import configure_azure_monitor
    from opentelemetry._logs import get_logger_provider
    from opentelemetry.context import attach
    from opentelemetry.metrics import get_meter, get_meter_provider
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    configure_azure_monitor(
        connection_string=connection_string,
        logger_name=_EXPORT,
        enable_live_metrics=False,
        enable_performance_counters=False,
        disable_offline_storage=True,
        instrumentation_options={library: {"enabled": False} for library in _INSTRUMENTED},
        retry_total=0,  # the transport does it
        transport=_transport(),
    )
    providers: list[Any] = [get_logger_provider(), get_meter_provider()]
    for provider in providers:
        atexit.unregister(provider.shutdown)  # it would wait for half a minute
    export = logging.getLogger(_EXPORT)
    export.propagate = False
    meter = get_meter("buzzguard")
    instruments: dict[str, Callable[..., None]] = {
        "predict.duration": meter.create_histogram("predict.duration", "ms").record,
        "predictions": meter.create_counter("predictions").add,
        "unknown_words": meter.create_histogram("unknown_words").record,
    }
    extract = TraceContextTextMapPropagator().extract
    outside = extract({"traceparent": f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01"})

    def receive(record: logging.LogRecord) -> None:
        attributes = vars(record)
        if record.name == METER:
            instruments[record.msg](attributes["value"], attributes["by"])
        else:
            attach(extract({"traceparent": _traceparent.get()}, outside))  # in a copy of the context: for good
            export.handle(record)

    return receive, providers


def _transport() -> Any:
    """Sends again what got no answer, which azure-core does not: a POST may have been received.

    A record sent twice does no harm where receipts are counted; one that is lost may be the third of a burst. After
    some quiet minutes the first POST often goes into a connection that a gateway has dropped without a word.
    """
    import requests
    from azure.core.pipeline.transport import RequestsTransport
    from urllib3 import Retry

    busy = (408, 429, 500, 502, 503, 504)
    again = Retry(5, backoff_factor=0.5, allowed_methods=None, status_forcelist=busy, raise_on_status=False)
    session = requests.Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, requests.adapters.HTTPAdapter(max_retries=again))
    return RequestsTransport(session=session, session_owner=False, connection_timeout=_PATIENCE, read_timeout=_PATIENCE)
