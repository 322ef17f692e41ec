"""Telemetry for Application Insights: events, metrics, and every log record under "buzzguard" from WARNING on.

    telemetry.event("feedback_erased", receipt=digest)
    telemetry.record("predict.duration", milliseconds)

Never put text that a person wrote into it.

OpenTelemetry takes half a second and 42 MB to import. It is set up in a background thread after the first response;
until then records are buffered, each with its own time and trace.
"""

import atexit
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from typing import Any, Literal

SETUP_DELAY_SECONDS = 0.05  # gives the runtime time to send the first response
MAX_BUFFERED_RECORDS = 2048  # as many as OpenTelemetry's own queue takes; the oldest are dropped
EXPORT_TIMEOUT_SECONDS = 5  # to connect, and to wait for a response; only background threads wait
SHUTDOWN_TIMEOUT_SECONDS = 2  # how long the last export may delay the end of the process

EVENTS_LOGGER = "buzzguard.watch"  # Application Insights shows it as the property logger_name
METRICS_LOGGER = "buzzguard.watch.meter"
_OTEL_LOGGER = "opentelemetry.buzzguard"  # OpenTelemetry exports what this logger gets

# An instance may be gone seconds after its last response, and what was not exported is lost with it. Log records are
# exported every second by default, metrics every minute.
_ENVIRONMENT = {
    "OTEL_METRIC_EXPORT_INTERVAL": "5000",  # milliseconds
    "OTEL_TRACES_SAMPLER": "microsoft.fixed_percentage",  # as infra/ has it for the host; by default 5 traces a second
    "OTEL_TRACES_SAMPLER_ARG": "1.0",
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "azure_functions",  # other detectors ask the network where they are
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",  # this and the next two: Microsoft's own statistics
    "APPLICATIONINSIGHTS_SDKSTATS_DISABLED": "true",
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
}
_INSTRUMENTED = "azure_sdk django fastapi flask httpx httpx2 psycopg2 requests urllib urllib3".split()

type Metric = Literal["predict.duration", "predictions", "unknown_words"]

# Metric -> kind of its instrument, unit.
METRICS: dict[Metric, tuple[Literal["counter", "histogram"], str]] = {
    "predict.duration": ("histogram", "ms"),
    "predictions": ("counter", ""),
    "unknown_words": ("histogram", ""),
}

type Receive = Callable[[logging.LogRecord], None]

log = logging.getLogger("buzzguard.telemetry")

_events = logging.getLogger(EVENTS_LOGGER)
_metrics = logging.getLogger(METRICS_LOGGER)
_traceparent: ContextVar[str] = ContextVar("traceparent", default="")


def event(name: str, /, **fields: object) -> None:
    """Record that something happened. `fields` become its properties."""
    _events.info(name, extra=fields, stacklevel=2)


def record(metric: Metric, value: float, /, **attributes: str) -> None:
    """Add a measurement to a metric. Raises ValueError for a metric that is not in METRICS."""
    if metric not in METRICS:
        raise ValueError(f"unknown metric {metric!r}: METRICS has {', '.join(METRICS)}")
    _metrics.info(metric, extra={"value": value, "attributes": attributes}, stacklevel=2)


def is_enabled() -> bool:
    """Return whether events and metrics are recorded."""
    return _events.isEnabledFor(logging.INFO)


def start(connection_string: str | None) -> None:
    """Buffer telemetry from now on, and export it from the first response on. Call it once per process.

    Without a connection string nothing is recorded and nothing is imported.
    """
    _events.setLevel(logging.INFO if connection_string else logging.WARNING)
    if connection_string is None:
        return
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    buffer = BufferingHandler()
    _events.addHandler(buffer)
    _events.propagate = False  # the console is for people
    logging.getLogger("buzzguard").addHandler(buffer)
    logging.getLogger("azure").setLevel(logging.WARNING)  # it would log every export
    end = threading.Event()
    thread = threading.Thread(target=_export, args=(connection_string, buffer, end), name="telemetry", daemon=True)
    atexit.register(_shut_down, thread, end)
    _after_first_response.schedule(thread.start)


@contextmanager
def trace_context(traceparent: str) -> Iterator[None]:
    """Assign the telemetry of this block to a trace (W3C Trace Context). Every function of the app runs in one."""
    token = _traceparent.set(traceparent)
    try:
        yield
    finally:
        _traceparent.reset(token)
        _after_first_response.run()


class _Once:
    """A callback that runs once. It needs no lock: functions are async, so they end one after the other."""

    def __init__(self) -> None:
        self._callback: Callable[[], None] | None = None

    def schedule(self, callback: Callable[[], None]) -> None:
        self._callback = callback

    def run(self) -> None:
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()


_after_first_response = _Once()


class BufferingHandler(logging.Handler):
    """Buffers records until `open` gives it a receiver, then passes on all, each in the context it was logged in."""

    def __init__(self) -> None:
        super().__init__()
        self.addFilter(lambda record: record.levelno >= logging.WARNING or record.name.startswith(EVENTS_LOGGER))
        self._buffer: deque[tuple[Context, logging.LogRecord]] = deque(maxlen=MAX_BUFFERED_RECORDS)
        self._deliver: Callable[[Context, logging.LogRecord], None] = lambda *item: self._buffer.append(item)

    def emit(self, record: logging.LogRecord) -> None:  # one at a time: the handler has a lock
        self._deliver(copy_context(), record)

    def open(self, receive: Receive) -> None:
        def deliver(context: Context, record: logging.LogRecord) -> None:
            try:
                context.run(receive, record)
            except Exception:  # no request may fail because of its telemetry
                self.handleError(record)

        self.acquire()
        self._deliver = deliver  # from here on nothing is added to the buffer
        self.release()
        while self._buffer:
            deliver(*self._buffer.popleft())


def _export(connection_string: str, buffer: BufferingHandler, end: threading.Event) -> None:
    """Set OpenTelemetry up, pass it the buffered records, wait for the end of the process and export the rest."""
    end.wait(SETUP_DELAY_SECONDS)
    try:
        receive, providers = _set_up(connection_string)
    except Exception:
        buffer.open(lambda record: None)
        if threading.main_thread().is_alive():  # else the process is ending, which is why new threads are refused
            log.exception("Telemetry cannot be set up: none is sent.")
        return
    buffer.open(receive)
    end.wait()
    for provider in providers:
        provider.shutdown()


def _shut_down(thread: threading.Thread, end: threading.Event) -> None:
    if thread.is_alive():  # it starts with the first response
        end.set()
        thread.join(SHUTDOWN_TIMEOUT_SECONDS)


def _set_up(connection_string: str) -> tuple[Receive, list[Any]]:
    """Return the function that sends a record to Application Insights, and the providers to shut down at the end.

    Managed identity: the exporters themselves read APPLICATIONINSIGHTS_AUTHENTICATION_STRING.
    """
    from azure.monitor.opentelemetry import configure_azure_monitor
    from opentelemetry._logs import get_logger_provider
    from opentelemetry.context import attach
    from opentelemetry.metrics import get_meter_provider
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    configure_azure_monitor(
        connection_string=connection_string,
        logger_name=_OTEL_LOGGER,
        enable_live_metrics=False,
        enable_performance_counters=False,
        disable_offline_storage=True,
        instrumentation_options={library: {"enabled": False} for library in _INSTRUMENTED},
        retry_total=0,  # the transport retries
        transport=_transport(),
    )
    providers: list[Any] = [get_logger_provider(), get_meter_provider()]
    for provider in providers:
        atexit.unregister(provider.shutdown)  # it would wait for half a minute
    export = logging.getLogger(_OTEL_LOGGER)
    export.propagate = False
    instruments = _instruments()
    extract = TraceContextTextMapPropagator().extract
    no_trace = extract({"traceparent": f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01"})

    def receive(record: logging.LogRecord) -> None:
        if record.name == METRICS_LOGGER:
            measurement = vars(record)
            instruments[record.msg](measurement["value"], measurement["attributes"])
        else:
            attach(extract({"traceparent": _traceparent.get()}, no_trace))  # this runs in a copy of the context
            export.handle(record)

    return receive, providers


def _instruments() -> dict[str, Callable[..., None]]:
    """Return for each metric the function that adds a value with attributes."""
    from opentelemetry.metrics import get_meter

    meter = get_meter("buzzguard")
    return {
        name: meter.create_counter(name, unit).add if kind == "counter" else meter.create_histogram(name, unit).record
        for name, (kind, unit) in METRICS.items()
    }


def _transport() -> Any:
    """Return a transport that retries a POST without a response, which azure-core does not: it may have been received.

    A record sent twice does no harm, since queries count distinct receipts; a lost one may be the third of a burst.
    After some quiet minutes the first POST often goes into a connection that a gateway has silently dropped.
    """
    import requests
    from azure.core.pipeline.transport import RequestsTransport
    from urllib3 import Retry

    busy = (408, 429, 500, 502, 503, 504)
    retry = Retry(5, backoff_factor=0.5, allowed_methods=None, status_forcelist=busy, raise_on_status=False)
    session = requests.Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, requests.adapters.HTTPAdapter(max_retries=retry))
    return RequestsTransport(
        session=session,
        session_owner=False,
        connection_timeout=EXPORT_TIMEOUT_SECONDS,
        read_timeout=EXPORT_TIMEOUT_SECONDS,
    )
