"""POST /api/predict: predict how texts will be read, and whether to publish them."""

import time
from collections.abc import Sequence
from functools import partial
from typing import Annotated

import azure.functions as func
from msgspec import UNSET, Meta, Struct, UnsetType

from cloud import telemetry
from sentiment.features import Tokens
from sentiment.manifest import BUCKETS, Manifest
from sentiment.model import Check, Model, Scores, carry_on
from sentiment.verdict import Decision, Label, WarningCode, verdict

from .schemas import EXPLAIN_BUDGET, MAX_TEXTS, ModelName, Text
from .shared.api import Api, Operation
from .shared.http import ApiResponse
from .shared.problems import BULKHEAD_PROBLEMS, INVALID_INPUT, MODEL_UNAVAILABLE, Problem
from .shared.service import Service

# A single text beyond either of these waits behind others of its kind, so that short ones never wait for it.
MAX_SHORT_CHARACTERS = 280  # of a tweet; so much is tokenised in the event loop, in less than a millisecond
MAX_SHORT_SIZE = 48  # or pieces of words: nearly all tweets have fewer. 280 emoji are 80 windows


class PredictRequest(Struct, forbid_unknown_fields=True):
    """One text, or several: exactly one of `text` and `texts`."""

    text: Text | UnsetType = UNSET
    texts: Annotated[list[Text], Meta(min_length=1, max_length=MAX_TEXTS)] | UnsetType = UNSET
    explain: Annotated[
        bool,
        Meta(
            description="Also return how much each word moved the score. That takes one scoring for the text and one "
            "for each of its words. A text that is longer than a tweet is read in windows: it takes one scoring for "
            "each, and those of the words in the window that decides; the others did not move the score. In a text of "
            "more than 64 words, neighbours are taken together, in 12 parts of that window. A call may take "
            f"{EXPLAIN_BUDGET} scorings: with more, it is answered with 400.",
            extra_json_schema={"x-max-scorings": EXPLAIN_BUDGET},
        ),
    ] = False

    def __post_init__(self) -> None:
        if (self.text is UNSET) == (self.texts is UNSET):
            raise ValueError("Give exactly one of text and texts")

    @property
    def all_texts(self) -> list[str]:
        return [self.text] if isinstance(self.text, str) else self.texts or []


class Explanation(Struct, frozen=True):
    start: Annotated[int, Meta(description="Index of the first code point of the token in the text that was sent.")]
    end: Annotated[int, Meta(description="Index after its last code point.")]
    token: Annotated[str, Meta(description="The token as the model reads it.")]
    weight: Annotated[
        float, Meta(description="Its share of the log-odds: above 0 towards positive, below towards negative.")
    ]


class Prediction(Struct, frozen=True):
    prediction_id: Annotated[str, Meta(description="A signed receipt, which feedback and erasure require.")]
    label: Label
    probability: Annotated[float, Meta(ge=0, le=1, description="Calibrated P(positive).")]
    decision: Decision
    warnings: list[WarningCode]
    explanation: list[Explanation] | UnsetType = UNSET


class PredictResponse(Struct, frozen=True):
    predictions: Annotated[list[Prediction], Meta(description="One for each text, in the order of the texts.")]
    model: ModelName


PREDICT = Operation(
    name="predict",
    method="POST",
    path="/api/predict",
    summary="Say how texts will be read",
    body=Annotated[
        PredictRequest, Meta(extra_json_schema={"oneOf": [{"required": ["text"]}, {"required": ["texts"]}]})
    ],
    responses={200: PredictResponse},
    problems=(MODEL_UNAVAILABLE, *BULKHEAD_PROBLEMS),
)


def register(api: Api, service: Service) -> None:
    api.add(PREDICT, partial(predict, service))


async def predict(service: Service, _: func.HttpRequest, body: PredictRequest) -> ApiResponse:
    model = service.model
    started = time.perf_counter()
    tokens = None
    if len(body.all_texts) > 1:
        bulkhead = service.bulkheads.batches
    elif body.explain:
        bulkhead = service.bulkheads.explanations
    elif len(body.all_texts[0]) > MAX_SHORT_CHARACTERS:
        bulkhead = service.bulkheads.long_texts
    elif model.is_sequence_model:
        tokens = model.tokens(body.all_texts[0])
        is_short = model.size(tokens) <= MAX_SHORT_SIZE
        bulkhead = service.bulkheads.texts if is_short else service.bulkheads.long_texts
    else:  # 0.25 ms: a thread would cost more
        return ApiResponse(200, _predict(service, model, body, None, started, carry_on))
    return ApiResponse(200, await bulkhead.run(partial(_predict, service, model, body, tokens, started)))


def _predict(
    service: Service, model: Model, body: PredictRequest, tokens: Tokens | None, started: float, check: Check
) -> PredictResponse:
    """Score the texts. `tokens` are those of a single text that is already tokenised."""
    scores, explanations = _score(model, body, tokens, check)
    about = model.manifest
    predictions = []
    scored = zip(body.all_texts, scores.probability, scores.unknown_share, explanations, strict=True)
    for text, score, unknown, explanation in scored:
        check()
        probability = round(float(score), 4)  # the response, the decision, the receipt and feedback use the same
        label, decision, warnings = verdict(text, probability, float(unknown), about.thresholds)
        receipt = service.receipts.sign(about.release, probability, label, text)
        predictions.append(Prediction(receipt, label, probability, decision, warnings, explanation))
    if telemetry.is_enabled():
        _emit_telemetry(about, body.all_texts, predictions, scores, (time.perf_counter() - started) * 1000)
    return PredictResponse(predictions, ModelName(about.name, about.version))


def _score(
    model: Model, body: PredictRequest, tokens: Tokens | None, check: Check
) -> tuple[Scores, Sequence[list[Explanation] | UnsetType]]:
    """Return the scores of the texts, and their explanations if the request asks for them.

    Raises Problem if these would take more scorings than a request has, before it scores a text.
    """
    if not body.explain:
        scores = model.score(body.all_texts, check) if tokens is None else model.score_tokens([tokens], check)
        return scores, [UNSET] * len(body.all_texts)
    from sentiment import explain  # imported lazily: few requests ask for it, and a cold start saves 0.5 ms

    occlusions = []
    for text in body.all_texts:
        check()
        occlusions.append(explain.plan_occlusion(model, text))
    scorings = sum(occlusion.scorings for occlusion in occlusions)
    if scorings > EXPLAIN_BUDGET:
        detail = f"These texts take {scorings} scorings to explain; a call may take {EXPLAIN_BUDGET}. Send fewer texts."
        raise Problem(INVALID_INPUT, detail, pointer="/explain")
    scores, contributions = explain.explain_texts(model, occlusions, check)
    return scores, [[Explanation(*part[:3], round(part.weight, 4)) for part in parts] for parts in contributions]


def _emit_telemetry(
    about: Manifest, texts: list[str], predictions: list[Prediction], scores: Scores, milliseconds: float
) -> None:
    telemetry.record("predict.duration", milliseconds)
    for text, prediction, unknown in zip(texts, predictions, scores.unknown_share.tolist(), strict=True):
        bucket = min(int(prediction.probability * BUCKETS), BUCKETS - 1)
        expected = {}
        if about.baseline is not None:
            expected = {
                "expected": about.baseline.probability[bucket],
                "unknown_expected": about.baseline.unknown_share,
            }
        telemetry.event(
            "prediction",
            model=about.name,
            version=about.version,
            label=prediction.label,
            decision=prediction.decision,
            bucket=str(bucket),
            latency_ms=round(milliseconds, 2),
            length=len(text),
            unknown=round(unknown, 2),
            **expected,
        )
        telemetry.record("predictions", 1, decision=prediction.decision, model=about.release)
        telemetry.record("unknown_words", unknown)
