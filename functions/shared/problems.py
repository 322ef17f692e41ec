"""Every problem that the app answers with (RFC 9457): when, and what to do about it. The document and its reference
are told from this table; tests/contract holds it against what the code raises."""

from typing import NamedTuple

from .http import problem_type


class Kind(NamedTuple):
    status: int
    title: str
    when: str
    remedy: str

    @property
    def type(self) -> str:
        return problem_type(self.title)

    @property
    def name(self) -> str:
        """The end of the type."""
        return self.type.rpartition(":")[2]


WAIT = "Wait as long as `Retry-After` says, in seconds; then send the same again."

KINDS = (
    Kind(400, "Not JSON", "The body is not JSON in UTF-8.", "Mend the body; `detail` says where it breaks."),
    Kind(
        400,
        "Invalid input",
        "The body is JSON, but not what the schema asks for.",
        "Mend the field at the `pointer` in `errors`.",
    ),
    Kind(
        401,
        "Key missing or wrong",
        "The URL has no `?key=`, or not the one that this operation has to itself.",
        "Send that: a function key does not open it.",
    ),
    Kind(404, "Not found", "There is nothing at this path.", "Compare it with the paths of the OpenAPI document."),
    Kind(405, "Method not allowed", "The path does not take this method.", "Use one that `Allow` names."),
    Kind(
        409,
        "Feedback conflict",
        "Another feedback is stored for this prediction.",
        "Keep that, or erase it and send yours.",
    ),
    Kind(
        410,
        "Receipt expired",
        "The prediction is older than the setting `RECEIPT_DAYS` allows.",
        "Predict again. Erasing still works.",
    ),
    Kind(413, "Body too large", "The body has more than 128 KB.", "Send fewer texts a call."),
    Kind(
        415,
        "Unsupported media type",
        "The content-type is not `application/json`.",
        "Send `content-type: application/json`.",
    ),
    Kind(
        422,
        "Receipt not ours",
        "This service did not issue the `prediction_id`, or not for this text.",
        "Send both exactly as they were. If the signing key was changed, predict again.",
    ),
    Kind(500, "Internal error", "The service failed, and has logged why.", "Report the `x-request-id`."),
    Kind(503, "Feedback store unavailable", "The tables, or the container of the export, do not answer in time.", WAIT),
    Kind(503, "Mail unavailable", "No mail server is set, or it does not take the mail.", WAIT),
    Kind(503, "Incident in progress", "Another call is reporting the same at this moment.", WAIT),
    Kind(
        503,
        "Model unavailable",
        "A model is missing or broken, until somebody mends the deployment.",
        "Tell whoever runs the service; its log says what is wrong.",
    ),
)

BY_TITLE = {kind.title: kind for kind in KINDS}
OF_A_BODY = ("Not JSON", "Invalid input", "Body too large", "Unsupported media type")  # wherever one is taken


def table() -> str:
    """All of them, in Markdown."""
    rows = [f"| {kind.status} | `{kind.name}` | {kind.when} | {kind.remedy} |" for kind in KINDS]
    return "\n".join(["| status | name | when | what to do |", "|---|---|---|---|", *rows])
