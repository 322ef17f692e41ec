"""Every night, where there is a container for it: the feedback is copied, for the day on which the table is lost."""

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import azure.functions as func

from cloud import telemetry

from .shared.service import service

if TYPE_CHECKING:
    from feedback.export import ExportResult, FeedbackExport

SECONDS = 40  # of a minute, host.json's functionTimeout; what is left over goes first the next night

blueprint = func.Blueprint()
watch = logging.getLogger("buzzguard.watch")
log = logging.getLogger("buzzguard.export")


async def export(timer: func.TimerRequest, context: func.Context) -> None:
    assert service.export
    with telemetry.invocation(context.trace_context.trace_parent):
        try:
            exported = await asyncio.to_thread(_export, service.export, datetime.now(UTC))
        except Exception:
            log.exception("Feedback was not exported; the next night tries again.")
            raise
        watch.info("feedback_exported", extra={"rows": exported.rows, "days": exported.days})
        if exported.lost:
            log.warning("The table has lost %d rows of the export; infra/restore.py brings them back.", exported.lost)
        if exported.left:
            log.warning("Time ran out: %d days of feedback are left to the next night.", exported.left)


def _export(archive: "FeedbackExport", now: datetime) -> "ExportResult":
    from feedback.export import export_feedback

    end = time.monotonic() + SECONDS
    return export_feedback(service.store, archive, now - service.retention, now, lambda: time.monotonic() > end)


if service.export:
    blueprint.timer_trigger(schedule="0 30 3 * * *", arg_name="timer")(export)  # 03:30 UTC, after retention
