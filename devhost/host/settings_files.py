"""Read host.json and local.settings.json, the two files that configure a function app, in Core Tools' format."""

import json
import os
import re
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any

from msgspec import Struct

from devhost import azurite
from devhost.errors import HostError
from devhost.ports import MAX_PORT

DEVELOPMENT_PORT = 7071  # the default of Core Tools


# .NET's TimeSpan: [days.]hours:minutes[:seconds[.fraction]]
_TIME_SPAN = re.compile(r"(?:(\d{1,5})\.)?([01]?\d|2[0-3]):([0-5]?\d)(?::([0-5]?\d(?:\.\d{1,7})?))?")


class HostJson(Struct, frozen=True, kw_only=True):
    """The settings of host.json that decide how requests and functions run."""

    route_prefix: str = "api"
    max_concurrent_requests: int = 100  # running at the same time; -1: no limit
    max_outstanding_requests: int = 200  # running or waiting; -1: no limit
    function_timeout_seconds: float | None = 1800.0  # None: no limit

    @classmethod
    def read(cls, app_dir: Path) -> "HostJson":
        """Read host.json. Raises HostError if it is missing or invalid."""
        path = app_dir / "host.json"
        content = _read_object(path)
        extensions = _require_object(path, "extensions", content.get("extensions", {}))
        http = _require_object(path, "extensions.http", extensions.get("http", {}))
        default = cls()
        prefix = http.get("routePrefix", default.route_prefix)
        if not isinstance(prefix, str):
            raise HostError("host.json: extensions.http.routePrefix must be a string")
        return cls(
            route_prefix=prefix.strip("/"),
            max_concurrent_requests=_limit(http, "maxConcurrentRequests", default.max_concurrent_requests),
            max_outstanding_requests=_limit(http, "maxOutstandingRequests", default.max_outstanding_requests),
            function_timeout_seconds=_function_timeout(
                content.get("functionTimeout"), default.function_timeout_seconds
            ),
        )


def _limit(http: dict[str, Any], name: str, default: int) -> int:
    value = http.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value == 0 or value < -1:
        raise HostError(f"host.json: extensions.http.{name} must be a positive number, or -1 for no limit")
    return value


def _function_timeout(value: Any, default: float | None) -> float | None:
    """Return functionTimeout in seconds; None if it is -1. The rules are the host's, in ScriptJobHostOptionsSetup.

    Two readings of .NET are refused because nobody means them: it takes 24:00:00 for 24 days, and 60 for 60 days.
    """
    text = "" if value is None else str(value).strip()
    if not text:
        return default
    if text == "-1":
        return None
    parts = _TIME_SPAN.fullmatch(text) if isinstance(value, str) else None
    if parts is None:
        raise HostError(
            f'host.json: functionTimeout must be a time such as "00:05:00", or "-1" for none, not {value!r}'
        )
    days, hours, minutes, seconds = (float(part or 0) for part in parts.groups())
    timeout = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()
    if timeout < 1:
        raise HostError(f"host.json: functionTimeout must be a second or more, not {value!r}")
    return timeout


class Cors(Struct, frozen=True):
    """Which other origins may call the app."""

    origins: tuple[str, ...] = ()  # ("*",): all origins
    credentials: bool = False


NO_CORS = Cors()


class LocalSettings(Struct, frozen=True, kw_only=True):
    """The content of local.settings.json."""

    values: dict[str, str]  # environment variables
    port: int
    cors: Cors

    @classmethod
    def read_or_create(cls, app_dir: Path) -> "LocalSettings":
        """Read the file. Create it first, with new keys, if it does not exist. Raises HostError if it is invalid."""
        path = app_dir / "local.settings.json"
        if not path.exists():
            _write_defaults(path)
        content = _read_object(path)
        if content.get("IsEncrypted"):
            raise HostError(f"{path.name} is encrypted: run `func settings decrypt` first")
        values = _require_object(path, "Values", content.get("Values", {}))
        for name, value in values.items():
            if not isinstance(value, str):
                raise HostError(f"{path.name}: Values.{name} must be a string")
        host = _require_object(path, "Host", content.get("Host", {}))
        return cls(values=values, port=_port(path, host), cors=_cors(path, host))

    def apply(self) -> None:
        """Set the values as environment variables. Existing variables stay, as with Core Tools."""
        for name, value in self.values.items():
            os.environ.setdefault(name, value)
        os.environ.setdefault("AZURE_FUNCTIONS_ENVIRONMENT", "Development")


def _port(path: Path, host: dict[str, Any]) -> int:
    port = host.get("LocalHttpPort", DEVELOPMENT_PORT)
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port <= MAX_PORT:
        raise HostError(f"{path.name}: Host.LocalHttpPort must be a port from 1 to {MAX_PORT}")
    return port


def _cors(path: Path, host: dict[str, Any]) -> Cors:
    text = host.get("CORS", "")
    if not isinstance(text, str):
        raise HostError(f"{path.name}: Host.CORS must be a string with comma-separated origins")
    origins = tuple(origin.strip().removesuffix("/") for origin in text.split(",") if origin.strip())
    credentials = host.get("CORSCredentials") is True
    if credentials and "*" in origins:
        raise HostError(f"{path.name}: Host.CORSCredentials needs a list of origins, Host.CORS must not be *")
    return Cors(origins, credentials)


def development_key() -> str:
    """Return a new random key. Its prefix tells it apart from the key of a deployment."""
    return "development-" + secrets.token_urlsafe(32)


def _write_defaults(path: Path) -> None:
    content = {
        "IsEncrypted": False,
        "Values": {
            "FUNCTIONS_WORKER_RUNTIME": "python",
            "AzureWebJobsStorage": "UseDevelopmentStorage=true",
            "RECEIPT_KEY": development_key(),
            "INCIDENT_KEY": development_key(),
            "TABLES_CONNECTION_STRING": azurite.connection_string(azurite.DEVELOPMENT_PORT),
            "AUTH_LEVEL": "anonymous",
            "DEVHOST_FUNCTION_KEY": secrets.token_urlsafe(32),
            "DEVHOST_MASTER_KEY": secrets.token_urlsafe(32),
        },
        "Host": {
            "LocalHttpPort": DEVELOPMENT_PORT,
            "CORS": "http://localhost:3000,http://127.0.0.1:3000",
            "CORSCredentials": False,
        },
    }
    path.touch(0o600, exist_ok=False)  # before the keys are in it: no other user may read them
    path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")


def _read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file. Raises HostError with the position of an error."""
    try:
        content = json.loads(path.read_text("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise HostError(f"{path.name}:{error.lineno}:{error.colno}: {error.msg}") from error
    except UnicodeDecodeError as error:
        raise HostError(f"{path.name}: byte {error.start}: not UTF-8") from error
    except OSError as error:
        raise HostError(f"{path}: {error.strerror}") from error
    return _require_object(path, "the file", content)


def _require_object(path: Path, where: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise HostError(f"{path.name}: {where} must be an object")
    return value
