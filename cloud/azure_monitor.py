"""Azure Monitor's common alert schema, which an action group posts, and the `Incident` that it becomes.

https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from feedback.incident import BAD_PREDICTION_BURST, Incident


class Essentials(Struct, frozen=True, rename="camel"):
    """The fields that every alert has, whatever service raised it. Unknown fields are ignored."""

    alert_id: Annotated[
        str,
        Meta(min_length=1, max_length=1024, description="Id of the fired alert. If it fires again, it has another id."),
    ]
    alert_rule: str
    monitor_condition: Annotated[str, Meta(description="Fired, or Resolved, which is ignored.")]
    alert_rule_id: str | None = None
    severity: str | None = None
    fired_date_time: str | None = None
    description: str | None = None


class AlertData(Struct, frozen=True, rename="camel"):
    essentials: Essentials
    alert_context: Annotated[dict[str, Any] | None, Meta(description="Depends on the monitoring service.")] = None


class Alert(Struct, frozen=True, rename="camel"):
    """Azure Monitor's common alert schema:
    https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema"""

    schema_id: Literal["azureMonitorCommonAlertSchema"]
    data: AlertData


# Where Azure's public cloud, its US Government and its China have their portal.
PORTALS = ("https://portal.azure.com", "https://portal.azure.us", "https://portal.azure.cn")
MAX_LINK_CHARACTERS = 4_000


def to_incident(alert: Alert) -> Incident:
    essentials, context = alert.data.essentials, alert.data.alert_context
    link = _link(context)
    in_portal = link is not None and _leads_to_portal(link)
    return Incident(
        alert_id=essentials.alert_id,
        rule=essentials.alert_rule,
        is_fired=essentials.monitor_condition == "Fired",
        # A deployment may put a prefix before the rule's name, or give the rule a title.
        is_bad_prediction_burst=BAD_PREDICTION_BURST in f"{essentials.alert_rule} {essentials.alert_rule_id}".lower(),
        severity=essentials.severity,
        fired_at=essentials.fired_date_time,
        description=essentials.description,
        window=_window(context),
        link=link if in_portal else None,
        has_foreign_link=link is not None and not in_portal,
    )


def _window(context: dict[str, Any] | None) -> tuple[datetime, datetime] | None:
    """Return the interval that the rule evaluated, or None if the alert does not have one."""
    match context:
        case {"condition": {"windowStartTime": str(start), "windowEndTime": str(end)}}:
            since, until = _parse_utc(start), _parse_utc(end)
            return (since, until) if since and until else None
    return None


def _link(context: dict[str, Any] | None) -> str | None:
    """Return the URL of the query's results, or None. It is as the alert has it: anybody may have written it."""
    match context:
        case {"condition": {"allOf": [{"linkToFilteredSearchResultsUI": str(link)}, *_]}}:
            return link or None
    return None


def _leads_to_portal(link: str) -> bool:
    """Return whether every client reads `link` as a URL of Azure's portal. Azure's own has no "/" after the host."""
    is_plain = link.isascii() and link.isprintable() and not set(link) & set(' "<>\\^`{|}')
    starts = tuple(f"{portal}{end}" for portal in PORTALS for end in "/?#")
    return is_plain and len(link) <= MAX_LINK_CHARACTERS and (link in PORTALS or link.startswith(starts))


def _parse_utc(text: str) -> datetime | None:
    """Parse a time as Azure writes it. Return None if it is invalid, or .NET's minimum or maximum."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if not 2000 < moment.year < 9999:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
