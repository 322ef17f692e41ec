"""What the clients of Azure Storage share: the app's identity, the retry policy and the names of hours.

azure.identity takes 75 ms to import, so it is imported only when a token is needed.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from .settings import Settings

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

type CredentialFactory = Callable[[Settings], TokenCredential]  # called when the first request needs a token

# The retry policy. A person waits for most requests: for at most MAX_ATTEMPTS attempts, each of which may take
# REQUEST_TIMEOUT_SECONDS to connect and as long again to read.
REQUEST_TIMEOUT_SECONDS = 0.7
MAX_ATTEMPTS = 2
RETRY_AFTER_SECONDS = 5  # what the caller is asked to wait


def managed_identity(settings: Settings) -> "TokenCredential":
    """Return the identity that Azure gives the app. A person waits for its first token, so it does not retry."""
    from azure.identity import ManagedIdentityCredential

    return ManagedIdentityCredential(
        client_id=settings.managed_identity_client_id,
        retry_total=0,
        connection_timeout=REQUEST_TIMEOUT_SECONDS,
        read_timeout=REQUEST_TIMEOUT_SECONDS,
    )


def format_hour(moment: datetime) -> str:
    """Return the hour of `moment` (UTC), as partitions and blobs are named: 2026-11-22T05."""
    return f"{moment:%Y-%m-%dT%H}"


def parse_hour(hour: str) -> datetime:
    """Return when an hour began, UTC."""
    return datetime.fromisoformat(hour).replace(tzinfo=UTC)
