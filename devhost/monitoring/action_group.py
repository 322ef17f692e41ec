"""Azure Monitor's action group on a laptop: a mail to ops and a call of the app for every alert, neither of which waits
for the other."""

import json
import logging
import smtplib
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from email.message import EmailMessage
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request

from msgspec import Struct

from devhost.local_http import urlopen

from .alert_rules import SUBSCRIPTION, Alert, MetricRule

log = logging.getLogger(__name__)

# https://learn.microsoft.com/azure/azure-monitor/alerts/action-groups#webhook. Azure then leaves the endpoint alone for
# a quarter of an hour; here the next alert is sent to it all the same.
_PAUSES = (5, 20, 5, 40, 5)  # seconds before each further attempt
_RETRIABLE = (408, 429, 503, 504)
_PATIENCE = 10  # seconds for an answer

_GROUP = f"{SUBSCRIPTION}/resourcegroups/laptop/providers"
_WORKSPACE = f"{_GROUP}/microsoft.operationalinsights/workspaces/laptop"
_COMPONENT = f"{_GROUP}/microsoft.insights/components/laptop"
_LINKS = (
    "linkToSearchResultsUI",
    "linkToFilteredSearchResultsUI",
    "linkToSearchResultsAPI",
    "linkToFilteredSearchResultsAPI",
)


class Receivers(Struct, frozen=True):
    function: str  # the URL of the function that is called, with its key
    smtp: tuple[str, int]
    to: Sequence[str]  # addresses


class ActionGroup:
    """Tells the receivers of alerts, in threads of its own that end with the process."""

    def __init__(self, receivers: Receivers, pause: Callable[[float], None] = time.sleep) -> None:
        """`pause` waits so many seconds."""
        self._receivers = receivers
        self._pause = pause
        self._threads: list[threading.Thread] = []

    def __call__(self, alert: Alert) -> None:
        """Returns at once."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        for tell in (self._mail, self._call):
            thread = threading.Thread(target=tell, args=(alert,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def settle(self) -> None:
        """Returns when all that was begun is over."""
        for thread in self._threads:
            thread.join()

    def _mail(self, alert: Alert) -> None:
        try:
            with smtplib.SMTP(*self._receivers.smtp, local_hostname="localhost", timeout=_PATIENCE) as server:
                server.send_message(_letter(alert, self._receivers.to))
        except OSError:
            log.exception("the mail of %s %s is not sent", alert.condition.lower(), alert.rule.name)

    def _call(self, alert: Alert) -> None:
        body = json.dumps(common_alert_schema(alert)).encode()
        for pause in (*_PAUSES, None):
            fault, retriable = _post(self._receivers.function, body)
            if fault is None:
                return
            log.warning("the function for %s: %s", alert.rule.name, fault)
            if pause is None or not retriable:
                log.error("the function was not told of %s %s", alert.condition.lower(), alert.rule.name)
                return
            self._pause(pause)


def _post(url: str, body: bytes) -> tuple[str | None, bool]:
    """What went wrong, None if nothing did, and whether another attempt makes sense."""
    request = Request(url, body, {"content-type": "application/json; charset=utf-8"})  # noqa: S310
    try:
        with urlopen(request, _PATIENCE):
            return None, False
    except HTTPError as error:
        with error:
            return f"it answers {error.code}", error.code in _RETRIABLE
    except (OSError, HTTPException) as error:
        return f"it does not answer: {type(error).__name__}", True


def common_alert_schema(alert: Alert) -> dict[str, Any]:
    """https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema, as for "Log Alerts V2", or for an
    availability test."""
    rule, (start, end) = alert.rule, alert.window
    metric = isinstance(rule, MetricRule)
    target = _COMPONENT if metric else _WORKSPACE
    essentials = {
        "alertId": alert.id,
        "alertRule": rule.name,
        "severity": f"Sev{rule.severity}",
        "signalType": "Metric" if metric else "Log",
        "monitorCondition": alert.condition,
        "monitoringService": "Platform" if metric else "Log Alerts V2",
        "alertTargetIDs": [target],
        "configurationItems": [target],
        "originAlertId": alert.id.rpartition("/")[2],
        "firedDateTime": f"{alert.fired:%Y-%m-%dT%H:%M:%S.%f}0Z",  # .NET counts in tenths of a microsecond
        "description": rule.description,
        "essentialsVersion": "1.0",
        "alertContextVersion": "1.0",
    }
    if alert.resolved:
        essentials["resolvedDateTime"] = f"{alert.resolved:%Y-%m-%dT%H:%M:%S.%f}0Z"
    condition = {
        "windowSize": f"PT{rule.window.total_seconds() / 60:.0f}M",
        "allOf": [_failed_locations(alert) if metric else _log_query(alert)],
        "windowStartTime": f"{start:%Y-%m-%dT%H:%M:%SZ}",
        "windowEndTime": f"{end:%Y-%m-%dT%H:%M:%SZ}",
    }
    kind = "WebtestLocationAvailabilityCriteria" if metric else "LogQueryCriteria"
    context = {"properties": None, "conditionType": kind, "condition": condition}
    return {
        "schemaId": "azureMonitorCommonAlertSchema",
        "data": {"essentials": essentials, "alertContext": context, "customProperties": None},
    }


def _log_query(alert: Alert) -> dict[str, Any]:
    return {
        "searchQuery": alert.rule.query,
        "metricMeasureColumn": None,
        "targetResourceTypes": "['microsoft.operationalinsights/workspaces']",
        "operator": "GreaterThan",
        "threshold": str(alert.rule.threshold),
        "timeAggregation": "Count",
        "dimensions": [],
        "metricValue": float(alert.rows),
        "failingPeriods": {"numberOfEvaluationPeriods": 1, "minFailingPeriodsToAlert": 1},
        **dict.fromkeys(_LINKS, ""),  # there is no portal here
    }


def _failed_locations(alert: Alert) -> dict[str, Any]:
    return {
        "metricName": "Failed Location",
        "metricNamespace": None,
        "operator": "GreaterThan",
        "threshold": str(alert.rule.threshold),
        "timeAggregation": "Sum",
        "dimensions": [],
        "metricValue": float(alert.rows),
        "webTestName": alert.rule.name,
    }


def _letter(alert: Alert, to: Sequence[str]) -> EmailMessage:
    """In the words of Azure's own."""
    rule, (start, end) = alert.rule, alert.window
    letter = EmailMessage()
    letter["From"] = "Microsoft Azure <azure-noreply@microsoft.com>"
    letter["To"] = ", ".join(to)
    letter["Subject"] = f"{alert.condition}:Sev{rule.severity} Azure Monitor Alert {rule.name}"
    letter.set_content(
        f"{rule.title}: {rule.description}\n\n"
        f"Condition:  {alert.condition} at {_minute(end)}\n"
        f"Fired:      {_minute(alert.fired)}\n"
        f"Window:     {_minute(start)} to {_minute(end)}\n"
        f"What to do: {rule.runbook}\n"
        f"Alert:      {alert.id}\n"
    )
    return letter


def _minute(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"
