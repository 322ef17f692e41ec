"""Handlers alone, with fakes for the parts of the service: no settings, no model folder, no table."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import numpy as np
import pytest

from feedback.errors import ExpiredReceipt, InvalidReceipt
from feedback.receipt import Receipts
from feedback.record import Feedback
from feedback.stores import PredictionKey
from functions.feedback import FeedbackRequest, FeedbackResponse, erase, feedback
from functions.models import ModelsResponse, models
from functions.openapi.route import openapi
from functions.predict import PredictRequest, PredictResponse, predict
from functions.shared.api import Api
from functions.shared.bulkhead import create_bulkheads
from functions.shared.problems import TOO_MANY_REPORTS, Problem
from functions.shared.report_limit import PER_CALLER, ReportLimit
from sentiment.manifest import Thresholds
from sentiment.model import Check, Model, Scores
from tests.support.paths import ROOT, TINY_MODEL

TEXT = "the crew was great"
REQUEST = func.HttpRequest("POST", "/", body=b"")


class FakeModel:
    """Gives every text the same score, which the test chooses."""

    is_sequence_model = False
    manifest = SimpleNamespace(
        name="fake", version="1", release="fake@1", thresholds=Thresholds(publish=0.8, hold=0.2), baseline=None
    )

    def __init__(self, probability: float, unknown: float = 0.0) -> None:
        self._scores = probability, 0.0, unknown

    def score(self, texts: list[str], _: Check) -> Scores:
        return Scores(*(np.full(len(texts), score) for score in self._scores))


class FakeStore:
    """Keeps rows in memory."""

    def __init__(self) -> None:
        self.rows: dict[str, Feedback] = {}

    def add(self, row: Feedback) -> str:
        return "replayed" if self.rows.setdefault(row.digest, row) is not row else "created"

    def erase(self, prediction: PredictionKey) -> None:
        self.rows.pop(prediction.digest, None)


@pytest.fixture
def service() -> Any:
    return SimpleNamespace(
        model=FakeModel(0.9),
        receipts=Receipts(["k" * 32], timedelta(days=30)),
        report_limit=ReportLimit(has_function_keys=True, has_sign_in=False),
        store=FakeStore(),
        export=None,
        bulkheads=create_bulkheads(),
    )


def receipt(service: Any) -> str:
    return str(service.receipts.sign("fake@1", 0.9, "positive", TEXT))


def test_predict_answers_each_text_with_a_signed_receipt(service: Any) -> None:
    response = asyncio.run(predict(service, REQUEST, PredictRequest(texts=[TEXT, "another"])))
    assert response.status == 200 and isinstance(response.payload, PredictResponse)
    first, second = response.payload.predictions
    assert (first.label, first.probability, first.decision, first.warnings) == ("positive", 0.9, "publish", [])
    assert service.receipts.read(first.prediction_id).model == "fake@1"
    assert service.receipts.matches_text(service.receipts.read(second.prediction_id), "another")


def test_predict_never_publishes_mostly_unknown_words(service: Any) -> None:
    service.model = FakeModel(0.9, unknown=0.6)
    response: Any = asyncio.run(predict(service, REQUEST, PredictRequest(text=TEXT)))
    (prediction,) = response.payload.predictions
    assert (prediction.decision, prediction.warnings) == ("review", ["mostly_unknown_words"])


def test_feedback_is_created_once_and_then_replayed(service: Any) -> None:
    body = FeedbackRequest(receipt(service), correct=False)
    responses = [asyncio.run(feedback(service, REQUEST, body)) for _ in range(2)]
    assert [(response.status, response.payload) for response in responses] == [
        (201, FeedbackResponse("created")),
        (200, FeedbackResponse("replayed")),
    ]


@pytest.mark.parametrize("share", [True, False])
def test_feedback_stores_the_text_only_with_consent(service: Any, share: bool) -> None:
    asyncio.run(feedback(service, REQUEST, FeedbackRequest(receipt(service), True, text=TEXT, share_text=share)))
    (row,) = service.store.rows.values()
    assert row.text == (TEXT if share else None)


@pytest.mark.parametrize("share", [True, False])
def test_feedback_answers_any_text_like_the_predicted_one_and_stores_no_other(service: Any, share: bool) -> None:
    bodies = [FeedbackRequest(receipt(service), True, text=text, share_text=share) for text in (TEXT, "a guess")]
    assert asyncio.run(feedback(service, REQUEST, bodies[0])) == asyncio.run(feedback(service, REQUEST, bodies[1]))
    right, wrong = service.store.rows.values()
    assert (right.text, right.text_matches) == (TEXT if share else None, True)
    assert (wrong.text, wrong.text_matches) == (None, False)


def test_feedback_of_one_text_has_one_hash_in_its_rows(service: Any) -> None:
    for _ in range(2):
        asyncio.run(feedback(service, REQUEST, FeedbackRequest(receipt(service), False)))
    first, second = service.store.rows.values()
    assert first.digest != second.digest and first.text_hash == second.text_hash
    assert TEXT not in str(first)


def test_reports_of_a_caller_are_limited_with_replays_but_without_invalid_ones(service: Any) -> None:
    body = FeedbackRequest(receipt(service), correct=False)
    service.report_limit = ReportLimit(has_function_keys=True, has_sign_in=False, now=lambda: 0.0)
    request = func.HttpRequest("POST", "/", headers={"x-functions-key": "a key"}, body=b"")
    with pytest.raises(InvalidReceipt):
        asyncio.run(feedback(service, request, FeedbackRequest("no receipt", correct=False)))
    assert_limited(lambda: asyncio.run(feedback(service, request, body)))


def test_erasures_count_like_reports(service: Any) -> None:
    service.report_limit = ReportLimit(has_function_keys=True, has_sign_in=False, now=lambda: 0.0)
    key, erased = {"x-functions-key": "a key"}, {"prediction_id": receipt(service)}
    request = func.HttpRequest("DELETE", "/", headers=key, route_params=erased, body=b"")
    assert_limited(lambda: asyncio.run(erase(service, request, None)))


def assert_limited(call: Callable[[], object]) -> None:
    """Assert that a caller may make as many calls at once as the limit says, and no more."""
    for _ in range(PER_CALLER.burst):
        call()
    with pytest.raises(Problem) as refused:
        call()
    assert refused.value.problem_type is TOO_MANY_REPORTS


def test_feedback_rejects_an_expired_receipt_that_erase_accepts(service: Any) -> None:
    prediction_id = receipt(service)
    service.receipts = Receipts(["k" * 32], timedelta(seconds=-1))
    with pytest.raises(ExpiredReceipt):
        asyncio.run(feedback(service, REQUEST, FeedbackRequest(prediction_id, correct=True)))
    request = func.HttpRequest("DELETE", "/", route_params={"prediction_id": prediction_id}, body=b"")
    assert asyncio.run(erase(service, request, None)).status == 204


def test_erase_notes_the_erasure_in_the_export_first(service: Any) -> None:
    noted = []

    def note_erasure(prediction: PredictionKey, erased_at: datetime) -> None:
        assert erased_at <= datetime.now(UTC)
        noted.append((prediction.digest, prediction.digest in service.store.rows))

    service.export = SimpleNamespace(note_erasure=note_erasure)
    prediction_id = receipt(service)
    asyncio.run(feedback(service, REQUEST, FeedbackRequest(prediction_id, correct=True)))
    request = func.HttpRequest("DELETE", "/", route_params={"prediction_id": prediction_id}, body=b"")
    asyncio.run(erase(service, request, None))
    assert noted == [(service.receipts.read(prediction_id).digest, True)]
    assert not service.store.rows


IMPORT = """
import pkgutil
from concurrent.futures import ThreadPoolExecutor

def refuse(*_, **__):
    raise AssertionError("made by an import")

import onnxruntime
from cloud import settings, telemetry

ThreadPoolExecutor.__init__ = onnxruntime.InferenceSession.__init__ = settings.read_settings = telemetry.start = refuse
import feedback, functions, sentiment, cloud

for package in (sentiment, feedback, cloud, functions):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        __import__(module.name)
"""


def test_modules_do_no_work_when_they_are_imported() -> None:
    """No settings, no telemetry, no threads and no model: only function_app.py puts the parts together."""
    environment = {name: value for name, value in os.environ.items() if name != "RECEIPT_KEY"}
    done = subprocess.run([sys.executable, "-c", IMPORT], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_openapi_document_is_built_once() -> None:
    api = Api(func.FunctionApp(), "function")
    first, second = (asyncio.run(openapi(api, REQUEST, None)).payload for _ in range(2))
    assert first is second


def test_leaves_out_what_a_killed_promotion_left(tmp_path: Path) -> None:
    shutil.copytree(TINY_MODEL, tmp_path / "tiny")
    (tmp_path / ".other.new").mkdir()
    (tmp_path / ".other.new" / "manifest.json").write_text('{"name": "oth')
    service: Any = SimpleNamespace(model=Model.load(TINY_MODEL), models_folder=tmp_path, build=None)
    response = asyncio.run(models(service, REQUEST, None))
    assert isinstance(response.payload, ModelsResponse)
    assert [model.name for model in response.payload.shipped] == ["tiny"]
