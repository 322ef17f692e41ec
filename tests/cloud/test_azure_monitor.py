import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from cloud.azure_monitor import Alert, to_incident
from feedback.incident import Incident
from tests.support.alerts import build_alert
from tests.support.incidents import BURST, SINCE, UNTIL


def decode(body: dict[str, Any]) -> Incident:
    return to_incident(msgspec.json.decode(json.dumps(body), type=Alert))


def test_alert_becomes_an_incident() -> None:
    assert decode(build_alert(SINCE, UNTIL)) == BURST


def test_resolved_alert_is_not_fired() -> None:
    assert not decode(build_alert(SINCE, UNTIL, monitor_condition="Resolved")).is_fired


@pytest.mark.parametrize("rule", ["bad-prediction-burst", "buzz-prod-bad-prediction-burst", "Bad-Prediction-Burst"])
def test_recognizes_the_burst_rule_by_its_name(rule: str) -> None:
    assert decode(build_alert(SINCE, UNTIL, rule=rule)).is_bad_prediction_burst


def test_recognizes_the_burst_rule_by_its_resource_id() -> None:
    body = build_alert(SINCE, UNTIL, rule="Burst of bad predictions")
    assert not decode(body).is_bad_prediction_burst
    body["data"]["essentials"]["alertRuleId"] = "/subscriptions/0/…/scheduledQueryRules/bad-prediction-burst"
    assert decode(body).is_bad_prediction_burst


@pytest.mark.parametrize(
    "context",
    [
        None,
        {},
        {"condition": None},
        {"condition": {"windowStartTime": None, "windowEndTime": None}},
        {"condition": {"windowStartTime": "yesterday", "windowEndTime": "2026-11-22T14:20:00Z"}},
        {"condition": {"windowStartTime": "0001-01-01T00:00:00Z", "windowEndTime": "2026-11-22T14:20:00Z"}},
        {"condition": {"windowStartTime": "2026-11-22T14:20:00Z", "windowEndTime": "9999-12-31T23:59:59.9999999Z"}},
        {"condition": {"allOf": [{"linkToFilteredSearchResultsUI": ""}]}},
    ],
)
def test_alert_of_another_shape_has_no_window_and_no_link(context: object) -> None:
    body = build_alert(SINCE, UNTIL)
    body["data"]["alertContext"] = context
    incident = decode(body)
    assert incident.is_bad_prediction_burst and (incident.window, incident.link) == (None, None)
    assert not incident.has_foreign_link


def with_link(link: str) -> Incident:
    body = build_alert(SINCE, UNTIL)
    body["data"]["alertContext"]["condition"]["allOf"][0]["linkToFilteredSearchResultsUI"] = link
    return decode(body)


@pytest.mark.parametrize("portal", ["https://portal.azure.com", "https://portal.azure.us", "https://portal.azure.cn"])
@pytest.mark.parametrize("rest", ["#@tenant/blade/Microsoft_Azure_Monitoring_Logs/LogsBlade", "/#view?q=a%20b&t=1", ""])
def test_link_to_the_portal_is_kept(portal: str, rest: str) -> None:
    incident = with_link(portal + rest)
    assert (incident.link, incident.has_foreign_link) == (portal + rest, False)


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/",
        "javascript:alert(1)",
        "http://portal.azure.com/",
        "HTTPS://PORTAL.AZURE.COM/",
        "https://portal.azure.com.evil.example/",
        "https://portal.azure.com@evil.example/",
        "https://portal.azure.com:443@evil.example/",
        r"https://portal.azure.com\@evil.example/",
        "https://portal.azure.community/",
        "https://evil.example/https://portal.azure.com/",
        "https://portal.azure.com/ https://evil.example/",
        "https://portal.azure.com/\nhttps://evil.example/",
        'https://portal.azure.com/">',
        "https://portal.azure.com/é",
        "https://portal.azure.com/" + "a" * 4_000,
    ],
)
def test_link_elsewhere_is_left_out(link: str) -> None:
    incident = with_link(link)
    assert (incident.link, incident.has_foreign_link) == (None, True)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-22T14:20:00.9964513Z", datetime(2026, 11, 22, 14, 20, 0, 996451, UTC)),
        ("2026-11-22T15:20:00+01:00", datetime(2026, 11, 22, 14, 20, tzinfo=UTC)),
        ("2026-11-22T14:20:00", datetime(2026, 11, 22, 14, 20, tzinfo=UTC)),
    ],
)
def test_window_is_parsed_from_every_format_of_azure(text: str, moment: datetime) -> None:
    body = build_alert(SINCE, UNTIL)
    body["data"]["alertContext"]["condition"]["windowEndTime"] = text
    assert decode(body).window == (SINCE, moment)
