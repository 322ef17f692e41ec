"""What the tests of the documents share: the app that they talk of."""

import pytest

from devhost.azurite import Azurite
from tests.support.app import App, StartApp


@pytest.fixture(scope="session")
def served(start_app: StartApp, azurite: Azurite) -> App:
    """The app with the model that ships, which the documents quote."""
    return start_app(MODEL="", TABLES_CONNECTION_STRING=azurite.connection_string)
