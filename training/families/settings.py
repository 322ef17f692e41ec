"""Turn `--set KEY=VALUE` into a family's Configuration."""

from collections.abc import Mapping
from typing import Any

import msgspec


def configure[T: msgspec.Struct](configuration: type[T], settings: list[str]) -> T:
    """The configuration with `settings`, each KEY=VALUE with dots for nesting. Raises SystemExit with one line.

    If one of them is help, the lines are all settings there are.
    """
    nested = msgspec.to_builtins(configuration())
    if "help" in settings:
        known = flatten(nested).items()
        raise SystemExit("\n".join(f"{key}={msgspec.json.encode(value).decode()}" for key, value in known))
    for setting in settings:
        key, equals, value = setting.partition("=")
        read = _value(value)
        *parents, name = key.split(".")
        place = nested
        for parent in parents:
            place = place.setdefault(parent, {}) if isinstance(place, dict) else place
        if not equals or not isinstance(place, dict):
            raise SystemExit(f"--set {setting}: must be KEY=VALUE")
        place[name] = [read] if isinstance(place.get(name), tuple) and not isinstance(read, list) else read
    return convert(configuration, nested)


def convert[T: msgspec.Struct](configuration: type[T], settings: Mapping[str, Any]) -> T:
    """The configuration with `settings`. Raises SystemExit with one line."""
    try:
        return msgspec.convert(settings, configuration, strict=False)
    except msgspec.ValidationError as error:
        raise SystemExit(f"--set: {error}") from error


def _value(text: str) -> Any:
    """A value as JSON, or the words it is."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def flatten(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as MLflow wants them: {"text.urls": True}."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        found |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found
