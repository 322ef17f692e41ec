"""Every error response of the API (RFC 9457): its type, when it occurs, and what the caller can do about it.

The HTTP layer raises from this table, and the OpenAPI document describes it.
"""

from typing import NamedTuple

import msgspec


class ProblemType(NamedTuple):
    status: int
    title: str
    when: str  # Markdown, for the OpenAPI document
    remedy: str  # Markdown too
    retry_after: bool = False  # the response has a Retry-After header
    field_errors: bool = False  # the response points at the invalid fields, in `errors`

    @property
    def slug(self) -> str:
        return self.title.lower().replace(" ", "-")

    @property
    def urn(self) -> str:
        return f"urn:buzzguard:problem:{self.slug}"


_RETRY = "Wait for the number of seconds in `Retry-After`, then send the same request again."

NOT_JSON = ProblemType(
    400, "Not JSON", "The body is not JSON in UTF-8.", "Correct the body. `detail` says where it is wrong."
)
INVALID_INPUT = ProblemType(
    400,
    "Invalid input",
    "The body is JSON, but does not match the schema.",
    "Correct the field at the `pointer` in `errors`.",
    field_errors=True,
)
WRONG_KEY = ProblemType(
    401,
    "Key missing or wrong",
    "The URL has no `?key=`, or a wrong one.",
    "Send the key of this operation. A function key is not accepted.",
)
NOT_FOUND = ProblemType(
    404, "Not found", "There is nothing at this path.", "Check the path against the OpenAPI document."
)
METHOD_NOT_ALLOWED = ProblemType(
    405, "Method not allowed", "The path does not support this method.", "Use a method that the `Allow` header lists."
)
FEEDBACK_CONFLICT = ProblemType(
    409,
    "Feedback conflict",
    "Different feedback is already stored for this prediction.",
    "Keep it, or erase it and send yours.",
)
RECEIPT_EXPIRED = ProblemType(
    410,
    "Receipt expired",
    "The prediction is older than the setting `RECEIPT_DAYS` allows.",
    "Predict again. Erasing still works.",
)
BODY_TOO_LARGE = ProblemType(413, "Body too large", "The body is larger than 128 KB.", "Send fewer texts in a call.")
UNSUPPORTED_MEDIA_TYPE = ProblemType(
    415,
    "Unsupported media type",
    "The content-type is not `application/json`.",
    "Send `content-type: application/json`.",
)
INVALID_RECEIPT = ProblemType(
    422,
    "Receipt not ours",
    "This service did not issue the `prediction_id`.",
    "Send it exactly as it was. If the signing key was replaced, predict again.",
)
RECEIPT_FROM_FUTURE = ProblemType(
    422,
    "Receipt from the future",
    "The prediction is dated more than five minutes ahead: a clock of the service is or was wrong.",
    "Predict again. Erasing still works.",
)
TOO_MANY_REPORTS = ProblemType(
    429,
    "Too many reports",
    "The caller has sent too many reports and erasures in a short time.",
    _RETRY,
    retry_after=True,
)
INTERNAL_ERROR = ProblemType(
    500, "Internal error", "The service failed and logged the error.", "Report the `x-request-id`."
)
STORE_UNAVAILABLE = ProblemType(
    503,
    "Feedback store unavailable",
    "The tables, or the container of the export, did not respond in time.",
    _RETRY,
    retry_after=True,
)
MAIL_UNAVAILABLE = ProblemType(
    503, "Mail unavailable", "No mail server is configured, or it did not accept the mail.", _RETRY, retry_after=True
)
INCIDENT_IN_PROGRESS = ProblemType(
    503,
    "Incident in progress",
    "Another call is reporting the same predictions at this moment.",
    _RETRY,
    retry_after=True,
)
OVERLOADED = ProblemType(
    503, "Overloaded", "Too many calls of this kind are running or waiting.", _RETRY, retry_after=True
)
DEADLINE_PASSED = ProblemType(
    503,
    "Deadline passed",
    "The answer was not ready in time. Work that had not begun is dropped; what had begun may still be done.",
    "Wait for the number of seconds in `Retry-After`, then send the same again, or predict fewer texts in a call. What "
    "was done is not done twice.",
    retry_after=True,
)
MODEL_UNAVAILABLE = ProblemType(
    503,
    "Model unavailable",
    "A model is missing or invalid. This lasts until the deployment is fixed.",
    "Tell the operator of the service. Its log has the reason.",
)

PROBLEMS = {
    problem_type.slug: problem_type
    for problem_type in (
        NOT_JSON,
        INVALID_INPUT,
        WRONG_KEY,
        NOT_FOUND,
        METHOD_NOT_ALLOWED,
        FEEDBACK_CONFLICT,
        RECEIPT_EXPIRED,
        BODY_TOO_LARGE,
        UNSUPPORTED_MEDIA_TYPE,
        INVALID_RECEIPT,
        RECEIPT_FROM_FUTURE,
        TOO_MANY_REPORTS,
        INTERNAL_ERROR,
        STORE_UNAVAILABLE,
        MAIL_UNAVAILABLE,
        INCIDENT_IN_PROGRESS,
        OVERLOADED,
        DEADLINE_PASSED,
        MODEL_UNAVAILABLE,
    )
}

# Every operation that has a bulkhead may answer with these.
BULKHEAD_PROBLEMS = (OVERLOADED, DEADLINE_PASSED)

# Every operation with a body may answer with these.
BODY_PROBLEMS = (NOT_JSON, INVALID_INPUT, BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE)


class FieldError(msgspec.Struct, frozen=True):
    detail: str
    pointer: str  # JSON pointer (RFC 6901) into the body; "" is the whole body


class ProblemDetails(msgspec.Struct, frozen=True):
    """The body of an error response."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[FieldError] | msgspec.UnsetType = msgspec.UNSET


class Problem(Exception):
    """Answers the request with an error. The caller sees `detail`."""

    def __init__(
        self,
        problem_type: ProblemType,
        detail: str,
        *,
        pointer: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        if problem_type not in PROBLEMS.values():
            raise ValueError(f"PROBLEMS, and so the OpenAPI document, lacks the problem type {problem_type.title!r}")
        self.problem_type = problem_type
        self.pointer = pointer
        self.headers = headers or {}

    def details(self, request_id: str) -> ProblemDetails:
        return ProblemDetails(
            type=self.problem_type.urn,
            title=self.problem_type.title,
            status=self.problem_type.status,
            detail=str(self),
            instance=f"urn:buzzguard:request:{request_id}",
            errors=msgspec.UNSET if self.pointer is None else [FieldError(str(self), self.pointer)],
        )
