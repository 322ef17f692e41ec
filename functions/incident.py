"""POST /api/incidents: an alert of Azure Monitor fired; the team is to have a report of it."""

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Literal

import azure.functions as func
from msgspec import Struct

from feedback.incident import Alert, report
from sentiment.errors import MailUnavailable

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
    if not alert.fired:
        return Answer(200, IncidentResponse("ignored", 0))
    if service.mailer is None:
        raise MailUnavailable("No mail server is set: SMTP_HOST, MAIL_FROM and MAIL_TO say which.", retry_after=60)
    outcome = await in_thread(
        _THREADS,
        report,
        alert,
        service.store,
        service.incidents,
        service.mailer,
        service.receipt_age,
        datetime.now(UTC),
    )
    if outcome.status == "sent":
        essentials = alert.data.essentials
        watch.info("incident_reported", extra={"alert": essentials.alert_id, "reports": outcome.reports})
    return Answer(200, IncidentResponse(outcome.status, outcome.reports))
