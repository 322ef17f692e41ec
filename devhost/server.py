"""Start everything that `make serve` runs: Azurite, the app behind the Functions host, monitoring."""

import atexit
import os
import socket
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from msgspec import Struct

from devhost.azurite import ACCOUNT, DEVELOPMENT_PORT, Azurite
from devhost.azurite_files import lock_folder
from devhost.azurite_restarts import keep_running
from devhost.errors import HostError
from devhost.host.settings_files import LocalSettings
from devhost.ports import MAX_PORT, free_port, listen

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from devhost.host.runtime import Runtime
    from devhost.monitoring.local_monitoring import LocalMonitoring

_TABLES_SETTING = "TABLES_CONNECTION_STRING"
_SHUTDOWN_TIMEOUT_SECONDS = 5  # for requests that still run


class Options(Struct, frozen=True, kw_only=True):
    """What to start."""

    app_dir: Path
    azurite: bool = True
    monitoring: bool = True
    speed: float = 1.0  # how many times as often as deployed alert rules are evaluated


def serve(options: Options) -> None:
    """Serve the app until the process is interrupted.

    Raises HostError if the app cannot run, and KeyboardInterrupt after an orderly shutdown.
    """
    settings = LocalSettings.read_or_create(options.app_dir)
    port = _parse_port(os.environ.get("PORT"), settings.port)
    use_azurite = options.azurite and _uses_emulator(settings)
    settings.apply()
    with ExitStack() as stack:
        listener = stack.enter_context(listen(port))
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        azurite = _start_azurite(stack, options.app_dir) if use_azurite else None
        monitoring = _create_monitoring() if options.monitoring else None
        app = _load_app(options.app_dir, settings, monitoring)
        if azurite:
            stack.enter_context(keep_running(azurite.result()))

        def on_started() -> None:
            print(_welcome(address, app.state.runtime, monitoring), flush=True)
            if monitoring:
                monitoring.start()
                monitoring.start_alerting(address, monitoring.action_group(address, os.environ), options.speed)

        _run(app, listener, on_started, monitoring.stop_alerting if monitoring else lambda: None)


def _uses_emulator(settings: LocalSettings) -> bool:
    """Return whether local.settings.json points to Azurite and the environment names no other store."""
    return _TABLES_SETTING not in os.environ and ACCOUNT in settings.values.get(_TABLES_SETTING, "")


def _start_azurite(stack: ExitStack, app_dir: Path) -> Future[Azurite]:
    """Start Azurite in another thread, because Node takes as long to start as Python takes to import the app.

    `stack` kills it.
    """
    folder = app_dir / ".local" / "azurite"
    stack.enter_context(lock_folder(folder))
    azurite = Azurite(folder, free_port(DEVELOPMENT_PORT))
    os.environ[_TABLES_SETTING] = azurite.connection_string
    stack.callback(azurite.kill)
    return stack.enter_context(ThreadPoolExecutor(1)).submit(azurite.__enter__)


def _create_monitoring() -> "LocalMonitoring":
    # Imported lazily, after Azurite is started: each takes about a second.
    from devhost.monitoring.local_monitoring import LocalMonitoring

    monitoring = LocalMonitoring()
    monitoring.apply_settings(os.environ)
    # Exit handlers run in reverse order. The app registers its own later, so its last telemetry still arrives.
    atexit.register(monitoring.close)
    return monitoring


def _load_app(app_dir: Path, settings: LocalSettings, monitoring: "LocalMonitoring | None") -> "Starlette":
    from devhost.host.functions_host import create_app  # imported lazily for the same reason

    if monitoring is None:
        return create_app(app_dir, settings.cors)
    return create_app(app_dir, settings.cors, monitoring.record_invocation, monitoring.mailbox_routes)


def _run(
    app: "Starlette", listener: socket.socket, on_started: Callable[[], None], on_stopping: Callable[[], None]
) -> None:
    from devhost.host.http_server import server_config  # imported lazily for the same reason

    config = server_config(app, timeout_graceful_shutdown=_SHUTDOWN_TIMEOUT_SECONDS)
    _Server(config, on_started, on_stopping).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Call `on_started` once the server accepts requests, and `on_stopping` before it stops accepting them."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None], on_stopping: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started
        self._on_stopping = on_stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_stopping()
        await super().shutdown(sockets)


def _welcome(address: str, runtime: "Runtime", monitoring: "LocalMonitoring | None") -> str:
    timers = [function.name for function in runtime.functions.values() if function.trigger_type == "timerTrigger"]
    lines = [
        f"The app runs at {address} (press Ctrl-C to stop it)",
        *(
            f"  {', '.join(sorted(route.methods)) or 'any method':<12} /{route.template.text}"
            for route in runtime.routes.routes
        ),
        *(f"  {'timer':<12} {name}: POST /admin/functions/{name}, with the DEVHOST_MASTER_KEY" for name in timers),
    ]
    if monitoring:
        lines += [
            f"  {'mail':<12} /mailbox shows the e-mails that the app and the alerts send",
            f"  {'alerts':<12} {len(monitoring.rules)} rules from infra/alerts.json and infra/availability.json",
        ]
    return "\n".join(lines) + "\n"


def _parse_port(setting: str | None, default: int) -> int:
    if setting is None:
        return default
    if not (setting.isascii() and setting.isdecimal() and int(setting) <= MAX_PORT):
        raise HostError(f"PORT must be a number from 0 to {MAX_PORT}, not {setting!r}")
    return int(setting)
