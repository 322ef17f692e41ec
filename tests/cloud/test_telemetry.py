"""Events and metrics, and the handler that buffers them until OpenTelemetry is set up."""

import logging
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import pytest

from cloud import telemetry
from cloud.telemetry import EVENTS_LOGGER, METRICS_LOGGER, BufferingHandler

request: ContextVar[int] = ContextVar("request", default=0)


@pytest.fixture
def handler() -> BufferingHandler:
    return BufferingHandler()


@pytest.fixture
def log(handler: BufferingHandler) -> Iterator[logging.Logger]:
    """Yield a logger whose records `handler` gets."""
    logger = logging.getLogger(f"{EVENTS_LOGGER}.tested")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    yield logger
    logger.removeHandler(handler)


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[logging.LogRecord]]:
    """Enable telemetry and yield a list to which each event and measurement is added."""
    received: list[logging.LogRecord] = []
    handler = BufferingHandler()
    handler.open(received.append)
    logger = logging.getLogger(EVENTS_LOGGER)
    monkeypatch.setattr(logger, "propagate", False)
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield received
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_event_is_a_record_with_its_fields(records: list[logging.LogRecord]) -> None:
    telemetry.event("feedback_erased", receipt="a digest")
    (record,) = records
    fields: Any = record
    assert (record.name, record.getMessage(), fields.receipt) == ("buzzguard.watch", "feedback_erased", "a digest")
    assert record.funcName == "test_event_is_a_record_with_its_fields"


def test_measurement_is_a_record_with_value_and_attributes(records: list[logging.LogRecord]) -> None:
    telemetry.record("predictions", 1, decision="hold")
    (record,) = records
    measurement: Any = record
    assert (record.name, record.getMessage()) == ("buzzguard.watch.meter", "predictions")
    assert (measurement.value, measurement.attributes) == (1, {"decision": "hold"})


def test_rejects_unknown_metric() -> None:
    unknown: Any = "prediction.duration"
    with pytest.raises(ValueError, match="unknown metric 'prediction.duration': METRICS has predict.duration"):
        telemetry.record(unknown, 1)


@pytest.mark.parametrize(("level", "enabled"), [(logging.INFO, True), (logging.WARNING, False)])
def test_is_enabled_only_while_events_are_logged(records: list[logging.LogRecord], level: int, enabled: bool) -> None:
    logging.getLogger(EVENTS_LOGGER).setLevel(level)
    telemetry.event("feedback_erased")
    assert telemetry.is_enabled() is enabled
    assert bool(records) is enabled


def test_record_is_delivered_in_the_context_it_was_logged_in(handler: BufferingHandler, log: logging.Logger) -> None:
    received = []
    for n in range(3):
        request.set(n)
        log.info("%d", n)
    handler.open(lambda record: received.append((record.getMessage(), request.get())))
    request.set(3)
    log.info("3")
    assert received == [("0", 0), ("1", 1), ("2", 2), ("3", 3)]


def test_every_record_is_delivered_once_while_the_handler_opens(handler: BufferingHandler, log: logging.Logger) -> None:
    received, ready = [], threading.Barrier(9)

    def write(thread: int) -> None:
        ready.wait()
        for n in range(200):
            log.info("%d", 200 * thread + n)

    threads = [threading.Thread(target=write, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    ready.wait()
    handler.open(lambda record: received.append(record.args[0]))  # type: ignore[index]
    for thread in threads:
        thread.join()
    assert sorted(received) == list(range(1600))


def test_full_buffer_drops_the_oldest_records(handler: BufferingHandler, log: logging.Logger) -> None:
    received = []
    for n in range(10_000):
        log.info("%d", n)
    handler.open(lambda record: received.append(record.getMessage()))
    assert received == [str(n) for n in range(10_000 - 2048, 10_000)]


@pytest.mark.parametrize("opened", [False, True])
def test_record_that_cannot_be_delivered_raises_nothing(
    handler: BufferingHandler, log: logging.Logger, opened: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    def receive(record: logging.LogRecord) -> None:
        received.append(record.getMessage())

    received: list[str] = []
    if opened:
        handler.open(receive)
    log.info("%d", "no number")
    log.info("fine")
    handler.open(receive)
    assert received == ["fine"]
    assert "no number" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "level", "kept"),
    [
        (EVENTS_LOGGER, logging.INFO, True),
        (METRICS_LOGGER, logging.INFO, True),
        ("buzzguard.http", logging.INFO, False),
        ("buzzguard.http", logging.WARNING, True),
    ],
)
def test_handler_keeps_events_metrics_and_warnings(
    handler: BufferingHandler, name: str, level: int, kept: bool
) -> None:
    received: list[str] = []
    handler.open(lambda record: received.append(record.name))
    handler.handle(logging.LogRecord(name, level, "", 0, "", None, None))
    assert received == [name] * kept
