"""Application Insights' availability test on a laptop: the app is asked from outside whether it is ready.

Azure asks from each of the test's locations in turn. Seen from here they would all see the same, so one request counts
for each of them.
"""

import logging
import time
import uuid
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError

import msgspec
from msgspec import Struct

from devhost.errors import HostError
from devhost.local_http import urlopen

from .alert_rules import MetricRule
from .application_insights import INSTRUMENTATION_KEY, Sink

log = logging.getLogger(__name__)

# What the metric "Failed Location" counts: locations whose last test within the window failed.
_FAILED_LOCATIONS = """
AppAvailabilityResults
| where Name == "{name}"
| summarize arg_max(TimeGenerated, Success) by Location
| where not(Success)
"""


class WebTest(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """infra/availability.json: a test (Microsoft.Insights/webtests), and the metric alert on its failures."""

    name: str
    title: str
    description: str
    severity: int
    path: str
    frequency: timedelta  # of the test, from each location
    timeout: timedelta
    locations: tuple[str, ...]  # Azure's ids
    failed_locations: int  # as many must fail
    evaluation_frequency: timedelta  # of the alert
    window: timedelta
    runbook: str

    def __post_init__(self) -> None:
        if not 1 <= self.failed_locations <= len(self.locations):
            raise ValueError("failedLocations must be from 1 to the number of locations, or the alert could never fire")
        if not (self.frequency and self.evaluation_frequency):
            raise ValueError("frequency and evaluationFrequency must be longer than nothing")

    @property
    def rule(self) -> MetricRule:
        return MetricRule(
            name=self.name,
            title=self.title,
            description=self.description,
            severity=self.severity,
            query=_FAILED_LOCATIONS.format(name=self.name),
            frequency=self.evaluation_frequency,
            window=self.window,
            runbook=self.runbook,
            auto_mitigate=True,
            expect_traffic=False,
            threshold=self.failed_locations - 1,
        )


class Prober:
    """Runs a test and writes its results, `speed` times as often as the test says."""

    def __init__(self, test: WebTest, app: str, sink: Sink, speed: float = 1) -> None:
        """`app` is the URL of the app."""
        self._test = test
        self._url = app + test.path
        self._sink = sink
        self._speed = speed
        self._due = datetime.min.replace(tzinfo=UTC)

    def tick(self, now: datetime) -> None:
        """Tests if the time has come; returns after `timeout` at the latest."""
        if self._due > now:
            return
        self._due = now + self._test.frequency / self._speed
        start = time.perf_counter()
        fault = _fault(self._url, self._test.timeout)
        milliseconds = (time.perf_counter() - start) * 1000
        if fault:
            log.debug("%s is not available: %s", self._url, fault)
        operation = uuid.uuid4().hex
        for location in self._test.locations:
            row = {
                "TimeGenerated": now,
                "DurationMs": milliseconds,
                "Id": uuid.uuid4().hex[:16],
                "IKey": INSTRUMENTATION_KEY,
                "ItemCount": 1,
                "Location": location,
                "Message": fault or "Passed",
                "Name": self._test.name,
                "OperationId": operation,
                "Success": fault is None,
                "Type": "AppAvailabilityResults",
            }
            self._sink("AppAvailabilityResults", row, now)


def _fault(url: str, timeout: timedelta) -> str | None:
    """Why a GET of `url` is not answered with 200; None if it is."""
    try:
        with urlopen(url, timeout.total_seconds()) as answer:
            answer.read()
            return None if answer.status == HTTPStatus.OK else f"{answer.status} - {answer.reason}"
    except HTTPError as error:
        with error:
            return f"{error.code} - {error.reason}"
    except (OSError, HTTPException) as error:
        return f"Unable to connect: {type(error).__name__}"


def read_web_test(path: Path) -> WebTest:
    """The test in an availability.json. Raises HostError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=WebTest)
    except (OSError, msgspec.DecodeError) as error:
        raise HostError(f"{path}: {error}") from error
