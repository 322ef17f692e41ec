"""Azure's watch on a laptop, put together: telemetry arrives, rules run over it, ops get mail."""

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

import msgspec
import uvicorn
from starlette.applications import Starlette

from devhost.errors import HostError
from devhost.host.runtime import Invocation
from devhost.host.settings_files import development_key

from .action_group import ActionGroup, Receivers
from .alert_rules import Monitor, read_rules
from .application_insights import INSTRUMENTATION_KEY, Insights, Sink, request_row
from .availability import Prober, read_web_test
from .log_analytics import Schema, Workspace
from .mailbox import LARGEST, Mailbox

log = logging.getLogger(__name__)

INFRA = Path(__file__).resolve().parents[2] / "infra"
_MAIL = ("SMTP_PORT", "MAIL_FROM", "MAIL_TO")  # settings that go with SMTP_HOST
_BREATH = 1.0  # seconds between two looks at the clock


class Watch:
    """Listens on two ports of its own from the start, and answers in threads of its own from `open` on."""

    def __init__(self, sink: Sink | None = None) -> None:
        """Telemetry goes to `sink` if there is one, else into the workspace. Raises HostError."""
        self.web_test = read_web_test(INFRA / "availability.json")
        log_rules = read_rules(INFRA / "alerts.json")
        # As deployed by default: nobody calls a laptop round the clock.
        self.rules = (*(rule for rule in log_rules if not rule.expect_traffic), self.web_test.rule)
        self.workspace = Workspace(_schema(INFRA / "workspace.json"))
        self.mailbox = Mailbox(_now)
        self._sink = sink or self.workspace.add
        self._incident_key = development_key()
        self._http, self._smtp = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
        self._threads: list[threading.Thread] = []
        self._stopped = threading.Event()
        app = Starlette(routes=Insights(self._sink, _now).routes)
        self._server = uvicorn.Server(
            uvicorn.Config(app, http="httptools", ws="none", lifespan="off", log_config=None, access_log=False)
        )

    @property
    def smtp(self) -> tuple[str, int]:
        """Host and port of the mailbox."""
        host, port = self._smtp.getsockname()
        return host, port

    @property
    def settings(self) -> dict[str, str]:
        """What the app needs to be told, to be watched and to reach the mailbox."""
        host, port = self.smtp
        endpoint = f"http://127.0.0.1:{self._http.getsockname()[1]}/"
        return {
            "APPLICATIONINSIGHTS_CONNECTION_STRING": (
                f"InstrumentationKey={INSTRUMENTATION_KEY};IngestionEndpoint={endpoint};LiveEndpoint={endpoint}"
            ),
            "OTEL_SERVICE_NAME": "buzzguard",
            "SMTP_HOST": host,
            "SMTP_PORT": str(port),
            "MAIL_FROM": "buzzguard@laptop.example",
            "MAIL_TO": "ops@laptop.example",
            "INCIDENT_KEY": self._incident_key,
        }

    def lend(self, environment: MutableMapping[str, str]) -> None:
        """Puts the settings there, except what somebody has set; with a mail server of theirs, nothing of mail."""
        own_server = "SMTP_HOST" in environment
        for name, value in self.settings.items():
            if not (own_server and name in _MAIL):
                environment.setdefault(name, value)

    def observe(self, invocation: Invocation) -> None:
        """Takes note of a call of a function, as the platform does."""
        self._sink("AppRequests", request_row(invocation), _now())

    def action_group(
        self, app: str, environment: Mapping[str, str], pause: Callable[[float], None] = time.sleep
    ) -> ActionGroup:
        """What tells ops, and the function in the app at the URL `app` that runs with these settings. `pause` waits so
        many seconds."""
        key = urlencode({"key": environment["INCIDENT_KEY"]})
        ops = environment.get("MAIL_TO", self.settings["MAIL_TO"])
        to = [address.strip() for address in ops.split(",")]
        return ActionGroup(Receivers(f"{app}/api/incidents?{key}", self.smtp, to), pause)

    def open(self) -> None:
        """From now on telemetry and mail are taken; what was sent before waits in the sockets."""
        self._begin(lambda: asyncio.run(self._answer()))

    def start_rules(self, app: str, action_group: ActionGroup, speed: float) -> None:
        """From now on the app at the URL `app` is tested, and rules are run, when their time comes, `speed` times as
        often as they say."""
        prober = Prober(self.web_test, app, self._sink, speed)
        monitor = Monitor(self.rules, self.workspace, action_group, speed)
        self._begin(lambda: self._run_rules(prober, monitor))

    def stop_rules(self) -> None:
        """From now on nobody is told of anything: that the app ends is no alarm."""
        self._stopped.set()

    def close(self) -> None:
        """Ends what was begun."""
        self.stop_rules()
        self._server.should_exit = True
        for thread in self._threads:
            thread.join()
        for listener in (self._http, self._smtp):
            listener.close()
        self.workspace.close()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name="watch", daemon=True)
        self._threads.append(thread)
        thread.start()

    async def _answer(self) -> None:
        from aiosmtpd.smtp import SMTP  # late: nobody's start is to wait for it

        loop = asyncio.get_running_loop()
        conversation = partial(
            SMTP, self.mailbox, hostname="localhost", data_size_limit=LARGEST, enable_SMTPUTF8=True, loop=loop
        )
        async with await loop.create_server(conversation, sock=self._smtp):
            await self._server.serve(sockets=[self._http])

    def _run_rules(self, prober: Prober, monitor: Monitor) -> None:
        while not self._stopped.wait(_BREATH):
            try:
                prober.tick(_now())
                if self._stopped.is_set():
                    return
                self.workspace.store()
                monitor.tick(_now())
            except Exception:
                log.exception("the monitor failed")


def _now() -> datetime:
    return datetime.now(UTC)


def _schema(path: Path) -> Schema:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, str]])
    except (OSError, msgspec.DecodeError) as error:
        raise HostError(f"{path}: {error}") from error
