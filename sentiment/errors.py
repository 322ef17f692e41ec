"""The root of the app's own exceptions, and the errors of scoring.

A message may be shown to the person who caused the error. It never quotes a text that was scored.
"""


class BuzzguardError(Exception):
    """The root of the tree."""


class SettingsError(BuzzguardError):
    """The environment is not one the application can run in. The message names every fault, one a line."""


class ModelError(BuzzguardError):
    """A model folder is missing, broken, or not the one its manifest describes."""


class ReceiptError(BuzzguardError):
    """A prediction id that cannot be honoured."""


class InvalidReceipt(ReceiptError):
    """Not signed by us, or not for the text it came with."""


class ExpiredReceipt(ReceiptError):
    """Ours, but too old."""


class FeedbackConflict(BuzzguardError):
    """A different feedback is already stored for that prediction."""


class ExportError(BuzzguardError):
    """A file of the export is not one that was written here."""


class Unavailable(BuzzguardError):
    """Not now. Nothing was done that the caller may rely on; the same call may work later."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after  # seconds


class StoreUnavailable(Unavailable):
    """The tables do not answer."""


class MailUnavailable(Unavailable):
    """There is no mail server, or it does not take the mail."""


class IncidentInProgress(Unavailable):
    """Another call is reporting this incident at this moment."""
