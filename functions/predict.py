"""POST /api/predict: texts in, verdicts out."""

import asyncio
import logging
import time
from typing import Annotated

import azure.functions as func
from msgspec import UNSET, Meta, Struct, UnsetType

from sentiment.explain import explain
from sentiment.manifest import BUCKETS, Manifest
from sentiment.model import Model, Scores
from sentiment.verdict import Decision, Label, WarningCode, verdict

from .shared.http import Answer, endpoint
from .shared.service import service

type Text = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=1000,
        pattern=r"^[^\x00]*[^\s\x00][^\x00]*$",
        description="What you are about to publish. Links, mentions, hashtags and emoji are understood.",
        examples=["I love this company the experience was great !"],
    ),
]


class PredictRequest(Struct, forbid_unknown_fields=True):
    """One text, or several: exactly one of `text` and `texts`."""

    text: Text | UnsetType = UNSET
    texts: Annotated[list[Text], Meta(min_length=1, max_length=64)] | UnsetType = UNSET
    explain: Annotated[bool, Meta(description="Also say which words moved the score.")] = False

    def __post_init__(self) -> None:
        if (self.text is UNSET) == (self.texts is UNSET):
            raise ValueError("Give exactly one of text and texts")

    @property
    def all_texts(self) -> list[str]:
        return [self.text] if isinstance(self.text, str) else self.texts or []


class Explanation(Struct, frozen=True):
    start: Annotated[int, Meta(description="First code point of the token in the text that was sent.")]
    end: Annotated[int, Meta(description="Code point after its last.")]
    token: Annotated[str, Meta(description="The token as the model reads it.")]
    weight: Annotated[float, Meta(description="Log-odds it adds: above 0 towards positive, below towards negative.")]


class Prediction(Struct, frozen=True):
    prediction_id: Annotated[str, Meta(description="A signed receipt; feedback and erasure ask for it.")]
    label: Label
    probability: Annotated[float, Meta(ge=0, le=1, description="Calibrated P(positive).")]
    decision: Decision
    warnings: list[WarningCode]
    explanation: list[Explanation] | UnsetType = UNSET


class ModelName(Struct, frozen=True):
    name: str
    version: str


class PredictResponse(Struct, frozen=True):
    predictions: Annotated[list[Prediction], Meta(description="One a text, in the order of the texts.")]
    model: ModelName


blueprint = func.Blueprint()
watch = logging.getLogger("buzzguard.watch")
meter = logging.getLogger("buzzguard.watch.meter")


@endpoint(
    blueprint,
    "POST",
    "/api/predict",
    summary="Say how texts will be read",
    auth_level=service.auth_level,
    body=Annotated[
        PredictRequest, Meta(extra_json_schema={"oneOf": [{"required": ["text"]}, {"required": ["texts"]}]})
    ],
    answers={200: PredictResponse},
    problems=("Model unavailable",),
)
async def predict(_: func.HttpRequest, request: PredictRequest) -> Answer:
    model = service.model
    started = time.perf_counter()
    if isinstance(request.text, str) and not request.explain and not model.is_sequence_model:
        return Answer(200, _predict(model, request, started))  # a quarter of a millisecond: a thread would cost more
    return Answer(200, await asyncio.to_thread(_predict, model, request, started))


def _predict(model: Model, request: PredictRequest, started: float) -> PredictResponse:
    scores = model.score(request.all_texts)
    about = model.manifest
    predictions = []
    for text, score, unknown in zip(request.all_texts, scores.probability, scores.unknown_share, strict=True):
        probability = round(float(score), 4)  # what is shown is what is decided on, signed and later reported
        label, decision, warnings = verdict(text, probability, float(unknown), about.thresholds)
        receipt = service.receipts.sign(about.release, probability, label, text)
        explanation = _explain(model, text) if request.explain else UNSET
        predictions.append(Prediction(receipt, label, probability, decision, warnings, explanation))
    if watch.isEnabledFor(logging.INFO):
        _watch(about, request.all_texts, predictions, scores, (time.perf_counter() - started) * 1000)
    return PredictResponse(predictions, ModelName(about.name, about.version))


def _watch(about: Manifest, texts: list[str], predictions: list[Prediction], scores: Scores, latency: float) -> None:
    """Tell telemetry what was predicted, and how usual the texts are. `latency` in milliseconds."""
    meter.info("predict.duration", extra={"value": latency, "by": {}})
    for text, prediction, unknown in zip(texts, predictions, scores.unknown_share.tolist(), strict=True):
        bucket = min(int(prediction.probability * BUCKETS), BUCKETS - 1)
        record = {
            "model": about.name,
            "version": about.version,
            "label": prediction.label,
            "decision": prediction.decision,
            "bucket": str(bucket),
            "latency_ms": round(latency, 2),
            "length": len(text),
            "unknown": round(unknown, 2),
        }
        if about.baseline is not None:
            record |= {"expected": about.baseline.probability[bucket], "unknown_expected": about.baseline.unknown_share}
        watch.info("prediction", extra=record)
        meter.info("predictions", extra={"value": 1, "by": {"decision": prediction.decision, "model": about.release}})
        meter.info("unknown_words", extra={"value": unknown, "by": {}})


def _explain(model: Model, text: str) -> list[Explanation]:
    return [Explanation(part.start, part.end, part.token, round(part.weight, 4)) for part in explain(model, text)]
