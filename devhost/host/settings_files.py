"""The two files that configure a function app on a laptop: host.json, and local.settings.json in Core Tools' format."""

import json
import os
import secrets
from pathlib import Path
from typing import Any

from msgspec import Struct

from devhost import azurite
from devhost.errors import HostError

DEVELOPMENT_PORT = 7071  # Core Tools' own


def _read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises HostError with the position of the fault."""
    try:
        content = json.loads(path.read_text("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise HostError(f"{path.name}:{error.lineno}:{error.colno}: {error.msg}") from error
    except UnicodeDecodeError as error:
        raise HostError(f"{path.name}: byte {error.start}: not UTF-8") from error
    except OSError as error:
        raise HostError(f"{path}: {error.strerror}") from error
    return _object(path, "the file", content)


def _object(path: Path, where: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise HostError(f"{path.name}: {where} must be an object")
    return value


class HostJson(Struct, frozen=True):
    """What host.json says of HTTP."""

    route_prefix: str = "api"
    max_concurrent: int = 100  # requests that run at the same time; -1: no limit
    max_outstanding: int = 200  # requests that run or wait; -1: no limit

    @classmethod
    def read(cls, app_dir: Path) -> "HostJson":
        path = app_dir / "host.json"
        extensions = _object(path, "extensions", _read_object(path).get("extensions", {}))
        http = _object(path, "extensions.http", extensions.get("http", {}))
        default = cls()
        prefix = http.get("routePrefix", default.route_prefix)
        if not isinstance(prefix, str):
            raise HostError("host.json: extensions.http.routePrefix must be a string")
        return cls(
            route_prefix=prefix.strip("/"),
            max_concurrent=_limit(http, "maxConcurrentRequests", default.max_concurrent),
            max_outstanding=_limit(http, "maxOutstandingRequests", default.max_outstanding),
        )


def _limit(http: dict[str, Any], name: str, default: int) -> int:
    value = http.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value == 0 or value < -1:
        raise HostError(f"host.json: extensions.http.{name} must be a positive number, or -1 for no limit")
    return value


class Cors(Struct, frozen=True):
    """Which pages of other origins may call."""

    origins: tuple[str, ...] = ()  # ("*",): all
    credentials: bool = False


NO_CORS = Cors()


class LocalSettings(Struct, frozen=True):
    """local.settings.json."""

    values: dict[str, str]
    port: int
    cors: Cors

    @classmethod
    def read_or_create(cls, app_dir: Path) -> "LocalSettings":
        """Reads the file; a development one with fresh keys is written first where there is none."""
        path = app_dir / "local.settings.json"
        if not path.exists():
            _write_development(path)
        content = _read_object(path)
        if content.get("IsEncrypted"):
            raise HostError(f"{path.name} is encrypted: run `func settings decrypt` first")
        values = _object(path, "Values", content.get("Values", {}))
        for name, value in values.items():
            if not isinstance(value, str):
                raise HostError(f"{path.name}: Values.{name} must be a string")
        host = _object(path, "Host", content.get("Host", {}))
        return cls(values, _port(path, host), _cors(path, host))

    def apply(self) -> None:
        """Puts the values into the environment, which wins over them, as with Core Tools."""
        for name, value in self.values.items():
            os.environ.setdefault(name, value)
        os.environ.setdefault("AZURE_FUNCTIONS_ENVIRONMENT", "Development")


def _port(path: Path, host: dict[str, Any]) -> int:
    port = host.get("LocalHttpPort", DEVELOPMENT_PORT)
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
        raise HostError(f"{path.name}: Host.LocalHttpPort must be a port from 1 to 65535")
    return port


def _cors(path: Path, host: dict[str, Any]) -> Cors:
    listed = host.get("CORS", "")
    if not isinstance(listed, str):
        raise HostError(f"{path.name}: Host.CORS must be a string of origins with commas between them")
    origins = tuple(origin.strip().removesuffix("/") for origin in listed.split(",") if origin.strip())
    credentials = host.get("CORSCredentials") is True
    if credentials and "*" in origins:
        raise HostError(f"{path.name}: Host.CORSCredentials needs named origins, Host.CORS cannot be *")
    return Cors(origins, credentials)


def development_key() -> str:
    """A fresh one, which says where it belongs: nobody takes it for that of a deployment."""
    return "development-" + secrets.token_urlsafe(32)


def _write_development(path: Path) -> None:
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
    path.touch(0o600, exist_ok=False)  # never readable by others, not for a moment
    path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
