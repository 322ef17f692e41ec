"""As whom the app reaches Azure Storage. azure.identity takes 75 ms to import: what needs no token does not pay."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from .settings import Settings

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

type Credential = Callable[[Settings], TokenCredential]  # asked for when the first call needs one


def managed_identity(settings: Settings) -> "TokenCredential":
    """The identity that Azure gives the app. A person waits for its first token, so it is asked for once."""
    from azure.identity import ManagedIdentityCredential

    client_id = settings.managed_identity_client_id
    return ManagedIdentityCredential(client_id=client_id, retry_total=0, connection_timeout=0.7, read_timeout=0.7)
