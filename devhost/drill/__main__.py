"""`make drill`: trigger the alerts for wrong predictions and for an outage. Exit status 1 if one does not work.

The app, its telemetry, the alert rules and the e-mails are real. Only the clock of the monitoring moves faster. Tables
and mailbox are temporary.
"""

import logging
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devhost.azurite import Azurite
from devhost.errors import HostError

from .scenarios import Steps, one_tweet, outage, two_bursts
from .simulation import App, Clock, DrillFailure, Simulation, create_monitoring

_SCENARIOS = {
    "Three wrong predictions, and three others ten minutes later": two_bursts,
    "One tweet, predicted three times and marked as wrong five times": one_tweet,
    "An outage": outage,
}


def main() -> int:
    # It logs an error when it calls the app that a scenario has killed.
    logging.getLogger("devhost.monitoring.action_group").setLevel(logging.CRITICAL)
    steps = Steps()
    try:
        for title, run in _SCENARIOS.items():
            print(title)
            with _simulation() as simulation:
                steps.done("the app and its monitoring have started")
                run(simulation, steps)
    except (DrillFailure, HostError, OSError) as error:
        print(f"The drill failed: {error}", file=sys.stderr)
        return 1
    print("All alerts work.")
    return 0


@contextmanager
def _simulation() -> Iterator[Simulation]:
    """Start everything, and kill it afterwards. Raises HostError or DrillFailure if that fails."""
    clock = Clock()
    with (
        tempfile.TemporaryDirectory() as folder,
        Azurite(Path(folder), in_memory=True) as azurite,
        create_monitoring(clock) as monitoring,
    ):
        settings = monitoring.settings | {
            "DEVHOST_FUNCTION_KEY": secrets.token_urlsafe(32),
            "TABLES_CONNECTION_STRING": azurite.connection_string,
            **dict.fromkeys(("TABLES_ENDPOINT", "SMTP_USER", "SMTP_PASSWORD"), ""),  # the user may have set them
        }
        app = App(settings)
        try:
            yield Simulation(app, monitoring, clock)
        finally:
            app.kill()


if __name__ == "__main__":
    sys.exit(main())
