"""Build the body that an action group posts for a log search alert, as Microsoft documents it."""

from datetime import datetime
from typing import Any

LINK = "https://portal.azure.com/#@tenant/blade/Microsoft_Azure_Monitoring_Logs/LogsBlade/source/Alerts?q=a&timespan=b"


def build_alert(
    since: datetime,
    until: datetime,
    alert_id: str = "a",
    rule: str = "bad-prediction-burst",
    monitor_condition: str = "Fired",
) -> dict[str, Any]:
    """Return an alert whose rule evaluated the window from `since` to `until` (UTC)."""
    return {
        "schemaId": "azureMonitorCommonAlertSchema",
        "data": {
            "essentials": {
                "alertId": f"/subscriptions/0/providers/Microsoft.AlertsManagement/alerts/{alert_id}",
                "alertRule": rule,
                "severity": "Sev2",
                "signalType": "Log",
                "monitorCondition": monitor_condition,
                "monitoringService": "Log Alerts V2",
                "alertTargetIDs": ["/subscriptions/0/resourcegroups/rg/providers/microsoft.insights/components/app"],
                "configurationItems": ["app"],
                "originAlertId": "0",
                "firedDateTime": f"{until:%Y-%m-%dT%H:%M:%S}.9964513Z",
                "description": "Three predictions were reported as wrong within five minutes.",
                "essentialsVersion": "1.0",
                "alertContextVersion": "1.0",
            },
            "alertContext": {
                "properties": {},
                "conditionType": "LogQueryCriteria",
                "condition": {
                    "windowSize": "PT15M",
                    "allOf": [
                        {
                            "searchQuery": "AppTraces | where Message == 'bad_prediction'",
                            "metricMeasureColumn": None,
                            "targetResourceTypes": "['microsoft.insights/components']",
                            "operator": "GreaterThan",
                            "threshold": "0",
                            "timeAggregation": "Count",
                            "dimensions": [],
                            "metricValue": 1.0,
                            "failingPeriods": {"numberOfEvaluationPeriods": 1, "minFailingPeriodsToAlert": 1},
                            "linkToSearchResultsUI": LINK,
                            "linkToFilteredSearchResultsUI": LINK,
                            "linkToSearchResultsAPI": "https://api.loganalytics.io/v1/apps/0/query",
                            "linkToFilteredSearchResultsAPI": "https://api.loganalytics.io/v1/apps/0/query",
                        }
                    ],
                    "windowStartTime": f"{since:%Y-%m-%dT%H:%M:%SZ}",
                    "windowEndTime": f"{until:%Y-%m-%dT%H:%M:%SZ}",
                },
            },
            "customProperties": None,
        },
    }
