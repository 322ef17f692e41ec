"""Predict, give feedback and erase it, through the host and the runtime into a real table."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import jsonschema_rs
import pytest
from azure.data.tables import TableServiceClient

from devhost.azurite import Azurite
from feedback.receipt import Receipts
from tests.support.app import RECEIPT_KEY, App, StartApp

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


@pytest.mark.parametrize("change", [{"text": "another text"}, {"prediction_id": "not.a.receipt"}])
def test_rejects_foreign_receipt_and_other_text(app: App, azurite: Azurite, change: dict[str, str]) -> None:
    before = rows(azurite)
    response = app.http.post("/api/feedback", json={"prediction_id": predict(app), "correct": True} | change)
    assert (response.status_code, response.json()["title"]) == (422, "Receipt not ours")
    assert app.http.delete("/api/feedback/not.a.receipt").status_code == 422
    assert rows(azurite) == before


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

        with ThreadPoolExecutor(100) as pool:
            assert set(pool.map(send, feedbacks)) <= {200, 201}
        assert sorted(str(row["comment"]) for row in rows(azurite)) == sorted(str(n) for n in range(500))
