"""POST /api/feedback: say whether a prediction was right. DELETE /api/feedback/{prediction_id}: erase that."""

import threading
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Literal

import azure.functions as func
from msgspec import UNSET, Meta, Struct, UnsetType

from cloud import telemetry
from feedback.receipt import Receipt
from feedback.record import Feedback, build_feedback
from sentiment.model import Check

from .schemas import Text
from .shared.api import Api, Operation
from .shared.http import ApiResponse
from .shared.problems import (
    BULKHEAD_PROBLEMS,
    FEEDBACK_CONFLICT,
    INVALID_RECEIPT,
    RECEIPT_EXPIRED,
    RECEIPT_FROM_FUTURE,
    STORE_UNAVAILABLE,
    TOO_MANY_REPORTS,
)
from .shared.service import Service

# One thread masks at a time: masking holds Python's lock (the GIL), so several are no faster, and each of them would
# take it from predictions.
_MASKING = threading.Lock()


class FeedbackRequest(Struct, forbid_unknown_fields=True):
    """Whether a prediction was right.

    The text is stored, after masking, only with `share_text` and only if it is the predicted one. Of another text
    the row only notes that it was another. The response is the same for any text.
    """

    prediction_id: Annotated[str, Meta(min_length=1, max_length=512, description="As returned by POST /api/predict.")]
    correct: Annotated[bool, Meta(description="Whether the label was right.")]
    text: (
        Annotated[Text, Meta(description="The text of the prediction, unchanged. Stored only with `share_text`.")]
        | UnsetType
    ) = UNSET
    share_text: Annotated[bool, Meta(description="The person agrees that the masked text is stored.")] = False
    comment: Text | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.share_text and self.text is UNSET:
            raise ValueError("share_text needs the text")


class FeedbackResponse(Struct, frozen=True):
    status: Literal["created", "replayed"]


FEEDBACK = Operation(
    name="feedback",
    method="POST",
    path="/api/feedback",
    summary="Say whether a prediction was right",
    body=FeedbackRequest,
    responses={201: FeedbackResponse, 200: FeedbackResponse},
    problems=(
        FEEDBACK_CONFLICT,
        RECEIPT_EXPIRED,
        INVALID_RECEIPT,
        RECEIPT_FROM_FUTURE,
        TOO_MANY_REPORTS,
        STORE_UNAVAILABLE,
        *BULKHEAD_PROBLEMS,
    ),
)
ERASE = Operation(
    name="erase",
    method="DELETE",
    path="/api/feedback/{prediction_id}",
    summary="Erase the feedback on a prediction",
    responses={204: None},
    problems=(INVALID_RECEIPT, TOO_MANY_REPORTS, STORE_UNAVAILABLE, *BULKHEAD_PROBLEMS),
)


def register(api: Api, service: Service) -> None:
    api.add(FEEDBACK, partial(feedback, service))
    api.add(ERASE, partial(erase, service))


async def feedback(service: Service, request: func.HttpRequest, body: FeedbackRequest) -> ApiResponse:
    receipt = service.receipts.read_recent(body.prediction_id)
    service.report_limit.take(request)
    row, status = await service.bulkheads.feedback.run(partial(_store, service, receipt, body))
    # Emitted for a replay too: the app may have died between the first row and its event. The alert counts receipts
    # and texts.
    telemetry.event(
        "good_prediction" if row.correct else "bad_prediction",
        receipt=row.digest,
        text_hash=row.text_hash,
        model=row.model,
        label=row.label,
        probability=row.probability,
    )
    return ApiResponse(201 if status == "created" else 200, FeedbackResponse(status))


def _store(
    service: Service, receipt: Receipt, body: FeedbackRequest, check: Check
) -> tuple[Feedback, Literal["created", "replayed"]]:
    """Mask and store the feedback. Masking takes milliseconds, and 0.2 s the first time, so it is done in a thread.

    It is not done where nobody waits any more. A store that was asked is not called off.
    """
    text = body.text or None
    with _MASKING:
        check()
        row = build_feedback(
            receipt,
            body.correct,
            datetime.now(UTC),
            text,
            body.comment or None,
            share_text=body.share_text,
            text_matches=text is not None and service.receipts.matches_text(receipt, text),
        )
    check()
    return row, service.store.add(row)


async def erase(service: Service, request: func.HttpRequest, _: None) -> ApiResponse:
    receipt = service.receipts.read(request.route_params["prediction_id"])
    service.report_limit.take(request)
    await service.bulkheads.feedback.run(partial(_erase, service, receipt))
    telemetry.event("feedback_erased", receipt=receipt.digest)
    return ApiResponse(204)


def _erase(service: Service, receipt: Receipt, check: Check) -> None:
    check()  # only here: what is noted for the export must be erased from the table as well
    if service.export is not None:  # first: if the rest fails, no restore may bring the row back
        service.export.note_erasure(receipt, datetime.now(UTC))
    service.store.erase(receipt)
