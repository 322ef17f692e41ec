"""The stores that the settings choose. Another database is one module beside this, and its choice in here."""

from feedback.stores import FeedbackStore, IncidentStore

from .azure_storage import CredentialFactory, managed_identity
from .settings import Settings
from .table_storage import TableFeedbackStore, TableIncidentStore


def create_feedback_store(settings: Settings, credential: CredentialFactory = managed_identity) -> FeedbackStore:
    """Return the store of feedback. It connects when it is used."""
    return TableFeedbackStore(settings, credential)


def create_incident_store(settings: Settings) -> IncidentStore:
    """Return the store of incidents. It connects when it is used."""
    return TableIncidentStore(settings)
