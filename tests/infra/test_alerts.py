"""infra/alerts.json: Azure allows each rule, its window is long enough, and it has a query and a runbook."""

import json
import re
from typing import Any

import pytest

from infra.cost import minutes
from tests.support.alert_rules import ALERTS
from tests.support.paths import ROOT

# Minutes that Azure allows (learn.microsoft.com/azure/azure-monitor/alerts/alerts-create-log-alert-rule). A rule with
# autoMitigate must run at least every twelve hours.
FREQUENCIES = {1, 5, 10, 15, 30, 45, *range(60, 361, 60)}
WINDOWS = FREQUENCIES | {1440, 2880}

# A query that looks for a pattern: the maximum length of the pattern. The other queries look at the whole window.
PATTERN_MINUTES = {"bad-prediction-burst": 5}
INGESTION_MINUTES = 5  # maximum delay of a record


def find_problems(alert: dict[str, Any]) -> list[str]:
    window, frequency = minutes(alert["window"]), minutes(alert["frequency"])
    found = []
    if frequency not in FREQUENCIES or window not in WINDOWS:
        found.append("Azure does not allow it")
    if window < PATTERN_MINUTES.get(alert["name"], 0) + frequency + INGESTION_MINUTES:
        found.append("a pattern can fall between two evaluations")
    return found


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["name"])
def test_azure_allows_the_rule_and_an_evaluation_sees_the_whole_pattern(alert: dict[str, Any]) -> None:
    assert find_problems(alert) == []


@pytest.mark.parametrize(
    ("mistake", "problem"),
    [
        ({"window": "PT10M"}, "between two evaluations"),
        ({"frequency": "PT10M"}, "between two evaluations"),
        ({"window": "P3D"}, "Azure does not allow it"),
        ({"frequency": "PT2M"}, "Azure does not allow it"),
    ],
)
def test_finds_a_mistake_in_a_rule(mistake: dict[str, str], problem: str) -> None:
    (burst,) = (alert for alert in ALERTS if alert["name"] in PATTERN_MINUTES)
    assert problem in "\n".join(find_problems(burst | mistake))


def test_every_alert_has_a_query_and_a_runbook() -> None:
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
