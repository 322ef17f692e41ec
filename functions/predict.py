"""POST /api/predict: predict how texts will be read, and whether to publish them."""

import asyncio
import time
from functools import partial
from typing import Annotated

import azure.functions as func
from msgspec import UNSET, Meta, Struct, UnsetType

from cloud import telemetry
from sentiment.manifest import BUCKETS, Manifest
from sentiment.model import Model, Scores
from sentiment.verdict import Decision, Label, WarningCode, verdict

from .schemas import ModelName, Text
from .shared.api import Api, Operation
from .shared.http import ApiResponse
from .shared.problems import MODEL_UNAVAILABLE
from .shared.service import Service


class PredictRequest(Struct, forbid_unknown_fields=True):
    """One text, or several: exactly one of `text` and `texts`."""

    text: Text | UnsetType = UNSET
    texts: Annotated[list[Text], Meta(min_length=1, max_length=64)] | UnsetType = UNSET
    explain: Annotated[bool, Meta(description="Also return how much each word moved the score.")] = False

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
    problems=(MODEL_UNAVAILABLE,),
)


def register(api: Api, service: Service) -> None:
    api.add(PREDICT, partial(predict, service))


async def predict(service: Service, _: func.HttpRequest, body: PredictRequest) -> ApiResponse:
    model = service.model
    started = time.perf_counter()
    if isinstance(body.text, str) and not body.explain and not model.is_sequence_model:
        return ApiResponse(200, _predict(service, model, body, started))  # 0.25 ms: a thread would cost more
    return ApiResponse(200, await asyncio.to_thread(_predict, service, model, body, started))


def _predict(service: Service, model: Model, body: PredictRequest, started: float) -> PredictResponse:
    scores = model.score(body.all_texts)
    about = model.manifest
    predictions = []
    for text, score, unknown in zip(body.all_texts, scores.probability, scores.unknown_share, strict=True):
        probability = round(float(score), 4)  # the response, the decision, the receipt and feedback use the same
        label, decision, warnings = verdict(text, probability, float(unknown), about.thresholds)
        receipt = service.receipts.sign(about.release, probability, label, text)
        explanation = _explain(model, text) if body.explain else UNSET
        predictions.append(Prediction(receipt, label, probability, decision, warnings, explanation))
    if telemetry.is_enabled():
        _emit_telemetry(about, body.all_texts, predictions, scores, (time.perf_counter() - started) * 1000)
    return PredictResponse(predictions, ModelName(about.name, about.version))


def _explain(model: Model, text: str) -> list[Explanation]:
    from sentiment.explain import explain  # imported lazily: few requests ask for it, and a cold start saves 0.5 ms

    return [Explanation(part.start, part.end, part.token, round(part.weight, 4)) for part in explain(model, text)]


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
