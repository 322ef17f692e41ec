"""The names of the app's settings, as the app itself reads them."""

from collections.abc import Iterator, Mapping
from contextlib import suppress

from cloud.settings import read
from sentiment.errors import SettingsError


class _Recorder(Mapping[str, str]):
    """An empty environment that remembers which names were looked up."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def settings_read_by_the_app() -> set[str]:
    """Return every environment variable that cloud/settings.py looks up."""
    environment = _Recorder()
    with suppress(SettingsError):  # an empty environment lacks what is required
        read(environment)
    return environment.names
