"""What the clients of Azure Storage share: the app's identity and the timeout of a request.

azure.identity takes 75 ms to import, so it is imported only when a token is needed.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from .settings import Settings

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

type CredentialFactory = Callable[[Settings], TokenCredential]  # called when the first request needs a token

REQUEST_TIMEOUT_SECONDS = 0.7  # to connect, and again to wait for a reply: a person waits for most requests


def managed_identity(settings: Settings) -> "TokenCredential":
    """Return the identity that Azure gives the app. A person waits for its first token, so it does not retry."""
    from azure.identity import ManagedIdentityCredential

    return ManagedIdentityCredential(
        client_id=settings.managed_identity_client_id,
        retry_total=0,
        connection_timeout=REQUEST_TIMEOUT_SECONDS,
        read_timeout=REQUEST_TIMEOUT_SECONDS,
    )
