"""POST /api/feedback: was a prediction right? DELETE /api/feedback/{prediction_id}: forget that."""

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Annotated, Literal

import azure.functions as func
from msgspec import UNSET, Meta, Struct, UnsetType

from feedback.receipt import Receipt
from feedback.record import build_feedback

from .predict import Text
from .shared.http import Answer, endpoint
from .shared.service import in_thread, service


class FeedbackRequest(Struct, forbid_unknown_fields=True):
    """Whether a prediction was right. The text is stored only with `share_text`, and masked before."""

    prediction_id: Annotated[str, Meta(min_length=1, max_length=512, description="As POST /api/predict gave it.")]
    correct: Annotated[bool, Meta(description="Whether the label was right.")]
    text: Annotated[Text, Meta(description="The text that was predicted; it must be the very same.")] | UnsetType = (
        UNSET
    )
    share_text: Annotated[bool, Meta(description="The person agrees that the masked text is kept.")] = False
    comment: Text | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.share_text and self.text is UNSET:
            raise ValueError("share_text needs the text")


class FeedbackResponse(Struct, frozen=True):
    status: Literal["created", "replayed"]


blueprint = func.Blueprint()
watch = logging.getLogger("buzzguard.watch")

# One a request that may run at the same time (host.json): none waits for another when the store hangs.
_THREADS = ThreadPoolExecutor(32, "feedback")


@endpoint(
    blueprint,
    "POST",
    "/api/feedback",
    summary="Say whether a prediction was right",
    auth_level=service.auth_level,
    body=FeedbackRequest,
    answers={201: FeedbackResponse, 200: FeedbackResponse},
    problems=("Feedback conflict", "Receipt expired", "Receipt not ours", "Feedback store unavailable"),
)
async def feedback(_: func.HttpRequest, request: FeedbackRequest) -> Answer:
    receipt = service.receipts.read_recent(request.prediction_id)
    text = request.text or None
    if text is not None:
        service.receipts.verify_text(receipt, text)
    row = build_feedback(
        receipt, request.correct, datetime.now(UTC), text if request.share_text else None, request.comment or None
    )
    status = await in_thread(_THREADS, service.store.add, row)
    # Of a replay too: the first time, the app may have died before it came to this. The alert counts receipts.
    watch.info(
        "good_prediction" if row.correct else "bad_prediction",
        extra={"receipt": row.digest, "model": row.model, "label": row.label, "probability": row.probability},
    )
    return Answer(201 if status == "created" else 200, FeedbackResponse(status))


@endpoint(
    blueprint,
    "DELETE",
    "/api/feedback/{prediction_id}",
    summary="Erase the feedback on a prediction",
    auth_level=service.auth_level,
    answers={204: None},
    problems=("Receipt not ours", "Feedback store unavailable"),
)
async def erase(request: func.HttpRequest, _: None) -> Answer:
    receipt = service.receipts.read(request.route_params["prediction_id"])
    await in_thread(_THREADS, _erase, receipt)
    watch.info("feedback_erased", extra={"receipt": receipt.digest})
    return Answer(204)


def _erase(receipt: Receipt) -> None:
    if service.export is not None:  # first: should anything break off in between, no restore brings the row back
        service.export.note_erasure(receipt, datetime.now(UTC))
    service.store.erase(receipt)
