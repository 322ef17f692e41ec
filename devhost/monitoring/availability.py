"""Application Insights' availability test: a GET request that shows whether the app is ready.

Azure sends it from several locations. On one machine all locations would see the same, so that one request counts for
each of them.
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
from .application_insights import Sink
from .telemetry_items import INSTRUMENTATION_KEY

log = logging.getLogger(__name__)

# The metric "Failed Location" counts the locations whose last test in the window failed.
_FAILED_LOCATIONS = """
AppAvailabilityResults
| where Name == "{name}"
| summarize arg_max(TimeGenerated, Success) by Location
| where not(Success)
"""


class WebTest(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The content of infra/availability.json: a test (Microsoft.Insights/webtests) and its metric alert rule."""

    name: str
    title: str
    description: str
    severity: int
    path: str
    frequency: timedelta  # of the test, from each location
    timeout: timedelta
    locations: tuple[str, ...]  # Azure's ids
    failed_locations: int  # the alert fires if at least as many fail
    evaluation_frequency: timedelta  # of the alert rule
    window: timedelta
    runbook: str

    def __post_init__(self) -> None:
        if not 1 <= self.failed_locations <= len(self.locations):
            raise ValueError("failedLocations must be from 1 to the number of locations")
        if not (self.frequency and self.evaluation_frequency):
            raise ValueError("frequency and evaluationFrequency must be longer than 0")

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
    """Run a test on the app at `app_url` and pass its results to `sink`. `speed` divides the time between tests."""

    def __init__(self, test: WebTest, app_url: str, sink: Sink, speed: float = 1) -> None:
        self._test = test
        self._url = app_url + test.path
        self._sink = sink
        self._speed = speed
        self._due = datetime.min.replace(tzinfo=UTC)

    def tick(self, now: datetime) -> None:
        """Run the test if it is due. Return after the test's timeout at the latest."""
        if self._due > now:
            return
        self._due = now + self._test.frequency / self._speed
        start = time.perf_counter()
        failure = _get_failure(self._url, self._test.timeout)
        milliseconds = (time.perf_counter() - start) * 1000
        if failure:
            log.debug("%s is not available: %s", self._url, failure)
        operation = uuid.uuid4().hex
        for location in self._test.locations:
            row = {
                "TimeGenerated": now,
                "DurationMs": milliseconds,
                "Id": uuid.uuid4().hex[:16],
                "IKey": INSTRUMENTATION_KEY,
                "ItemCount": 1,
                "Location": location,
                "Message": failure or "Passed",
                "Name": self._test.name,
                "OperationId": operation,
                "Success": failure is None,
                "Type": "AppAvailabilityResults",
            }
            self._sink("AppAvailabilityResults", row, now)


def _get_failure(url: str, timeout: timedelta) -> str | None:
    """Send a GET request. Return None if the status is 200, else what went wrong."""
    try:
        with urlopen(url, timeout.total_seconds()) as response:
            response.read()
            return None if response.status == HTTPStatus.OK else f"{response.status} - {response.reason}"
    except HTTPError as error:
        with error:
            return f"{error.code} - {error.reason}"
    except (OSError, HTTPException) as error:
        return f"Unable to connect: {type(error).__name__}"


def read_web_test(path: Path) -> WebTest:
    """Return the test of an availability.json. Raises HostError if it is missing or invalid."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=WebTest)
    except (OSError, msgspec.DecodeError) as error:
        raise HostError(f"{path}: {error}") from error
