"""Several times a night: delete feedback and the records of incidents that are older than the retention."""

import asyncio
import logging
import time
from datetime import UTC, datetime, timedelta

import azure.functions as func

from cloud import telemetry
from feedback.stores import Purged, start_of_hour

from .shared.service import Service

# A run may take as long as host.json's functionTimeout allows, so a night has twelve of them. One with nothing to do
# reads two empty pages. All are in one hour, in which retention and export agree on what has expired.
SCHEDULE = "0 */5 3 * * *"  # 03:00, 03:05 … 03:55 UTC
TIME_LIMIT_SECONDS = 40  # of 60; the last request to the store needs some, too

log = logging.getLogger("buzzguard.retention")


def register(app: func.FunctionApp, service: Service) -> None:
    async def retention(timer: func.TimerRequest, context: func.Context) -> None:
        with telemetry.trace_context(context.trace_context.trace_parent):
            await _run_purge(service)

    app.timer_trigger(schedule=SCHEDULE, arg_name="timer")(retention)


async def _run_purge(service: Service) -> None:
    before = start_of_hour(datetime.now(UTC) - service.retention)
    try:
        purged = await asyncio.to_thread(_purge, service, before)
    except Exception:
        log.exception("Expired feedback was not purged completely; the next run tries again.")
        raise
    behind = before - purged.left_since if purged.left_since else timedelta()
    telemetry.event("feedback_purged", rows=purged.rows, hours_behind=behind // timedelta(hours=1))
    if purged.left_since:
        since = f"{purged.left_since:%Y-%m-%dT%H}"
        log.warning("Time ran out: what was stored since %s is left to the next run.", since)


def _purge(service: Service, before: datetime) -> Purged:
    end = time.monotonic() + TIME_LIMIT_SECONDS

    def time_is_up() -> bool:
        return time.monotonic() > end

    purged = service.store.purge(before, time_is_up)
    if purged.left_since is None:
        left_since = service.incidents.purge(before, time_is_up).left_since
        purged = purged._replace(left_since=left_since)
    return purged
