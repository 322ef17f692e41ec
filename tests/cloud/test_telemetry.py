"""The desk: what it is told before it is opened, and while."""

import logging
import threading
from collections.abc import Iterator
from contextvars import ContextVar

import pytest

from cloud.telemetry import BufferingHandler

request: ContextVar[int] = ContextVar("request", default=0)


@pytest.fixture
def desk() -> BufferingHandler:
    return BufferingHandler()


@pytest.fixture
def log(desk: BufferingHandler) -> Iterator[logging.Logger]:
    logger = logging.getLogger("buzzguard.watch.desk")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(desk)
    yield logger
    logger.removeHandler(desk)


def test_a_record_comes_with_the_context_that_it_was_logged_in(desk: BufferingHandler, log: logging.Logger) -> None:
    told = []
    for n in range(3):
        request.set(n)
        log.info("%d", n)
    desk.open(lambda record: told.append((record.getMessage(), request.get())))
    request.set(3)
    log.info("3")
    assert told == [("0", 0), ("1", 1), ("2", 2), ("3", 3)]


def test_none_is_lost_and_none_comes_twice_while_it_opens(desk: BufferingHandler, log: logging.Logger) -> None:
    told, ready = [], threading.Barrier(9)

    def write(thread: int) -> None:
        ready.wait()
        for n in range(200):
            log.info("%d", 200 * thread + n)

    threads = [threading.Thread(target=write, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    ready.wait()
    desk.open(lambda record: told.append(record.args[0]))  # type: ignore[index]
    for thread in threads:
        thread.join()
    assert sorted(told) == list(range(1600))


def test_what_waits_is_bounded_and_the_newest_stay(desk: BufferingHandler, log: logging.Logger) -> None:
    told = []
    for n in range(10_000):
        log.info("%d", n)
    desk.open(lambda record: told.append(record.getMessage()))
    assert told == [str(n) for n in range(10_000 - 2048, 10_000)]


@pytest.mark.parametrize("opened", [False, True])
def test_nobody_suffers_from_what_cannot_be_passed_on(
    desk: BufferingHandler, log: logging.Logger, opened: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    def receive(record: logging.LogRecord) -> None:
        told.append(record.getMessage())

    told: list[str] = []
    if opened:
        desk.open(receive)
    log.info("%d", "no number")
    log.info("fine")
    desk.open(receive)
    assert told == ["fine"]
    assert "no number" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "level", "kept"),
    [
        ("buzzguard.watch", logging.INFO, True),
        ("buzzguard.watch.meter", logging.INFO, True),
        ("buzzguard.http", logging.INFO, False),
        ("buzzguard.http", logging.WARNING, True),
    ],
)
def test_ops_are_told_records_and_failures(desk: BufferingHandler, name: str, level: int, kept: bool) -> None:
    told: list[str] = []
    desk.open(lambda record: told.append(record.name))
    desk.handle(logging.LogRecord(name, level, "", 0, "", None, None))
    assert told == [name] * kept
