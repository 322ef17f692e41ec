"""Which problem a caller gets for which exception, and what the log gets of it."""

import logging

from feedback import errors
from sentiment.errors import ModelError

from . import problems
from .problems import Problem

log = logging.getLogger("buzzguard.http")


def to_problem(error: Exception, request_id: str) -> Problem:
    """Return what to answer. Errors that the operator has to fix are logged; their text is not shown to the caller."""
    match error:
        case Problem():
            return error
        case errors.FeedbackConflict():
            return Problem(problems.FEEDBACK_CONFLICT, str(error))
        case errors.ExpiredReceipt():
            return Problem(problems.RECEIPT_EXPIRED, str(error))
        case errors.ReceiptFromFuture():
            return Problem(problems.RECEIPT_FROM_FUTURE, str(error))
        case errors.InvalidReceipt():
            return Problem(problems.INVALID_RECEIPT, str(error))
        case errors.StoreUnavailable():
            log.error("request %s: %s", request_id, error, exc_info=_redact_exception(error.__cause__))
            detail = "The feedback store does not answer; please try again."
            return Problem(problems.STORE_UNAVAILABLE, detail, headers=_retry_after(error))
        case errors.MailUnavailable():
            log.error("request %s: %s", request_id, error, exc_info=_redact_exception(error.__cause__))
            return Problem(problems.MAIL_UNAVAILABLE, str(error), headers=_retry_after(error))
        case errors.IncidentInProgress():
            return Problem(problems.INCIDENT_IN_PROGRESS, str(error), headers=_retry_after(error))
        case ModelError():
            log.error("request %s: %s", request_id, error)
            return Problem(problems.MODEL_UNAVAILABLE, "A model is missing or broken; the fault is logged.")
    log.error("request %s failed", request_id, exc_info=_redact_exception(error))
    return Problem(problems.INTERNAL_ERROR, "The service failed; the fault is logged.")


def _retry_after(error: errors.Unavailable) -> dict[str, str]:
    return {"Retry-After": str(error.retry_after)}


def _redact_exception(error: BaseException | None) -> BaseException | None:
    """Return an exception of the same type, traceback and causes, but without a message.

    A message may quote what a person wrote, which must not reach a log.
    """
    if error is None:
        return None
    same_name: type[Exception] = type(type(error).__name__, (Exception,), {"__module__": type(error).__module__})
    redacted = same_name().with_traceback(error.__traceback__)
    redacted.__cause__ = _redact_exception(error.__cause__ or error.__context__)
    return redacted
