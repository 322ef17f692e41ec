"""Every night: feedback, and what is known of incidents, is forgotten when its time is over."""

import asyncio
import logging
import time
from datetime import UTC, datetime

import azure.functions as func

from cloud import telemetry
from feedback.stores import PurgeResult, purge_feedback

from .shared.service import service

SECONDS = 40  # of a minute, host.json's functionTimeout; what is left over goes the next night

blueprint = func.Blueprint()
watch = logging.getLogger("buzzguard.watch")
log = logging.getLogger("buzzguard.retention")


async def retention(timer: func.TimerRequest, context: func.Context) -> None:
    with telemetry.invocation(context.trace_context.trace_parent):
        try:
            purged = await asyncio.to_thread(_purge, datetime.now(UTC) - service.retention)
        except Exception:
            log.exception("Expired feedback was not purged; the next night tries again.")
            raise
        watch.info("feedback_purged", extra={"rows": purged.rows, "partitions": purged.periods})
        if purged.reached is not None:
            log.warning(
                "Time ran out: feedback on predictions since %s is left to the next night.",
                f"{purged.reached:%Y-%m-%dT%H}",
            )


def _purge(before: datetime) -> PurgeResult:
    end = time.monotonic() + SECONDS
    purged = purge_feedback(service.store, before, lambda: time.monotonic() > end)
    if purged.reached is None:
        for _ in service.incidents.purge(before):
            if time.monotonic() > end:
                break
    return purged


blueprint.timer_trigger(schedule="0 0 3 * * *", arg_name="timer")(retention)  # 03:00 UTC
