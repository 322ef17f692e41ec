"""The rules of infra/alerts.json: their windows, their queries, what to do when they fire."""

import json
import re
from typing import Any

import pytest

from infra.cost import minutes
from tests.conftest import ROOT

ALERTS: list[dict[str, Any]] = json.loads((ROOT / "infra/alerts.json").read_text())

# Minutes that what a query looks for may last; where a rule has none, the window is what it looks at.
PATTERNS = {"bad-prediction-burst": 5}
LATENCY = 5  # minutes from an event to its row in the workspace, at most as a rule


def blinks(alert: dict[str, Any]) -> bool:
    """Whether an event can fall between two evaluations of a rule, or Azure has no such window."""
    window, frequency = minutes(alert["window"]), minutes(alert["frequency"])
    return window < PATTERNS.get(alert["name"], 0) + frequency + LATENCY or window > 2 * 1440


def test_no_event_falls_between_two_evaluations() -> None:
    assert [alert["name"] for alert in ALERTS if blinks(alert)] == []


@pytest.mark.parametrize("mistake", [{"window": "PT10M"}, {"frequency": "PT10M"}, {"window": "P3D"}])
def test_a_rule_that_blinks_is_found(mistake: dict[str, str]) -> None:
    (burst,) = (alert for alert in ALERTS if alert["name"] == "bad-prediction-burst")
    assert blinks(burst | mistake)


def test_every_alert_has_its_query_and_its_runbook() -> None:
    assert {alert["query"] for alert in ALERTS} == {
        path.relative_to(ROOT / "infra").as_posix() for path in (ROOT / "infra/queries").glob("*.kql")
    }
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    anchors = {f"docs/operations.md#{heading}" for heading in headings}
    availability = json.loads((ROOT / "infra/availability.json").read_text())
    assert {alert["runbook"] for alert in [*ALERTS, availability]} <= anchors
    assert PATTERNS.keys() <= {alert["name"] for alert in ALERTS}
