"""Predict, give feedback and erase it, through the host and the runtime into a real table."""

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import httpx
import jsonschema_rs
import pytest
from azure.data.tables import TableServiceClient

from devhost.azurite import Azurite
from feedback.receipt import Receipts
from functions.shared.report_limit import PER_CALLER
from tests.support.app import FUNCTION_KEY, RECEIPT_KEY, App, StartApp

TEXT = "the crew was great @bob http://example.org"


def predict(app: App, text: str = TEXT) -> str:
    return str(app.http.post("/api/predict", json={"text": text}).json()["predictions"][0]["prediction_id"])


def rows(azurite: Azurite) -> list[dict[str, object]]:
    """Return every row of the feedback table."""
    with TableServiceClient.from_connection_string(azurite.connection_string) as service:
        service.create_table_if_not_exists("feedback")
        return [dict(row) for row in service.get_table_client("feedback").list_entities()]


def test_feedback_is_stored_once_and_can_be_erased(app: App, azurite: Azurite) -> None:
    before = rows(azurite)
    feedback = {
        "prediction_id": predict(app),
        "correct": False,
        "text": TEXT,
        "share_text": True,
        "comment": "no, @eve",
    }
    first, again = (app.http.post("/api/feedback", json=feedback) for _ in range(2))
    assert (first.status_code, first.json()) == (201, {"status": "created"})
    assert (again.status_code, again.json()) == (200, {"status": "replayed"})
    (row,) = [row for row in rows(azurite) if row not in before]
    assert row["text"] == "the crew was great <mention> <url>"
    assert row["comment"] == "no, <mention>"
    assert (row["correct"], row["label"]) == (False, "positive")
    assert str(row["PartitionKey"]).startswith("20") and len(str(row["RowKey"])) == 32

    conflict = app.http.post("/api/feedback", json=feedback | {"correct": True})
    assert (conflict.status_code, conflict.json()["title"]) == (409, "Feedback conflict")

    path = f"/api/feedback/{feedback['prediction_id']}"
    assert [app.http.delete(path).status_code for _ in range(2)] == [204, 204]
    assert rows(azurite) == before
    assert app.http.post("/api/feedback", json=feedback | {"correct": True}).status_code == 201


def test_text_is_not_stored_without_consent(app: App, azurite: Azurite) -> None:
    feedback = {"prediction_id": predict(app, "private plans"), "correct": True, "text": "private plans"}
    assert app.http.post("/api/feedback", json=feedback).status_code == 201
    assert "private" not in str(rows(azurite))


def test_rejects_foreign_receipt(app: App, azurite: Azurite) -> None:
    before = rows(azurite)
    response = app.http.post("/api/feedback", json={"prediction_id": "not.a.receipt", "correct": True})
    assert (response.status_code, response.json()["title"]) == (422, "Receipt not ours")
    assert app.http.delete("/api/feedback/not.a.receipt").status_code == 422
    assert rows(azurite) == before


@pytest.mark.parametrize("share", [True, False])
def test_nothing_that_a_receipt_answers_shows_whether_a_guessed_text_is_right(
    app: App, azurite: Azurite, share: bool
) -> None:
    """The same calls with the right text and with a guess: first, again, with the other text, in conflict, erased."""
    comment, guesses = {"comment": "no"}, (TEXT, "the crew was great @bob http://example.com")

    def answers(receipt: str, text: str, other: str) -> list[tuple[int, str, dict[str, str]]]:
        feedback = {"prediction_id": receipt, "correct": False}
        first, second = ({"text": each, "share_text": share} for each in (text, other))
        bodies = [feedback | first, feedback | first, feedback | second, feedback, feedback | first | comment]
        sent = [app.http.post("/api/feedback", json=body) for body in bodies]
        sent += [app.http.delete(f"/api/feedback/{receipt}"), app.http.post("/api/feedback", json=bodies[0])]
        sent += [app.http.post("/api/feedback", json=body) for body in (bodies[2], feedback | {"correct": True})]
        return [without_request_id(response) for response in sent]

    before = rows(azurite)
    right, wrong = (answers(predict(app), *texts) for texts in (guesses, guesses[::-1]))
    assert right == wrong
    assert [status for status, _, _ in right] == [201, 200, 200, 200, 409, 204, 201, 200, 409]
    stored = [row for row in rows(azurite) if row not in before]
    notes = [(row.get("text"), row.get("text_matches")) for row in stored]
    expected = [("the crew was great <mention> <url>" if share else None, True), (None, False)]
    assert sorted(notes, key=str) == sorted(expected, key=str)


def without_request_id(response: httpx.Response) -> tuple[int, str, dict[str, str]]:
    """Return what a caller sees of a response, without what differs each time."""
    request_id = response.headers["x-request-id"]
    headers = {name: value for name, value in response.headers.items() if name not in ("x-request-id", "date")}
    return response.status_code, response.text.replace(request_id, "…"), headers


def test_a_text_cannot_be_shared_after_feedback_without_one(app: App) -> None:
    feedback = {"prediction_id": predict(app), "correct": True}
    assert app.http.post("/api/feedback", json=feedback).status_code == 201
    for text in (TEXT, "a guess"):
        assert app.http.post("/api/feedback", json=feedback | {"text": text}).status_code == 200
        shared = app.http.post("/api/feedback", json=feedback | {"text": text, "share_text": True})
        assert (shared.status_code, shared.json()["title"]) == (409, "Feedback conflict")


def test_row_holds_the_keyed_hash_of_the_text_which_two_predictions_of_it_share(app: App, azurite: Azurite) -> None:
    before = rows(azurite)
    for text in (TEXT, TEXT, "another"):
        app.http.post("/api/feedback", json={"prediction_id": predict(app, text), "correct": False})
    hashes = sorted(str(row["text_hash"]) for row in rows(azurite) if row not in before)
    assert len(hashes) == 3 and len(set(hashes)) == 2
    assert hashlib.sha256(TEXT.encode()).hexdigest()[:32] not in hashes


def test_more_reports_than_a_caller_may_send_are_refused_with_the_time_to_wait(
    start_app: StartApp, azurite: Azurite
) -> None:
    app = start_app(AUTH_LEVEL="function", TABLES_CONNECTION_STRING=azurite.connection_string)
    key = {"x-functions-key": FUNCTION_KEY}
    (prediction,) = app.http.post("/api/predict", json={"text": TEXT}, headers=key).json()["predictions"]
    feedback = {"prediction_id": prediction["prediction_id"], "correct": True}

    def send(number: int) -> httpx.Response:
        return app.http.post("/api/feedback", json=feedback, headers=key | {"x-ms-client-principal-id": str(number)})

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(send, range(PER_CALLER.burst * 10)))
    assert {answer.status_code for answer in answers} == {201, 200, 429}
    refused = [answer for answer in answers if answer.status_code == 429]
    assert all(answer.json()["title"] == "Too many reports" for answer in refused)
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)


def test_expired_receipt_accepts_erasure_but_no_feedback(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    receipts = Receipts([RECEIPT_KEY], timedelta(days=30))
    now = time.time()
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now - 31 * 86400)
    old = receipts.sign("tiny@1", 0.9, "positive", TEXT)
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now - 29 * 86400)
    recent = receipts.sign("tiny@1", 0.9, "positive", TEXT)
    monkeypatch.undo()
    expired = app.http.post("/api/feedback", json={"prediction_id": old, "correct": True})
    assert (expired.status_code, expired.json()["title"]) == (410, "Receipt expired")
    assert app.http.delete(f"/api/feedback/{old}").status_code == 204
    assert app.http.post("/api/feedback", json={"prediction_id": recent, "correct": True}).status_code == 201


def test_receipt_from_the_future_accepts_erasure_but_no_feedback(
    app: App, azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An instance with a wrong clock: its row would be purged ten years later."""
    ahead = time.time() + 3650 * 86400
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: ahead)
    receipt = Receipts([RECEIPT_KEY], timedelta(days=30)).sign("tiny@1", 0.9, "positive", TEXT)
    monkeypatch.undo()
    before = rows(azurite)
    refused = app.http.post("/api/feedback", json={"prediction_id": receipt, "correct": True})
    assert (refused.status_code, refused.json()["title"]) == (422, "Receipt from the future")
    assert rows(azurite) == before
    assert app.http.delete(f"/api/feedback/{receipt}").status_code == 204


def test_other_encodings_of_a_receipt_are_the_same_prediction(app: App, azurite: Azurite) -> None:
    receipt = predict(app)
    feedback = {"prediction_id": receipt, "correct": False}
    assert app.http.post("/api/feedback", json=feedback).status_code == 201
    before = rows(azurite)
    for spelling in (receipt + "=", receipt + "!!!!"):
        again = app.http.post("/api/feedback", json=feedback | {"prediction_id": spelling})
        assert again.status_code == 200
        assert app.http.post("/api/feedback", json={"prediction_id": spelling, "correct": True}).status_code == 409
    assert rows(azurite) == before


def test_consent_requires_the_text(app: App) -> None:
    response = app.http.post("/api/feedback", json={"prediction_id": predict(app), "correct": True, "share_text": True})
    assert (response.status_code, response.json()["detail"]) == (400, "share_text needs the text.")


def test_every_feedback_response_matches_the_openapi_document(app: App) -> None:
    """schemathesis cannot reach these: it has no valid receipt."""
    document = app.http.get("/api/openapi.json").json()
    feedback = {"prediction_id": predict(app), "correct": False}
    sent = [feedback, feedback, feedback | {"correct": True}, feedback | {"prediction_id": "foreign"}]
    answers = [app.http.post("/api/feedback", json=body) for body in sent]
    assert [answer.status_code for answer in answers] == [201, 200, 409, 422]
    for answer in answers:
        described = document["paths"]["/api/feedback"]["post"]["responses"][str(answer.status_code)]["content"]
        schema = described[answer.headers["content-type"]]["schema"] | {"components": document["components"]}
        assert jsonschema_rs.is_valid(schema, answer.json())


def test_accepts_receipts_of_the_previous_key_and_rejects_those_of_another(
    app: App, start_app: StartApp, azurite: Azurite
) -> None:
    receipt = predict(app)
    keys = {"RECEIPT_KEY": "n" * 32, "TABLES_CONNECTION_STRING": azurite.connection_string}
    rotated = start_app(RECEIPT_KEY_PREVIOUS=RECEIPT_KEY, **keys)
    assert rotated.http.post("/api/feedback", json={"prediction_id": receipt, "correct": True}).status_code == 201
    foreign = start_app(**keys)
    assert foreign.http.post("/api/feedback", json={"prediction_id": receipt, "correct": True}).status_code == 422


def test_no_acknowledged_feedback_is_lost_when_the_store_dies(start_app: StartApp, tmp_path: Path) -> None:
    """Kill Azurite during 500 concurrent feedbacks. Every 201 is exactly one row afterwards, every other caller gets a
    503 with Retry-After, and sending again works."""
    with Azurite(tmp_path) as azurite:
        app = start_app(TABLES_CONNECTION_STRING=azurite.connection_string)
        feedbacks = [
            {"prediction_id": predict(app, f"tweet {n}"), "correct": False, "comment": str(n)} for n in range(500)
        ]
        stored = 0

        def send(feedback: dict[str, object]) -> int:
            nonlocal stored
            response = app.http.post("/api/feedback", json=feedback)
            if response.status_code == 201 and (stored := stored + 1) == 100:
                azurite.kill()
            if response.status_code == 503:
                assert response.headers["retry-after"].isdigit()
            return response.status_code

        with ThreadPoolExecutor(100) as pool:
            statuses = list(pool.map(send, feedbacks))
        assert set(statuses) == {201, 503}
        assert app.http.post("/api/predict", json={"text": TEXT}).status_code == 200

        azurite.start()
        comments = [row["comment"] for row in rows(azurite)]
        acknowledged = {f["comment"] for f, status in zip(feedbacks, statuses, strict=True) if status == 201}
        assert acknowledged <= set(comments) and len(comments) == len(set(comments))

        with ThreadPoolExecutor(30) as pool:  # as many as may run and wait
            assert set(pool.map(send, feedbacks)) <= {200, 201}
        assert sorted(str(row["comment"]) for row in rows(azurite)) == sorted(str(n) for n in range(500))
