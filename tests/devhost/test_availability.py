"""The availability test: its requests, its results and its alert."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from msgspec.structs import replace

from devhost.errors import HostError
from devhost.monitoring.alert_rules import Alert, Monitor
from devhost.monitoring.availability import Prober, WebTest, read_web_test
from devhost.monitoring.local_monitoring import INFRA
from devhost.monitoring.log_analytics import Row, Workspace
from tests.devhost.rules import MINUTE, NOON
from tests.support.http_server import serve_http

HANGS = 0  # a status: do not respond


class Site:
    """An app that responds with `status`."""

    def __init__(self) -> None:
        self.status = 200
        self.paths: list[str] = []
        self.released = threading.Event()  # ends HANGS


@pytest.fixture
def site() -> Iterator[tuple[Site, str]]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.paths.append(self.path)
            if site.status == HANGS:
                site.released.wait(20)
            self.send_response(site.status or 200)
            self.end_headers()

    with serve_http(Handler) as address:
        yield site, address
        site.released.set()


@pytest.fixture
def web_test() -> WebTest:
    return read_web_test(INFRA / "availability.json")


def run(prober: Prober, rows: list[tuple[str, Row]], minutes: range = range(1)) -> list[Row]:
    rows.clear()
    for minute in minutes:
        prober.tick(NOON + minute * MINUTE)
    assert {table for table, _ in rows} <= {"AppAvailabilityResults"}
    return [row for _, row in rows]


@pytest.mark.parametrize(
    ("status", "message"),
    [(200, "Passed"), (204, "204 - No Content"), (503, "503 - Service Unavailable"), (404, "404 - Not Found")],
)
def test_passes_only_status_200_and_writes_a_row_per_location(
    site: tuple[Site, str], web_test: WebTest, status: int, message: str
) -> None:
    app, url = site
    app.status = status
    rows: list[tuple[str, Row]] = []
    found = run(Prober(web_test, url, lambda table, row, _: rows.append((table, row))), rows)
    assert app.paths == ["/api/health/ready"]
    assert [row["Location"] for row in found] == list(web_test.locations)
    assert {(row["Success"], row["Message"], row["Name"]) for row in found} == {
        (status == 200, message, "availability")
    }


def test_fails_without_response_and_without_server(site: tuple[Site, str], web_test: WebTest, closed_port: int) -> None:
    app, url = site
    app.status = HANGS
    rows: list[tuple[str, Row]] = []
    for address in (url, f"http://127.0.0.1:{closed_port}"):
        prober = Prober(
            replace(web_test, timeout=timedelta(seconds=0.2)), address, lambda table, row, _: rows.append((table, row))
        )
        found = run(prober, rows)
        assert {row["Success"] for row in found} == {False}
        assert found[0]["Message"].startswith("Unable to connect: ")


def test_runs_at_its_frequency_times_speed(site: tuple[Site, str], web_test: WebTest) -> None:
    app, url = site
    for speed, count in ((1, 3), (5, 11)):
        app.paths.clear()
        run(Prober(web_test, url, lambda *_: None, speed), [], range(11))
        assert len(app.paths) == count


def test_rows_have_columns_of_the_table(site: tuple[Site, str], web_test: WebTest) -> None:
    rows: list[tuple[str, Row]] = []
    found = run(Prober(web_test, site[1], lambda table, row, _: rows.append((table, row))), rows)
    schema = json.loads((INFRA / "workspace.json").read_text())
    assert found[0].keys() <= schema["AppAvailabilityResults"].keys()


def test_alert_fires_while_the_app_is_down_and_resolves(site: tuple[Site, str], web_test: WebTest) -> None:
    """Down from minute 12 to 22: the tests of minutes 15 and 20 fail, that of 25 passes."""
    app, url = site
    workspace = Workspace(json.loads((INFRA / "workspace.json").read_text()))
    prober, alerts = Prober(web_test, url, workspace.add), list[Alert]()
    monitor = Monitor([web_test.rule], workspace, alerts.append)
    for minute in range(40):
        app.status = 503 if 12 <= minute < 22 else 200
        prober.tick(NOON + minute * MINUTE)
        monitor.tick(NOON + minute * MINUTE)
    assert [(alert.condition, (alert.window[1] - NOON) / MINUTE) for alert in alerts] == [
        ("Fired", 15),
        ("Resolved", 27),
    ]
    assert alerts[0].rows == len(web_test.locations)


def test_fires_only_if_enough_locations_fail(web_test: WebTest) -> None:
    """A network failure at two locations is not an outage of the app."""
    for failing, fires in ((web_test.failed_locations - 1, False), (web_test.failed_locations, True)):
        workspace = Workspace(json.loads((INFRA / "workspace.json").read_text()))
        for number, location in enumerate(web_test.locations):
            for seconds, success in ((20, number < failing), (10, number >= failing)):  # only the last result counts
                row = {"TimeGenerated": NOON - timedelta(seconds=seconds), "Location": location, "Success": success}
                workspace.add("AppAvailabilityResults", {**row, "Name": "availability"}, NOON)
        alerts = list[Alert]()
        Monitor([web_test.rule], workspace, alerts.append).tick(NOON)
        assert bool(alerts) is fires


@pytest.mark.parametrize("content", [None, "[", '{"name": "a"}'])
def test_reports_unreadable_file(tmp_path: Path, content: str | None) -> None:
    if content:
        (tmp_path / "availability.json").write_text(content)
    with pytest.raises(HostError, match="availability.json"):
        read_web_test(tmp_path / "availability.json")


@pytest.mark.parametrize(
    "change", [{"failedLocations": 9}, {"failedLocations": 0}, {"frequency": "PT0S"}, {"evaluationFrequency": "PT0S"}]
)
def test_rejects_invalid_test(tmp_path: Path, change: dict[str, int | str]) -> None:
    content = json.loads((INFRA / "availability.json").read_text()) | change
    (tmp_path / "availability.json").write_text(json.dumps(content))
    with pytest.raises(HostError, match=next(iter(change))):
        read_web_test(tmp_path / "availability.json")
