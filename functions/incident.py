"""POST /api/incidents: an alert of Azure Monitor fired; the team is to have a report of it."""

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Literal

import azure.functions as func
from msgspec import Struct

from cloud.azure_monitor import Alert, to_incident
from feedback.errors import MailUnavailable
from feedback.incident import report_incident

from .shared.http import Answer, Secret, endpoint
from .shared.service import in_thread, service


class IncidentResponse(Struct, frozen=True):
    """`replayed`: nothing is left to report; it was mailed before, or erased since. `ignored`: the alert has not fired
    but resolved. `reports` is how many predictions this call has mailed."""

    status: Literal["sent", "replayed", "ignored"]
    reports: int


blueprint = func.Blueprint()
watch = logging.getLogger("buzzguard.watch")

# A mail server that hangs takes none of the threads that predict or store feedback.
_THREADS = ThreadPoolExecutor(4, "incident")


@endpoint(
    blueprint,
    "POST",
    "/api/incidents",
    summary="Report an alert by mail, once",
    auth_level="anonymous",
    secret=Secret("incidentKey", service.incident_keys),  # whoever may ask for predictions may not have mail sent
    body=Alert,
    answers={200: IncidentResponse},
    problems=("Key missing or wrong", "Feedback store unavailable", "Mail unavailable", "Incident in progress"),
)
async def incident(_: func.HttpRequest, alert: Alert) -> Answer:
    fired = to_incident(alert)
    if not fired.is_fired:
        return Answer(200, IncidentResponse("ignored", 0))
    if service.reporter is None:
        raise MailUnavailable("No mail server is set: SMTP_HOST, MAIL_FROM and MAIL_TO say which.", retry_after=60)
    outcome = await in_thread(
        _THREADS,
        report_incident,
        fired,
        service.store,
        service.incidents,
        service.reporter,
        service.receipt_age,
        datetime.now(UTC),
    )
    if outcome.status == "sent":
        watch.info("incident_reported", extra={"alert": fired.alert_id, "reports": outcome.predictions})
    return Answer(200, IncidentResponse(outcome.status, outcome.predictions))
