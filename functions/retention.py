"""Every night: delete feedback and the records of incidents that are older than the retention."""

import asyncio
import logging
import time
from datetime import UTC, datetime

import azure.functions as func

from cloud import telemetry
from feedback.stores import PurgeResult, purge_feedback

from .shared.service import Service

TIME_LIMIT_SECONDS = 40  # of the 60 that host.json's functionTimeout allows; the next night deletes the rest

log = logging.getLogger("buzzguard.retention")


def register(app: func.FunctionApp, service: Service) -> None:
    async def retention(timer: func.TimerRequest, context: func.Context) -> None:
        with telemetry.trace_context(context.trace_context.trace_parent):
            await _run_purge(service)

    app.timer_trigger(schedule="0 0 3 * * *", arg_name="timer")(retention)  # 03:00 UTC


async def _run_purge(service: Service) -> None:
    try:
        purged = await asyncio.to_thread(_purge, service, datetime.now(UTC) - service.retention)
    except Exception:
        log.exception("Expired feedback was not purged; the next night tries again.")
        raise
    telemetry.event("feedback_purged", rows=purged.rows, partitions=purged.hours)
    if purged.reached is not None:
        reached = f"{purged.reached:%Y-%m-%dT%H}"
        log.warning("Time ran out: feedback on predictions since %s is left to the next night.", reached)


def _purge(service: Service, before: datetime) -> PurgeResult:
    end = time.monotonic() + TIME_LIMIT_SECONDS
    purged = purge_feedback(service.store, before, lambda: time.monotonic() > end)
    if purged.reached is None:
        for _ in service.incidents.purge(before):
            if time.monotonic() > end:
                break
    return purged
