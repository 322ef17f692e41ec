"""All of Azure Monitor on one machine: telemetry arrives, alert rules run over it, notifications go to the mailbox."""

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Self
from urllib.parse import urlencode

import msgspec
import uvicorn
from starlette.routing import Route

from devhost.errors import HostError
from devhost.host.http_server import server_config
from devhost.host.invoker import Invocation
from devhost.host.settings_files import development_key

from .action_group import ActionGroup, Receivers
from .alert_rules import Monitor, read_rules
from .application_insights import IngestionEndpoint, Sink, request_row
from .availability import Prober, read_web_test
from .log_analytics import Schema, Workspace
from .mailbox import MAX_MAIL_BYTES, Mailbox
from .mailbox_pages import MailboxPages
from .telemetry_items import INSTRUMENTATION_KEY

log = logging.getLogger(__name__)

INFRA = Path(__file__).resolve().parents[2] / "infra"
_MAIL_SETTINGS = ("SMTP_PORT", "SMTP_SECURITY", "MAIL_FROM", "MAIL_TO")  # belong to SMTP_HOST
_TICK_SECONDS = 1.0


class LocalMonitoring:
    """Monitoring of one app.

    It listens for telemetry and e-mail on two free ports from the beginning, so that `settings` can name them. `start`
    begins to accept connections, `start_alerting` to evaluate rules, each in a thread.
    """

    def __init__(self, sink: Sink | None = None) -> None:
        """Telemetry goes to `sink`, by default into `workspace`. Raises HostError if a file in infra/ is invalid."""
        self.web_test = read_web_test(INFRA / "availability.json")
        log_rules = read_rules(INFRA / "alerts.json")
        # No traffic round the clock is expected on one machine.
        self.rules = (*(rule for rule in log_rules if not rule.expect_traffic), self.web_test.rule)
        self.workspace = Workspace(_read_schema(INFRA / "workspace.json"))
        self.mailbox = Mailbox(_now)
        self._sink = sink or self.workspace.add
        self._incident_key = development_key()
        self._ingestion_socket, self._smtp_socket = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
        self._threads: list[threading.Thread] = []
        self._alerting_stopped = threading.Event()
        app = IngestionEndpoint(self._sink, _now).app
        self._ingestion_server = uvicorn.Server(server_config(app, lifespan="off"))

    @property
    def smtp(self) -> tuple[str, int]:
        """Host and port of the mailbox."""
        host, port = self._smtp_socket.getsockname()
        return host, port

    @property
    def mailbox_routes(self) -> list[Route]:
        """The pages that show the mailbox."""
        return MailboxPages(self.mailbox).routes

    @property
    def settings(self) -> dict[str, str]:
        """The settings with which the app sends telemetry and e-mail here."""
        host, port = self.smtp
        endpoint = f"http://127.0.0.1:{self._ingestion_socket.getsockname()[1]}/"
        return {
            "APPLICATIONINSIGHTS_CONNECTION_STRING": (
                f"InstrumentationKey={INSTRUMENTATION_KEY};IngestionEndpoint={endpoint};LiveEndpoint={endpoint}"
            ),
            "OTEL_SERVICE_NAME": "buzzguard",
            "SMTP_HOST": host,
            "SMTP_PORT": str(port),
            "SMTP_SECURITY": "none",  # the mails do not leave this machine
            "MAIL_FROM": "buzzguard@laptop.example",
            "MAIL_TO": "ops@laptop.example",
            "INCIDENT_KEY": self._incident_key,
        }

    def apply_settings(self, environment: MutableMapping[str, str]) -> None:
        """Add `settings` to `environment` without overwriting. If it names a mail server, add no mail settings."""
        has_mail_server = "SMTP_HOST" in environment
        for name, value in self.settings.items():
            if not (has_mail_server and name in _MAIL_SETTINGS):
                environment.setdefault(name, value)

    def record_invocation(self, invocation: Invocation) -> None:
        """Record a call of a function, as the Functions platform does."""
        self._sink("AppRequests", request_row(invocation), _now())

    def action_group(
        self, app_url: str, environment: Mapping[str, str], sleep: Callable[[float], None] = time.sleep
    ) -> ActionGroup:
        """Return an action group for the app at `app_url`, which runs with the settings in `environment`."""
        key = urlencode({"key": environment["INCIDENT_KEY"]})
        addresses = environment.get("MAIL_TO", self.settings["MAIL_TO"])
        receivers = Receivers(
            function_url=f"{app_url}/api/incidents?{key}",
            smtp=self.smtp,
            recipients=[address.strip() for address in addresses.split(",")],
        )
        return ActionGroup(receivers, sleep)

    def start(self) -> None:
        """Accept telemetry and e-mail. Earlier connections wait in the sockets."""
        self._start_thread(lambda: asyncio.run(self._serve()))

    def start_alerting(self, app_url: str, action_group: ActionGroup, speed: float) -> None:
        """Test the availability of the app and evaluate the rules, `speed` times as often as deployed."""
        prober = Prober(self.web_test, app_url, self._sink, speed)
        monitor = Monitor(self.rules, self.workspace, action_group.notify, speed)
        self._start_thread(lambda: self._run_alerting(prober, monitor))

    def stop_alerting(self) -> None:
        """Send no more notifications: an app that is stopped on purpose is not unavailable."""
        self._alerting_stopped.set()

    def close(self) -> None:
        """Stop all threads and close the ports."""
        self.stop_alerting()
        self._ingestion_server.should_exit = True
        for thread in self._threads:
            thread.join()
        for listener in (self._ingestion_socket, self._smtp_socket):
            listener.close()
        self.workspace.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start_thread(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name="monitoring", daemon=True)
        self._threads.append(thread)
        thread.start()

    async def _serve(self) -> None:
        from aiosmtpd.smtp import SMTP  # imported lazily, in this thread, to start the app sooner

        loop = asyncio.get_running_loop()
        protocol = partial(
            SMTP, self.mailbox, hostname="localhost", data_size_limit=MAX_MAIL_BYTES, enable_SMTPUTF8=True, loop=loop
        )
        async with await loop.create_server(protocol, sock=self._smtp_socket):
            await self._ingestion_server.serve(sockets=[self._ingestion_socket])

    def _run_alerting(self, prober: Prober, monitor: Monitor) -> None:
        while not self._alerting_stopped.wait(_TICK_SECONDS):
            try:
                prober.tick(_now())
                if self._alerting_stopped.is_set():
                    return
                self.workspace.flush()
                monitor.tick(_now())
            except Exception:
                log.exception("alerting failed")


def _now() -> datetime:
    return datetime.now(UTC)


def _read_schema(path: Path) -> Schema:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, str]])
    except (OSError, msgspec.DecodeError) as error:
        raise HostError(f"{path}: {error}") from error
