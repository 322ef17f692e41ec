"""A table service that crashes is started again."""

import os
import signal
import threading
from pathlib import Path

import pytest
from azure.data.tables import TableClient

from devhost.azurite import Azurite
from devhost.azurite_restarts import keep_running, restart_after_crashes
from devhost.errors import HostError


class CrashingAzurite(Azurite):
    """Crashes as often as `crashes` says, and is then killed on purpose. Remembers the rows that it had each time."""

    def __init__(self, folder: Path, crashes: int) -> None:
        super().__init__(folder)
        self.rows: list[list[str]] = []
        self._crashes = crashes

    def wait_for_crash(self) -> bool:
        with TableClient.from_connection_string(self.connection_string, "feedback", retry_total=0) as table:
            self.rows.append([str(entity["RowKey"]) for entity in table.list_entities()])
        if len(self.rows) > self._crashes:
            self.kill()
        elif self.pid:
            os.kill(self.pid, signal.SIGKILL)
        return super().wait_for_crash()


class StillAzurite(Azurite):
    """Never starts a process, and crashes as often as `crashes` says."""

    def __init__(self, folder: Path, crashes: int) -> None:
        super().__init__(folder)
        self._crashes = crashes
        self._runs = True

    @property
    def pid(self) -> int | None:
        return 1 if self._runs else None

    def start(self) -> None:
        self._runs = True

    def wait_for_crash(self) -> bool:
        self._runs = False
        self._crashes -= 1
        return self._crashes >= 0


class Delays(threading.Event):
    """Records delays instead of waiting, and is set after `limit` of them."""

    def __init__(self, limit: int = 100) -> None:
        super().__init__()
        self.seconds: list[float | None] = []
        self._limit = limit

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout)
        return len(self.seconds) >= self._limit


def create_row(azurite: Azurite) -> None:
    with TableClient.from_connection_string(azurite.connection_string, "feedback") as table:
        table.create_table()
        table.create_entity({"PartitionKey": "p", "RowKey": "1"})


def test_crashed_service_runs_again_with_its_data(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with CrashingAzurite(tmp_path, crashes=1) as azurite:
        create_row(azurite)
        delays, address = Delays(), azurite.connection_string
        restart_after_crashes(azurite, delays)
    assert azurite.rows == [["1"]] * 2
    assert azurite.connection_string == address
    assert delays.seconds == [0.5]
    assert caplog.text.count("Azurite has ended: starting it again in 0.5 s") == 1


def test_service_that_ran_for_long_begins_with_the_first_delay(tmp_path: Path) -> None:
    """The second of three crashes comes after a minute."""
    times = iter((0, 1, 1, 62, 62, 63, 63))
    azurite = StillAzurite(tmp_path, crashes=3)
    delays = Delays()
    restart_after_crashes(azurite, delays, clock=lambda: next(times))
    assert delays.seconds == [0.5, 0.5, 1]


def test_says_why_it_cannot_start_and_tries_less_and_less_often(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Damaged(StillAzurite):
        def start(self) -> None:
            raise HostError("tables.json is damaged")

    delays = Delays(limit=9)
    restart_after_crashes(Damaged(tmp_path, crashes=1), delays)
    assert delays.seconds == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert caplog.text.count("tables.json is damaged") == 8


class AnnouncingAzurite(Azurite):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.started = threading.Event()

    def start(self) -> None:
        super().start()
        self.started.set()


def test_keeps_running_until_the_context_ends(tmp_path: Path) -> None:
    with AnnouncingAzurite(tmp_path) as azurite:
        crashed = azurite.pid
        assert crashed
        azurite.started.clear()
        with keep_running(azurite):
            os.kill(crashed, signal.SIGKILL)
            assert azurite.started.wait(60)
            assert azurite.pid not in (None, crashed)
        assert azurite.pid is None
