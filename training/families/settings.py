"""Turn `--set KEY=VALUE` into a family's Configuration, and back into flat parameters for MLflow."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec


def configure[T: msgspec.Struct](configuration: type[T], settings: Sequence[str]) -> T:
    """Return the configuration with `settings`: KEY=VALUE, with dots for nesting. Raises SystemExit with one line.

    The setting `help` raises SystemExit with all settings and their values.
    """
    nested = msgspec.to_builtins(configuration())
    if "help" in settings:
        defaults = flatten(nested).items()
        raise SystemExit("\n".join(f"{key}={msgspec.json.encode(value).decode()}" for key, value in defaults))
    renamed: Mapping[str, str] = getattr(configuration, "RENAMED", {})
    for setting in settings:
        key, equals, value = setting.partition("=")
        if key in renamed:
            raise SystemExit(f"--set {setting}: is now {renamed[key]}")
        *parents, name = key.split(".")
        parent = nested
        for part in parents:
            parent = parent.setdefault(part, {}) if isinstance(parent, dict) else parent
        if not equals or not isinstance(parent, dict):
            raise SystemExit(f"--set {setting}: must be KEY=VALUE")
        parsed = _parse_value(value)
        parent[name] = [parsed] if isinstance(parent.get(name), tuple) and not isinstance(parsed, list) else parsed
    try:
        return msgspec.convert(nested, configuration, strict=False)
    except msgspec.ValidationError as error:
        raise SystemExit(f"--set: {error}") from error


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings under keys with dots, as MLflow takes them: {"text.urls": True}."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        found |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def _parse_value(text: str) -> Any:
    """Return the value of JSON; text that is not JSON is itself the value."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
