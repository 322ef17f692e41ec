"""Turn `--set KEY=VALUE` into a family's Configuration, and a Configuration into flat parameters for MLflow."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec


def configure[T: msgspec.Struct](configuration: type[T], settings: Sequence[str]) -> T:
    """Return the configuration with `settings`: KEY=VALUE, with dots for nesting. Raises SystemExit with one line.

    The setting `help` raises SystemExit with one line for every setting and its default.
    """
    defaults = configuration()
    nested = msgspec.to_builtins(defaults)
    if "help" in settings:
        known = flatten(nested).items()
        raise SystemExit("\n".join(f"{key}={msgspec.json.encode(value).decode()}" for key, value in known))
    for setting in settings:
        key, equals, value = setting.partition("=")
        *parents, name = key.split(".")
        if successor := _successor(defaults, parents, name):
            raise SystemExit(f"--set {setting}: {key} is now called {successor}")
        parent = nested
        for part in parents:
            parent = parent.setdefault(part, {}) if isinstance(parent, dict) else parent
        if not equals or not isinstance(parent, dict):
            raise SystemExit(f"--set {setting}: must be KEY=VALUE")
        if name not in parent:
            raise SystemExit(f"--set {setting}: there is no setting {key}; --set help lists them")
        parsed = _parse_value(value)
        parent[name] = [parsed] if isinstance(parent.get(name), tuple) and not isinstance(parsed, list) else parsed
    try:
        return msgspec.convert(nested, configuration, strict=False)
    except msgspec.ValidationError as error:
        raise SystemExit(f"--set: {error}") from error


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings under keys with dots, as MLflow takes them: {"text.urls": True}."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _successor(defaults: msgspec.Struct, parents: Sequence[str], name: str) -> str | None:
    """Return the key that replaced `name` below `parents`, or None if it was not renamed."""
    owner: Any = defaults
    for parent in parents:
        owner = getattr(owner, parent, None)
    renamed: Mapping[str, str] = getattr(owner, "RENAMED", {})
    return ".".join([*parents, renamed[name]]) if name in renamed else None


def _parse_value(text: str) -> Any:
    """Return the value of JSON text. Text that is not JSON is the value itself."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
