"""The rules of infra/alerts.json: what Azure allows, their windows, their queries, what to do when they fire."""

import json
import re
from typing import Any

import pytest

from infra.cost import minutes
from tests.support.alert_rules import ALERTS
from tests.support.paths import ROOT

# What Azure allows (learn.microsoft.com/azure/azure-monitor/alerts/alerts-create-log-alert-rule). A rule that resolves
# itself must run at least every twelve hours.
FREQUENCIES = {1, 5, 10, 15, 30, 45, *range(60, 361, 60)}
WINDOWS = FREQUENCIES | {1440, 2880}

# Minutes that what a query looks for may last; where a rule has none, the window is what it looks at.
PATTERNS = {"bad-prediction-burst": 5}
INGESTION = 5  # minutes that a record may be on its way


def faults(alert: dict[str, Any]) -> list[str]:
    window, frequency = minutes(alert["window"]), minutes(alert["frequency"])
    found = []
    if frequency not in FREQUENCIES or window not in WINDOWS:
        found.append("Azure has no such rule")
    if window < PATTERNS.get(alert["name"], 0) + frequency + INGESTION:
        found.append("what happens can fall between two evaluations")
    return found


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["name"])
def test_azure_allows_the_rule_and_some_evaluation_sees_the_whole(alert: dict[str, Any]) -> None:
    assert faults(alert) == []


@pytest.mark.parametrize(
    ("mistake", "fault"),
    [
        ({"window": "PT10M"}, "between two evaluations"),
        ({"frequency": "PT10M"}, "between two evaluations"),
        ({"window": "P3D"}, "Azure has no such rule"),
        ({"frequency": "PT2M"}, "Azure has no such rule"),
    ],
)
def test_a_mistake_in_a_rule_is_found(mistake: dict[str, str], fault: str) -> None:
    (burst,) = (alert for alert in ALERTS if alert["name"] in PATTERNS)
    assert fault in "\n".join(faults(burst | mistake))


def test_every_alert_has_its_query_and_its_runbook() -> None:
    queries = {path.relative_to(ROOT / "infra").as_posix() for path in (ROOT / "infra/queries").glob("*.kql")}
    assert {alert["query"] for alert in ALERTS} == queries
    for alert in ALERTS:
        assert alert["query"] == f"queries/{alert['name'].replace('-', '_')}.kql"
        assert alert["runbook"] == f"docs/operations.md#{alert['name']}"
        assert alert["severity"] in range(5)
        assert alert["title"] and alert["description"].endswith(".")
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    availability = json.loads((ROOT / "infra/availability.json").read_text())
    runbooks = {alert["runbook"] for alert in [*ALERTS, availability]}
    assert runbooks <= {f"docs/operations.md#{heading}" for heading in headings}
