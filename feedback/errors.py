"""Errors of receipts, feedback, stores and incidents. Each message may be shown to the caller: it never holds a text
that a person wrote."""

from sentiment.errors import BuzzguardError


class ReceiptError(BuzzguardError):
    """A prediction id cannot be used."""


class InvalidReceipt(ReceiptError):
    """The prediction id was not signed by this service."""


class ExpiredReceipt(ReceiptError):
    """The prediction id is valid but too old."""


class ReceiptFromFuture(ReceiptError):
    """The prediction id is valid, but was signed later than now: a clock of the service is or was wrong."""


class FeedbackConflict(BuzzguardError):
    """Different feedback is already stored for this prediction."""


class ExportError(BuzzguardError):
    """A file of the export was not written by this app."""


class Unavailable(BuzzguardError):
    """A dependency does not respond now. The same call may succeed later."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after  # seconds


class StoreUnavailable(Unavailable):
    """A store of feedback, incidents or the export does not respond."""


class MailUnavailable(Unavailable):
    """No mail server is configured, or it does not accept the mail."""


class IncidentInProgress(Unavailable):
    """Another call is reporting this incident right now."""
