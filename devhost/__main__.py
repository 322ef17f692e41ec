"""`python -m devhost`, alias `make serve`: run the whole app on this machine.

The environment variable PORT sets the port (0: any free one). Without it, local.settings.json does.
"""

import argparse
import logging
import math
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

from devhost.errors import HostError
from devhost.server import Options, serve

# These log every request or connection at INFO.
_VERBOSE_LOGGERS = ("azure", "asyncio", "httpx", "mail.log", "uvicorn")


def main() -> int:
    """Return the exit status: 0 after Ctrl-C or SIGTERM, 1 if the app cannot run, with one line on stderr."""
    arguments = _parse_arguments()
    _configure_logging(logging.DEBUG if arguments.debug else logging.INFO)
    signal.signal(signal.SIGTERM, _interrupt)
    options = Options(
        app_dir=arguments.app.resolve(),
        azurite=not arguments.no_tables,
        monitoring=not arguments.no_monitoring,
        speed=arguments.speed,
    )
    try:
        serve(options)
    except KeyboardInterrupt:
        return 0
    except HostError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m devhost", description="Run a function app on this machine.")
    parser.add_argument("--app", type=Path, default=Path(__file__).parents[1], metavar="DIR", help="the function app")
    parser.add_argument("--no-tables", action="store_true", help="do not start Azurite")
    parser.add_argument("--no-monitoring", action="store_true", help="no telemetry, no alerts, no mailbox")
    parser.add_argument("--speed", type=_speed, default=1.0, metavar="N", help="evaluate alert rules N times as often")
    parser.add_argument("--debug", action="store_true", help="log everything, also tracebacks of failed imports")
    return parser.parse_args()


def _speed(text: str) -> float:
    speed = float(text)
    if not 1 <= speed < math.inf:
        raise ValueError(text)
    return speed


def _configure_logging(level: int) -> None:
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")
    for name in _VERBOSE_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
