"""POST /api/incidents: report an alert of Azure Monitor to the team, by mail."""

from datetime import UTC, datetime
from functools import partial
from typing import Literal

import azure.functions as func
from msgspec import Struct

from cloud import telemetry
from cloud.azure_monitor import Alert, to_incident
from feedback.errors import MailUnavailable
from feedback.incident import report_incident

from .shared.api import INCIDENT_KEY, Api, Operation
from .shared.http import ApiResponse, Secret
from .shared.problems import BULKHEAD_PROBLEMS, INCIDENT_IN_PROGRESS, MAIL_UNAVAILABLE, STORE_UNAVAILABLE, WRONG_KEY
from .shared.service import Service


class IncidentResponse(Struct, frozen=True):
    """`replayed`: nothing is left to report; it was mailed before or erased since. `ignored`: the alert was resolved.
    `reports` is the number of predictions in the mail of this call."""

    status: Literal["sent", "replayed", "ignored"]
    reports: int


INCIDENT = Operation(
    name="incident",
    method="POST",
    path="/api/incidents",
    summary="Report an alert by mail, once",
    security=INCIDENT_KEY,  # a caller of /api/predict must not be able to send mail
    body=Alert,
    responses={200: IncidentResponse},
    problems=(WRONG_KEY, STORE_UNAVAILABLE, MAIL_UNAVAILABLE, INCIDENT_IN_PROGRESS, *BULKHEAD_PROBLEMS),
)


def register(api: Api, service: Service) -> None:
    api.add(INCIDENT, partial(incident, service), Secret(service.incident_keys))


async def incident(service: Service, _: func.HttpRequest, alert: Alert) -> ApiResponse:
    fired = to_incident(alert)
    if not fired.is_fired:
        return ApiResponse(200, IncidentResponse("ignored", 0))
    reporter = service.reporter
    if reporter is None:
        raise MailUnavailable("No mail server is set: SMTP_HOST, MAIL_FROM and MAIL_TO say which.", retry_after=60)
    now = datetime.now(UTC)
    outcome = await service.bulkheads.incidents.run(
        lambda _: report_incident(fired, service.store, service.incidents, reporter, service.receipt_age, now)
    )
    if outcome.status == "sent":
        telemetry.event("incident_reported", alert=fired.alert_id, reports=outcome.predictions)
    return ApiResponse(200, IncidentResponse(outcome.status, outcome.predictions))
