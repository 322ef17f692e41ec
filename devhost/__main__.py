"""`python -m devhost`: the whole app on this machine, at http://127.0.0.1:7071. `make serve` runs this.

PORT chooses the port (0: any free one); otherwise local.settings.json does.
"""

import argparse
import atexit
import fcntl
import logging
import math
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import uvicorn

from devhost.azurite import DEVELOPMENT_PORT, Azurite
from devhost.errors import HostError
from devhost.host.settings_files import LocalSettings
from devhost.ports import free_port, listen

if TYPE_CHECKING:
    from devhost.host.runtime import Runtime
    from devhost.monitoring.local_monitoring import Watch

_TABLES_SETTING = "TABLES_CONNECTION_STRING"
_STOP_SECONDS = 5  # for requests that still run


def main() -> int:
    """The exit status: 0 after Ctrl-C or SIGTERM, 1 with one line on stderr where the app cannot be served."""
    arguments = _arguments()
    logging.basicConfig(
        level=logging.DEBUG if arguments.debug else logging.INFO, format="%(levelname)s %(name)s: %(message)s"
    )
    for chatty in ("azure", "asyncio", "httpx", "mail.log", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        serve(arguments.app.resolve(), not arguments.no_tables, None if arguments.no_watch else arguments.speed)
    except KeyboardInterrupt:
        return 0
    except HostError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m devhost", description="Azure on this machine.")
    parser.add_argument("--app", type=Path, default=Path(__file__).parents[1], metavar="DIR", help="the function app")
    parser.add_argument("--no-tables", action="store_true", help="start no Azurite")
    parser.add_argument("--no-watch", action="store_true", help="no telemetry, no alerts, no mailbox")
    parser.add_argument("--speed", type=_speed, default=1.0, metavar="N", help="look for alerts N times as often")
    parser.add_argument("--debug", action="store_true", help="log everything, tracebacks of failed imports included")
    return parser.parse_args()


def _speed(text: str) -> float:
    speed = float(text)
    if not 1 <= speed < math.inf:
        raise ValueError(text)
    return speed


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def serve(app_dir: Path, own_tables: bool, speed: float | None) -> None:
    """Serves until interrupted. Alert rules run `speed` times as often as they say; None: nothing is watched.

    Raises HostError, and KeyboardInterrupt after an orderly end.
    """
    settings = LocalSettings.read_or_create(app_dir)
    port = _port(os.environ.get("PORT"), settings.port)
    # Azurite is for those who have named no store of their own, in the environment or in the file.
    emulated = _TABLES_SETTING not in os.environ and "devstoreaccount1" in settings.values.get(_TABLES_SETTING, "")
    settings.apply()
    with ExitStack() as stack:
        listener = stack.enter_context(listen(port))
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        tables_start = _begin_tables(stack, app_dir) if own_tables and emulated else None

        from devhost.host.functions_host import create_app  # late: meanwhile the tables start
        from devhost.monitoring.local_monitoring import Watch

        watch = Watch() if speed else None
        if watch:
            watch.lend(os.environ)
            atexit.register(watch.close)  # runs after the app's own, which may have telemetry to send
        app = create_app(
            app_dir, settings.cors, watch.observe if watch else None, watch.mailbox.routes if watch else ()
        )
        if tables_start:
            tables_start.result()

        def ready() -> None:
            print(_welcome(address, app.state.runtime, watch), flush=True)
            if watch and speed:
                watch.open()
                watch.start_rules(address, watch.action_group(address, os.environ), speed)

        config = uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        _Server(config, ready, watch.stop_rules if watch else lambda: None).run(sockets=[listener])


def _begin_tables(stack: ExitStack, app_dir: Path) -> Future[None]:
    """Azurite on its way up, killed by `stack`. Node and Python both take a while to import things: let them do it side
    by side."""
    folder = app_dir / ".local" / "azurite"
    stack.enter_context(_locked(folder))
    azurite = Azurite(folder, free_port(DEVELOPMENT_PORT))
    os.environ[_TABLES_SETTING] = azurite.connection_string
    stack.callback(azurite.kill)
    return stack.enter_context(ThreadPoolExecutor(1)).submit(azurite.start)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds the tables in `folder` for this process: two Azurites would write over each other. Raises HostError."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HostError(f"another `make serve` runs in this folder: it holds {folder}") from error
        yield


class _Server(uvicorn.Server):
    """Calls `ready` when it is, and `ending` before it no longer answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], ending: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready
        self._ending = ending

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._ending()
        await super().shutdown(sockets)


def _welcome(address: str, runtime: "Runtime", watch: "Watch | None") -> str:
    timers = [function.name for function in runtime.functions.values() if function.trigger == "timerTrigger"]
    lines = [
        f"The app answers at {address} (Ctrl-C stops it)",
        *(
            f"  {', '.join(sorted(route.methods)) or 'any method':<12} /{route.template.text}"
            for route in runtime.routes.routes
        ),
        *(f"  {'timer':<12} {name}: POST /admin/functions/{name}" for name in timers),
    ]
    if watch:
        lines += [
            f"  {'mail':<12} /mailbox shows what is sent",
            f"  {'alerts':<12} {len(watch.rules)} rules of infra/alerts.json and availability.json watch it",
        ]
    return "\n".join(lines) + "\n"


def _port(asked: str | None, default: int) -> int:
    if asked is None:
        return default
    if not (asked.isascii() and asked.isdecimal() and int(asked) < 65536):
        raise HostError(f"PORT must be a number from 0 to 65535, not {asked!r}")
    return int(asked)


if __name__ == "__main__":
    sys.exit(main())
