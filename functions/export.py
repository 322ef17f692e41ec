"""Every night, if a container is set: copy the feedback, so that a lost table can be restored."""

import asyncio
import logging
import time
from datetime import UTC, datetime, timedelta

import azure.functions as func

from cloud import telemetry
from feedback.export import ExportResult, FeedbackExport, export_feedback
from feedback.stores import FeedbackStore

TIME_LIMIT_SECONDS = 40  # of the 60 that host.json's functionTimeout allows; the next night starts with the rest

log = logging.getLogger("buzzguard.export")


def register(app: func.FunctionApp, store: FeedbackStore, archive: FeedbackExport, retention: timedelta) -> None:
    async def export(timer: func.TimerRequest, context: func.Context) -> None:
        with telemetry.trace_context(context.trace_context.trace_parent):
            await _run_export(store, archive, retention)

    app.timer_trigger(schedule="0 30 3 * * *", arg_name="timer")(export)  # 03:30 UTC, in the hour of retention


async def _run_export(store: FeedbackStore, archive: FeedbackExport, retention: timedelta) -> None:
    try:
        exported = await asyncio.to_thread(_export, store, archive, retention)
    except Exception:
        log.exception("Feedback was not exported; the next night tries again.")
        raise
    telemetry.event("feedback_exported", rows=exported.rows, days=exported.days)
    if exported.lost:
        log.warning("The table has lost %d rows of the export; infra/restore.py brings them back.", exported.lost)
    if exported.left:
        log.warning("Time ran out: %d days of feedback are left to the next night.", exported.left)


def _export(store: FeedbackStore, archive: FeedbackExport, retention: timedelta) -> ExportResult:
    now, end = datetime.now(UTC), time.monotonic() + TIME_LIMIT_SECONDS
    return export_feedback(store, archive, now - retention, now, lambda: time.monotonic() > end)
