"""What an action group sends for an alert: the JSON payload for a function and the e-mail for people."""

from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage
from typing import Any

from .alert_rules import SUBSCRIPTION, Alert, MetricRule

_RESOURCE_GROUP = f"{SUBSCRIPTION}/resourcegroups/laptop/providers"
_WORKSPACE = f"{_RESOURCE_GROUP}/microsoft.operationalinsights/workspaces/laptop"
_COMPONENT = f"{_RESOURCE_GROUP}/microsoft.insights/components/laptop"
_LINKS = (
    "linkToSearchResultsUI",
    "linkToFilteredSearchResultsUI",
    "linkToSearchResultsAPI",
    "linkToFilteredSearchResultsAPI",
)


def common_alert_schema(alert: Alert) -> dict[str, Any]:
    """Return the payload of an action group for a log search alert ("Log Alerts V2") or an availability test.

    https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema
    """
    return {
        "schemaId": "azureMonitorCommonAlertSchema",
        "data": {
            "essentials": _essentials(alert),
            "alertContext": _alert_context(alert),
            "customProperties": None,
        },
    }


def _essentials(alert: Alert) -> dict[str, Any]:
    rule = alert.rule
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
        "firedDateTime": f"{alert.fired:%Y-%m-%dT%H:%M:%S.%f}0Z",  # seven digits, as .NET writes them
        "description": rule.description,
        "essentialsVersion": "1.0",
        "alertContextVersion": "1.0",
    }
    if alert.resolved:
        essentials["resolvedDateTime"] = f"{alert.resolved:%Y-%m-%dT%H:%M:%S.%f}0Z"
    return essentials


def _alert_context(alert: Alert) -> dict[str, Any]:
    rule, (start, end) = alert.rule, alert.window
    metric = isinstance(rule, MetricRule)
    condition = {
        "windowSize": f"PT{rule.window.total_seconds() / 60:.0f}M",
        "allOf": [_failed_locations(alert) if metric else _log_query(alert)],
        "windowStartTime": f"{start:%Y-%m-%dT%H:%M:%SZ}",
        "windowEndTime": f"{end:%Y-%m-%dT%H:%M:%SZ}",
    }
    condition_type = "WebtestLocationAvailabilityCriteria" if metric else "LogQueryCriteria"
    return {"properties": None, "conditionType": condition_type, "condition": condition}


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
        **dict.fromkeys(_LINKS, ""),  # links to the portal, which does not exist here
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


def email_message(alert: Alert, recipients: Sequence[str]) -> EmailMessage:
    """Return the e-mail for an alert, with the subject that Azure uses."""
    rule, (start, end) = alert.rule, alert.window
    message = EmailMessage()
    message["From"] = "Microsoft Azure <azure-noreply@microsoft.com>"
    message["To"] = ", ".join(recipients)
    message["Subject"] = f"{alert.condition}:Sev{rule.severity} Azure Monitor Alert {rule.name}"
    message.set_content(
        f"{rule.title}: {rule.description}\n\n"
        f"Condition:  {alert.condition} at {_format_minute(end)}\n"
        f"Fired:      {_format_minute(alert.fired)}\n"
        f"Window:     {_format_minute(start)} to {_format_minute(end)}\n"
        f"What to do: {rule.runbook}\n"
        f"Alert:      {alert.id}\n"
    )
    return message


def _format_minute(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"
