"""The app and the checkout that the documents talk about."""

import sys
from pathlib import Path

import pytest

from devhost.azurite import Azurite
from tests.support.app import App, StartApp
from tests.support.paths import ROOT


@pytest.fixture(scope="session")
def served(start_app: StartApp, azurite: Azurite) -> App:
    """Return the app with the model that ships, which the documents quote."""
    return start_app(MODEL="", TABLES_CONNECTION_STRING=azurite.connection_string)


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of links to the checkout. What a command writes stays in there."""
    folder = tmp_path_factory.mktemp("checkout")
    for path in ROOT.iterdir():
        if path.name not in (".git", ".local", ".venv", "build"):
            (folder / path.name).symlink_to(path)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder
