"""One caller cannot starve another: predict with the tiny model, whose graph can be made to block."""

import asyncio
import itertools
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import msgspec
import pytest

import functions.feedback as feedback_module
from feedback.receipt import Receipts
from functions.feedback import FeedbackRequest, erase, feedback
from functions.health import live, ready
from functions.predict import MAX_SHORT_CHARACTERS, MAX_SHORT_SIZE, PredictRequest, predict
from functions.schemas import EXPLAIN_BUDGET, MAX_TEXTS
from functions.shared.bulkhead import Abandoned, create_bulkheads
from functions.shared.problems import INVALID_INPUT, OVERLOADED, Problem
from functions.shared.report_limit import ReportLimit
from sentiment.explain import plan_occlusion
from sentiment.features import Tokens
from sentiment.model import Model
from tests.support.waiting import finish, until

REQUEST = func.HttpRequest("POST", "/", body=b"")
LONG = "! a " * 250
BATCH = PredictRequest(texts=["good", "bad"])
EXPLAINED = PredictRequest(text="good", explain=True)
SINGLE = PredictRequest(text="good")


class BlockingSession:
    """A session whose runs on threads of the given names block until `gate` is set."""

    def __init__(self, session: Any, blocked: tuple[str, ...] = ()) -> None:
        self._session = session
        self._blocked = blocked
        self.gate = threading.Event()
        self.begun = threading.Event()
        self.runs = 0

    def run(self, *arguments: Any) -> Any:
        self.runs += 1
        if threading.current_thread().name.startswith(self._blocked or "-"):
            self.begun.set()
            self.gate.wait()
        return self._session.run(*arguments)


@pytest.fixture
def session(model: Model) -> Iterator[BlockingSession]:
    session = BlockingSession(model._session, ("batches", "explanations", "long_texts"))
    model._session = session  # type: ignore[assignment]
    yield session
    session.gate.set()


@pytest.fixture
def service(model: Model, session: BlockingSession) -> Any:
    receipts = Receipts(["k" * 32], timedelta(days=30))
    report_limit = ReportLimit(has_function_keys=False, has_sign_in=False)
    return SimpleNamespace(
        model=model, build=None, receipts=receipts, report_limit=report_limit, bulkheads=create_bulkheads()
    )


async def fill(service: Any, body: PredictRequest, name: str) -> list[asyncio.Task[Any]]:
    """Send as many requests as the bulkhead takes, and return when it is full."""
    bulkhead = service.bulkheads._asdict()[name]
    tasks = [asyncio.create_task(predict(service, REQUEST, body)) for _ in range(bulkhead.capacity)]
    await until(lambda: bulkhead.load.running > 0 and bulkhead.load.waiting == bulkhead.load.queue)
    return tasks


@pytest.mark.parametrize("is_sequence_model", [False, True])
def test_full_batches_and_explanations_leave_single_texts_and_health_alone(
    service: Any, session: BlockingSession, monkeypatch: pytest.MonkeyPatch, is_sequence_model: bool
) -> None:
    monkeypatch.setattr(Model, "is_sequence_model", is_sequence_model)

    async def run() -> None:
        tasks = await fill(service, BATCH, "batches")
        for body in (BATCH, PredictRequest(texts=["good", "bad"], explain=True)):
            with pytest.raises(Problem) as refused:
                await predict(service, REQUEST, body)
            assert refused.value.problem_type is OVERLOADED and "Retry-After" in refused.value.headers
        tasks += await fill(service, EXPLAINED, "explanations")
        with pytest.raises(Problem, match="run and .* wait"):
            await predict(service, REQUEST, EXPLAINED)
        assert (await predict(service, REQUEST, SINGLE)).status == 200
        assert (await predict(service, REQUEST, PredictRequest(texts=["good"]))).status == 200
        assert (await live(REQUEST, None)).status == 200
        answer: Any = await ready(service, REQUEST, None)
        assert answer.status == 200 and answer.payload.status == "ready"
        for name in ("batches", "explanations"):
            load = answer.payload.load[name]
            assert (load.running, load.waiting) == (load.slots, load.queue)
        assert (answer.payload.load["texts"].running, answer.payload.load["texts"].waiting) == (0, 0)
        session.gate.set()
        assert {answer.status for answer in await asyncio.gather(*tasks)} == {200}

    finish(run())


@pytest.fixture
def sequence_model(model: Model, monkeypatch: pytest.MonkeyPatch) -> Model:
    """A model that is taken for one whose graph reads every token."""
    monkeypatch.setattr(Model, "is_sequence_model", True)
    return model


LONG_TEXTS = {"tokens": "😀" * (MAX_SHORT_SIZE + 1), "characters": "a" * (MAX_SHORT_CHARACTERS + 1)}


@pytest.mark.parametrize("text", LONG_TEXTS.values(), ids=LONG_TEXTS)
def test_long_single_texts_leave_short_ones_alone(
    service: Any, session: BlockingSession, sequence_model: Model, text: str
) -> None:
    async def run() -> None:
        tasks = await fill(service, PredictRequest(text=text), "long_texts")
        with pytest.raises(Problem) as refused:
            await predict(service, REQUEST, PredictRequest(texts=[text]))
        assert refused.value.problem_type is OVERLOADED
        for short in ("a" * MAX_SHORT_CHARACTERS, "a " * MAX_SHORT_SIZE):
            assert (await predict(service, REQUEST, PredictRequest(text=short))).status == 200
        session.gate.set()
        assert {answer.status for answer in await asyncio.gather(*tasks)} == {200}

    finish(run())


def test_long_text_waits_for_others_of_its_kind_whatever_the_model(service: Any, session: BlockingSession) -> None:
    """Also one of n-grams, which scores a tweet faster than a thread starts, but not 80 windows."""

    async def run() -> None:
        tasks = await fill(service, PredictRequest(text=LONG), "long_texts")
        assert (await predict(service, REQUEST, SINGLE)).status == 200
        session.gate.set()
        assert {answer.status for answer in await asyncio.gather(*tasks)} == {200}

    finish(run())


@pytest.mark.parametrize("text", ["good", *LONG_TEXTS.values()], ids=["short", *LONG_TEXTS])
def test_single_text_is_tokenised_once(
    service: Any, session: BlockingSession, sequence_model: Model, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.gate.set()
    tokenise, tokenised = Model.tokens, []

    def tokens(model: Model, text: str) -> Tokens:
        tokenised.append(text)
        return tokenise(model, text)

    monkeypatch.setattr(Model, "tokens", tokens)
    asyncio.run(predict(service, REQUEST, PredictRequest(text=text)))
    assert tokenised == [text]


def test_store_that_hangs_leaves_predictions_and_health_alone(service: Any, session: BlockingSession) -> None:
    service.store = SimpleNamespace(add=lambda _: session.gate.wait() and "created")
    body = FeedbackRequest(service.receipts.sign("tiny@1", 0.9, "positive", "good"), correct=True)
    bulkhead = service.bulkheads.feedback

    async def run() -> None:
        tasks = [asyncio.create_task(feedback(service, REQUEST, body)) for _ in range(bulkhead.capacity)]
        await until(lambda: bulkhead.load.waiting == bulkhead.load.queue)
        with pytest.raises(Problem) as refused:
            await feedback(service, REQUEST, body)
        assert refused.value.problem_type is OVERLOADED and "Retry-After" in refused.value.headers
        assert (await predict(service, REQUEST, SINGLE)).status == 200
        assert (await live(REQUEST, None)).status == (await ready(service, REQUEST, None)).status == 200
        session.gate.set()
        assert {answer.status for answer in await asyncio.gather(*tasks)} == {201}

    finish(run())


def test_explanation_over_the_budget_is_refused_before_anything_is_scored(
    service: Any, session: BlockingSession
) -> None:
    with pytest.raises(Problem) as refused:
        asyncio.run(predict(service, REQUEST, PredictRequest(texts=[LONG] * MAX_TEXTS, explain=True)))
    assert (refused.value.problem_type, refused.value.pointer) == (INVALID_INPUT, "/explain")
    asked = MAX_TEXTS * plan_occlusion(service.model, LONG).scorings
    assert f"take {asked} scorings" in str(refused.value) and f"may take {EXPLAIN_BUDGET}." in str(refused.value)
    assert session.runs == 0


def test_document_says_what_an_explanation_takes() -> None:
    description = schema_of(PredictRequest)["explain"]["description"]
    assert re.findall(r"\d+", description) == ["64", "12", str(EXPLAIN_BUDGET), "400"]


def schema_of(request: type) -> dict[str, Any]:
    _, components = msgspec.json.schema_components([request])
    properties: dict[str, Any] = components[request.__name__]["properties"]
    return properties


def test_budget_counts_a_scoring_for_each_text_and_each_part(service: Any, session: BlockingSession) -> None:
    session.gate.set()
    words = EXPLAIN_BUDGET // 4 - 1  # with the text itself a quarter of the budget
    texts = ["a " * words] * 4
    answer: Any = asyncio.run(predict(service, REQUEST, PredictRequest(texts=texts, explain=True)))
    assert [len(prediction.explanation) for prediction in answer.payload.predictions] == [words] * 4
    with pytest.raises(Problem, match=f"take {EXPLAIN_BUDGET + 1} scorings"):
        asyncio.run(predict(service, REQUEST, PredictRequest(texts=[*texts[1:], texts[0] + "a"], explain=True)))


def test_parts_of_one_window_are_counted_beside_the_windows(service: Any, session: BlockingSession) -> None:
    """The price of a text that is longer than a tweet. All 64 of them are answered without an explanation."""
    session.gate.set()
    text = " ".join(map(str, range(108)))  # 8 windows of 24 words
    answer: Any = asyncio.run(predict(service, REQUEST, PredictRequest(texts=[text] * 9, explain=True)))
    assert all(len(prediction.explanation) <= 12 + 2 for prediction in answer.payload.predictions)
    with pytest.raises(Problem, match=f"take {10 * (8 + 12)} scorings"):
        asyncio.run(predict(service, REQUEST, PredictRequest(texts=[text] * 10, explain=True)))
    assert asyncio.run(predict(service, REQUEST, PredictRequest(texts=[text] * MAX_TEXTS))).status == 200


def test_request_without_explanation_has_no_price(service: Any, session: BlockingSession) -> None:
    session.gate.set()
    answer: Any = asyncio.run(predict(service, REQUEST, PredictRequest(texts=[LONG] * MAX_TEXTS)))
    assert len(answer.payload.predictions) == MAX_TEXTS


def test_explained_text_has_the_score_that_it_has_without(service: Any, session: BlockingSession) -> None:
    session.gate.set()
    texts = ["the crew was great", "the crew was awful", LONG]
    plain, explained = (
        asyncio.run(predict(service, REQUEST, PredictRequest(texts=texts, explain=explain))).payload
        for explain in (False, True)
    )
    assert [p.probability for p in explained.predictions] == [p.probability for p in plain.predictions]


def test_cancelled_request_scores_no_further(service: Any, session: BlockingSession) -> None:
    async def run() -> None:
        task = asyncio.create_task(predict(service, REQUEST, PredictRequest(texts=["good", "bad"], explain=True)))
        await asyncio.to_thread(session.begun.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        session.gate.set()
        await until(lambda: not service.bulkheads.batches.load.running)

    finish(run())
    assert session.runs == 1


@pytest.mark.parametrize(("gone_at", "done"), [(1, []), (2, ["mask"]), (3, ["mask", "store"])])
def test_feedback_is_not_masked_or_stored_once_its_caller_is_gone(
    service: Any, monkeypatch: pytest.MonkeyPatch, gone_at: int, done: list[str]
) -> None:
    """At the first check that finds out. A store that was asked is not called off."""
    checks, steps = itertools.count(1), []

    def check() -> None:
        if next(checks) == gone_at:
            raise Abandoned

    def mask(text: str) -> str:
        assert feedback_module._MASKING.locked()  # so no other thread masks
        steps.append("mask")
        return text

    async def run_with_check(call: Callable[[Callable[[], None]], Any]) -> Any:
        return call(check)

    monkeypatch.setattr("feedback.record.mask_personal_data", mask)
    service.store = SimpleNamespace(add=lambda _: steps.append("store") or "created")
    service.bulkheads = SimpleNamespace(feedback=SimpleNamespace(run=run_with_check))
    body = FeedbackRequest(service.receipts.sign("tiny@1", 0.9, "positive", "good"), correct=True, comment="a")
    with pytest.raises(Abandoned) if gone_at < 3 else nullcontext():
        asyncio.run(feedback(service, REQUEST, body))
    assert steps == done


def test_erasure_begins_only_if_its_caller_is_there(service: Any) -> None:
    def gone() -> None:
        raise Abandoned

    async def run_with_check(call: Callable[[Callable[[], None]], Any]) -> Any:
        return call(gone)

    service.store = service.export = SimpleNamespace()  # neither is asked
    service.bulkheads = SimpleNamespace(feedback=SimpleNamespace(run=run_with_check))
    prediction_id = service.receipts.sign("tiny@1", 0.9, "positive", "good")
    request = func.HttpRequest("DELETE", "/", route_params={"prediction_id": prediction_id}, body=b"")
    with pytest.raises(Abandoned):
        asyncio.run(erase(service, request, None))
