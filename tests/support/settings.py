"""Find out which environment variables the app reads."""

from collections.abc import Iterator, Mapping
from contextlib import suppress

from cloud import settings
from cloud.settings import SettingsError


class _Recorder(Mapping[str, str]):
    """An empty environment that records the names that are looked up."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def names_read() -> set[str]:
    """Return the names of all settings."""
    environment = _Recorder()
    with suppress(SettingsError):  # because required ones are missing
        settings.read_settings(environment)
    return environment.names
