"""Every night, if a container is set: copy the feedback, so that a lost table can be restored."""

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import azure.functions as func

from cloud import telemetry

from .shared.service import Service

if TYPE_CHECKING:
    from feedback.export import ExportResult, FeedbackExport

TIME_LIMIT_SECONDS = 40  # of the 60 that host.json's functionTimeout allows; the next night starts with the rest

log = logging.getLogger("buzzguard.export")


def register(app: func.FunctionApp, service: Service, archive: "FeedbackExport") -> None:
    async def export(timer: func.TimerRequest, context: func.Context) -> None:
        with telemetry.trace_context(context.trace_context.trace_parent):
            await run_export(service, archive)

    app.timer_trigger(schedule="0 30 3 * * *", arg_name="timer")(export)  # 03:30 UTC, after retention


async def run_export(service: Service, archive: "FeedbackExport") -> None:
    try:
        exported = await asyncio.to_thread(_export, service, archive, datetime.now(UTC))
    except Exception:
        log.exception("Feedback was not exported; the next night tries again.")
        raise
    telemetry.event("feedback_exported", rows=exported.rows, days=exported.days)
    if exported.lost:
        log.warning("The table has lost %d rows of the export; infra/restore.py brings them back.", exported.lost)
    if exported.left:
        log.warning("Time ran out: %d days of feedback are left to the next night.", exported.left)


def _export(service: Service, archive: "FeedbackExport", now: datetime) -> "ExportResult":
    from feedback.export import export_feedback

    end = time.monotonic() + TIME_LIMIT_SECONDS
    return export_feedback(service.store, archive, now - service.retention, now, lambda: time.monotonic() > end)
