"""The identity that the app uses with Azure Storage.

azure.identity takes 75 ms to import, so it is imported only when a token is needed.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from .settings import Settings

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

type CredentialFactory = Callable[[Settings], TokenCredential]  # called when the first request needs a token

TIMEOUT_SECONDS = 0.7  # to connect, and to wait for a reply


def managed_identity(settings: Settings) -> "TokenCredential":
    """Return the identity that Azure gives the app. A person waits for its first token, so it does not retry."""
    from azure.identity import ManagedIdentityCredential

    return ManagedIdentityCredential(
        client_id=settings.managed_identity_client_id,
        retry_total=0,
        connection_timeout=TIMEOUT_SECONDS,
        read_timeout=TIMEOUT_SECONDS,
    )
