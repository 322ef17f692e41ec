"""The payload that an action group sends to a function."""

from devhost.monitoring.alert_rules import Alert
from devhost.monitoring.availability import read_web_test
from devhost.monitoring.local_monitoring import INFRA
from devhost.monitoring.notifications import common_alert_schema
from tests.devhost.rules import FIRED, NOON, RESOLVED


def test_payload_of_log_alert() -> None:
    """The fields of Microsoft's samples of "Log Alerts V2"."""
    fired, resolved = common_alert_schema(FIRED), common_alert_schema(RESOLVED)
    assert fired["schemaId"] == "azureMonitorCommonAlertSchema"
    essentials = fired["data"]["essentials"]
    expected = {
        "alertId": FIRED.id,
        "alertRule": "rule",
        "severity": "Sev2",
        "signalType": "Log",
        "monitorCondition": "Fired",
        "monitoringService": "Log Alerts V2",
        "firedDateTime": "2026-01-01T12:00:00.0000000Z",
        "description": "What it means.",
    }
    assert essentials.items() >= expected.items()
    assert "resolvedDateTime" not in essentials
    assert resolved["data"]["essentials"]["resolvedDateTime"] == "2026-01-01T12:30:00.0000000Z"
    condition = fired["data"]["alertContext"]["condition"]
    assert condition["windowSize"] == "PT15M"
    assert (condition["windowStartTime"], condition["windowEndTime"]) == (
        "2026-01-01T11:45:00Z",
        "2026-01-01T12:00:00Z",
    )
    (criterion,) = condition["allOf"]
    assert (criterion["operator"], criterion["threshold"], criterion["metricValue"]) == ("GreaterThan", "0", 3.0)
    assert criterion["searchQuery"] == FIRED.rule.query


def test_payload_of_availability_alert() -> None:
    """The fields of Microsoft's sample (alerts-payload-samples)."""
    test = read_web_test(INFRA / "availability.json")
    alert = Alert(id="/subscriptions/0/alerts/4711", rule=test.rule, rows=5, fired=NOON)
    data = common_alert_schema(alert)["data"]
    assert (
        data["essentials"].items()
        >= {
            "alertRule": "availability",
            "signalType": "Metric",
            "monitoringService": "Platform",
        }.items()
    )
    context = data["alertContext"]
    assert (context["conditionType"], context["condition"]["windowSize"]) == (
        "WebtestLocationAvailabilityCriteria",
        "PT5M",
    )
    assert context["condition"]["allOf"] == [
        {
            "metricName": "Failed Location",
            "metricNamespace": None,
            "operator": "GreaterThan",
            "threshold": "2",
            "timeAggregation": "Sum",
            "dimensions": [],
            "metricValue": 5.0,
            "webTestName": "availability",
        }
    ]
