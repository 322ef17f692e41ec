"""From an alert to the e-mail report, through the host and the runtime, a real table and a real mail server."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import Any

import httpx
import msgspec
import pytest
from azure.data.tables import TableServiceClient

from cloud.settings import Settings, read_settings
from cloud.table_storage import TableFeedbackStore, TableIncidentStore
from devhost.azurite import Azurite
from feedback.incident import BAD_PREDICTION_BURST
from feedback.receipt import Receipt
from feedback.record import build_feedback
from tests.support.alerts import build_alert
from tests.support.app import FUNCTION_KEY, INCIDENT_KEY, MASTER_KEY, App, StartApp
from tests.support.mailbox import Mailbox, part
from tests.support.paths import ROOT

TABLES = {"FEEDBACK_TABLE": "wrongfeedback", "INCIDENTS_TABLE": "incidents"}
MAIL = {
    "SMTP_HOST": "127.0.0.1",
    "SMTP_SECURITY": "none",
    "MAIL_FROM": "buzzguard@mail.example",
    "MAIL_TO": "ops@mail.example",
}
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


@pytest.fixture(scope="module")
def server() -> Iterator[Mailbox]:
    with Mailbox(data_size_limit=10_000_000) as mailbox:  # as Azure Communication Services
        yield mailbox


@pytest.fixture
def mailbox(server: Mailbox) -> Mailbox:
    server.mails.clear()
    return server


@pytest.fixture(scope="module")
def ops(start_app: StartApp, azurite: Azurite, server: Mailbox) -> App:
    """The app with tables of its own and a mail server."""
    connection = {"TABLES_CONNECTION_STRING": azurite.connection_string, "SMTP_PORT": str(server.port)}
    return start_app(**connection, **TABLES, **MAIL)


@pytest.fixture(scope="module")
def settings(azurite: Azurite) -> Iterator[Settings]:
    """Settings with the app's tables."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cloud.table_storage.REQUEST_TIMEOUT_SECONDS", 60)  # this machine may be slow
        yield read_settings({"RECEIPT_KEY": "k" * 32, "TABLES_CONNECTION_STRING": azurite.connection_string} | TABLES)


@pytest.fixture(scope="module")
def store(settings: Settings) -> TableFeedbackStore:
    return TableFeedbackStore(settings)


@pytest.fixture
def window(days: Iterator[int] = iter(range(1, 100))) -> tuple[datetime, datetime]:  # noqa: B008 - shared by all tests on purpose
    """Return a quarter of an hour that no other test uses."""
    since = datetime(2026, 3, 1, 14, 5, tzinfo=UTC) + timedelta(days=next(days))
    return since, since + 15 * MINUTE


def post(app: App, body: object) -> httpx.Response:
    return app.http.post("/api/incidents", params={"key": INCIDENT_KEY}, json=body)


def add_feedback(
    store: TableFeedbackStore, received: datetime, comment: str, correct: bool = False, **more: Any
) -> None:
    """Add feedback on a prediction made a day before."""
    receipt = Receipt("lite@1", 0.9, "positive", "0" * 32, received - timedelta(days=1), f"{received}{comment}.id")
    store.add(build_feedback(receipt, correct, received, comment=comment, **more))


def attached(mailbox: Mailbox) -> Any:
    (mail,) = mailbox.mails
    return msgspec.json.decode(part(mail, "json"))


def test_report_holds_only_what_people_shared(ops: App, mailbox: Mailbox) -> None:
    """Three predictions are reported wrong: one mail lists those three, and nothing that a person did not share."""
    personal = "@bob_zulu bob@mail.example http://bob.example/zulu +33 1 23 45 67 89"
    canaries = ("bob", "zulu", "23 45 67")  # none of which a digest can hold
    shared, secret, right = (f"the crew was {word} {personal}" for word in ("great", "awful", "lovely"))
    since = datetime.now(UTC).replace(microsecond=0)
    for text, more in (
        (shared, {"correct": False, "text": shared, "share_text": True, "comment": f"no <i>irony</i>, {personal}"}),
        (secret, {"correct": False, "text": secret}),
        (secret, {"correct": False}),
        (right, {"correct": True, "comment": "yes"}),
    ):
        predicted = ops.http.post("/api/predict", json={"text": text}).json()["predictions"][0]
        response = ops.http.post("/api/feedback", json={"prediction_id": predicted["prediction_id"], **more})
        assert response.status_code == 201
    sent = post(ops, build_alert(since, datetime.now(UTC), "story"))
    assert (sent.status_code, sent.json()) == (200, {"status": "sent", "reports": 3})

    (mail,) = mailbox.mails
    assert "3 predictions reported wrong" in mail["Subject"] and mail["To"] == MAIL["MAIL_TO"]
    masked = "the crew was great <mention> <email> <url> <number>"
    assert masked in part(mail, "plain") and masked.replace("<", "&lt;").replace(">", "&gt;") in part(mail, "html")
    assert "no &lt;i&gt;irony&lt;/i&gt;, &lt;mention&gt;" in part(mail, "html")
    predictions = attached(mailbox)["predictions"]
    assert [p.get("text") for p in predictions] == [masked, None, None]
    assert [p["label"] for p in predictions] == ["positive", "negative", "negative"]
    assert {p["model"] for p in predictions} == {"tiny"} and all(p["version"] for p in predictions)
    everything = "".join(part(mail, kind) for kind in ("plain", "html", "json")) + mail["Subject"] + ops.log.read_text()
    for canary in (*canaries, "awful", "lovely"):
        assert canary not in everything


def test_report_lists_what_was_reported_wrong_in_the_window(
    ops: App, mailbox: Mailbox, store: TableFeedbackStore, window: tuple[datetime, datetime]
) -> None:
    since, until = window
    add_feedback(store, since - MINUTE - SECOND, "before")
    add_feedback(store, since - MINUTE, "first")
    add_feedback(store, since, "right", correct=True)
    add_feedback(store, until + MINUTE, "last")
    add_feedback(store, until + MINUTE + SECOND, "after")
    receipt = Receipt("lite@1", 0.9, "positive", "0" * 32, since - timedelta(days=29.9), "of last month.id")
    store.add(build_feedback(receipt, False, since, comment="of last month"))
    assert post(ops, build_alert(since, until, "window")).json() == {"status": "sent", "reports": 3}
    assert [p["comment"] for p in attached(mailbox)["predictions"]] == ["first", "of last month", "last"]


def test_overlapping_alerts_each_report_only_new_predictions(
    ops: App, mailbox: Mailbox, store: TableFeedbackStore, window: tuple[datetime, datetime]
) -> None:
    """A stateless rule fires every five minutes, with the same predictions and a new one."""
    for number in range(4):
        later = number * 5 * MINUTE
        if number != 2:
            add_feedback(store, window[0] + later, f"wrong {number}")
        answers = [
            post(ops, build_alert(window[0], window[1] + later, f"overlap {number}")) for _ in range(2)
        ]  # and a retry
        expected = {"status": "sent", "reports": 1} if number != 2 else {"status": "replayed", "reports": 0}
        assert [answer.json() for answer in answers] == [expected, {"status": "replayed", "reports": 0}]
    comments = [p["comment"] for mail in mailbox.mails for p in msgspec.json.decode(part(mail, "json"))["predictions"]]
    assert comments == ["wrong 0", "wrong 1", "wrong 3"]
    assert len({mail["Message-ID"] for mail in mailbox.mails}) == 3


def test_another_rule_is_reported_once_per_alert(ops: App, mailbox: Mailbox, window: tuple[datetime, datetime]) -> None:
    answers = [post(ops, build_alert(*window, alert_id, rule="latency")).json() for alert_id in ("one", "one", "two")]
    assert [answer["status"] for answer in answers] == ["sent", "replayed", "sent"]
    assert len(mailbox.mails) == 2


def test_claim_of_a_dead_instance_expires(
    ops: App,
    mailbox: Mailbox,
    store: TableFeedbackStore,
    settings: Settings,
    window: tuple[datetime, datetime],
) -> None:
    add_feedback(store, window[0], "wrong")
    incidents = TableIncidentStore(settings)
    dead = incidents.claim(BAD_PREDICTION_BURST, datetime.now(UTC))
    assert (post(ops, build_alert(*window, "dead")).status_code, mailbox.mails) == (503, [])
    incidents.release_claim(dead)
    incidents.claim(BAD_PREDICTION_BURST, datetime.now(UTC) - MINUTE)
    assert post(ops, build_alert(*window, "dead")).json() == {"status": "sent", "reports": 1}


@pytest.mark.parametrize("others", ["the same alert", "the next alert"])
def test_one_of_two_concurrent_calls_sends(
    ops: App, mailbox: Mailbox, store: TableFeedbackStore, window: tuple[datetime, datetime], others: str
) -> None:
    add_feedback(store, window[0], "wrong")
    body, other = build_alert(*window, "the same alert"), build_alert(*window, others)
    mailbox.reached.clear()
    mailbox.answering.clear()
    with ThreadPoolExecutor(1) as pool:
        try:
            first = pool.submit(post, ops, body)
            assert mailbox.reached.wait(20)
            second = post(ops, other)
        finally:
            mailbox.answering.set()
    assert first.result().json()["status"] == "sent"
    assert (second.status_code, second.json()["title"]) == (503, "Incident in progress")
    assert second.headers["retry-after"].isdigit()
    assert post(ops, other).json()["status"] == "replayed"
    assert len(mailbox.mails) == 1


def test_incident_is_reported_once_the_mail_server_is_back(
    ops: App, mailbox: Mailbox, store: TableFeedbackStore, window: tuple[datetime, datetime]
) -> None:
    add_feedback(store, window[0], "wrong")
    body = build_alert(*window, "away")

    def is_asked_to_retry() -> bool:
        response = post(ops, body)
        assert "127.0.0.1" not in response.text
        return (response.status_code, response.json()["title"]) == (503, "Mail unavailable") and response.headers[
            "retry-after"
        ].isdigit()

    mailbox.stop()
    try:
        assert is_asked_to_retry()
    finally:
        mailbox.start()
    for mailbox.answer in ("451 not now", "554 never"):
        assert is_asked_to_retry()
    mailbox.answer = "250 OK"
    assert post(ops, body).json() == {"status": "sent", "reports": 1}
    assert len(mailbox.mails) == 1


def test_flood_is_reported_completely(
    ops: App, mailbox: Mailbox, azurite: Azurite, window: tuple[datetime, datetime]
) -> None:
    since, until = window
    with TableServiceClient.from_connection_string(azurite.connection_string) as service:
        table = service.create_table_if_not_exists(TABLES["FEEDBACK_TABLE"])
        for numbers in batched(range(5_000), 100, strict=True):
            rows = [{"PartitionKey": f"{since:%Y-%m-%dT%H}", "RowKey": f"{n:032}", "correct": False} for n in numbers]
            columns = {"label": "positive", "probability": 0.9, "model": "lite@1", "predicted_at": since}
            table.submit_transaction([("create", row | columns | {"received_at": since}) for row in rows])
    assert post(ops, build_alert(since, until, "flood")).json() == {"status": "sent", "reports": 5_000}
    attachment = attached(mailbox)
    assert attachment["complete"] is True
    assert {p["receipt"] for p in attachment["predictions"]} == {f"{n:032}" for n in range(5_000)}
    assert "5,000 predictions" in mailbox.mails[0]["Subject"]
    assert post(ops, build_alert(since, until, "flood, five minutes later")).json() == {
        "status": "replayed",
        "reports": 0,
    }


def test_comments_that_grow_when_they_are_masked_do_not_mute_the_report(
    ops: App, mailbox: Mailbox, store: TableFeedbackStore, window: tuple[datetime, datetime]
) -> None:
    """One U+FDFA becomes eighteen characters."""
    for number in range(30):
        long = f"{number}{'\ufdfa' * 999}"
        add_feedback(store, window[0] + number * SECOND, long[:1_000], text=long[:1_000])
    assert post(ops, build_alert(*window, "long")).json() == {"status": "sent", "reports": 30}
    assert [len(row["comment"]) for row in attached(mailbox)["predictions"]] == [1_000] * 30
    assert "30 predictions" in mailbox.mails[0]["Subject"]
    assert post(ops, build_alert(*window, "long, again")).json() == {"status": "replayed", "reports": 0}


def test_report_that_the_server_refuses_is_replaced_by_a_notice_once(
    ops: App, mailbox: Mailbox, store: TableFeedbackStore, window: tuple[datetime, datetime]
) -> None:
    """A scanner may refuse what somebody wrote."""
    add_feedback(store, window[0], "a word that a scanner knows")
    mailbox.refuse = b"incident.json"
    try:
        assert post(ops, build_alert(*window, "refused")).json() == {"status": "sent", "reports": 1}
    finally:
        mailbox.refuse = None
    (notice,) = mailbox.mails
    assert "1 prediction reported as wrong" in notice.get_content() and "scanner" not in notice.as_string()
    assert post(ops, build_alert(*window, "refused, again")).json() == {"status": "replayed", "reports": 0}


def test_link_of_an_alert_leads_to_the_portal_or_is_left_out(ops: App, mailbox: Mailbox) -> None:
    since = datetime(2026, 2, 1, tzinfo=UTC)
    body = build_alert(since, since + MINUTE, "link", rule="Your Azure password expires today")
    body["data"]["essentials"]["description"] = "Sign in at www.evil.example or mailto:eve@evil.example"
    body["data"]["alertContext"]["condition"]["allOf"][0]["linkToFilteredSearchResultsUI"] = "https://evil.example/"
    assert post(ops, body).json() == {"status": "sent", "reports": 0}
    (mail,) = mailbox.mails
    assert mail["Subject"] == "[Buzzguard Sev2] An alert fired"
    for kind in ("plain", "html"):
        assert "evil.example" not in part(mail, kind) and "left out" in part(mail, kind)
    assert "<a " not in part(mail, "html")


def test_server_without_encryption_gets_no_report(
    start_app: StartApp, azurite: Azurite, mailbox: Mailbox, window: tuple[datetime, datetime]
) -> None:
    connection = {"TABLES_CONNECTION_STRING": azurite.connection_string, "SMTP_PORT": str(mailbox.port)}
    app = start_app(**connection, **TABLES, **(MAIL | {"SMTP_SECURITY": ""}))
    refused = post(app, build_alert(*window, "clear text", rule="latency"))
    assert (refused.status_code, refused.json()["title"], mailbox.mails) == (503, "Mail unavailable", [])
    assert "offers no STARTTLS" in refused.json()["detail"]


def test_without_a_mail_server_resolved_alerts_are_ignored_and_fired_ones_refused(
    app: App, window: tuple[datetime, datetime]
) -> None:
    resolved = post(app, build_alert(*window, monitor_condition="Resolved"))
    assert (resolved.status_code, resolved.json()) == (200, {"status": "ignored", "reports": 0})
    fired = post(app, build_alert(*window))
    assert (fired.status_code, fired.json()["title"]) == (503, "Mail unavailable")
    assert "SMTP_HOST" in fired.json()["detail"] and fired.headers["retry-after"].isdigit()


def test_accepts_the_largest_alert(ops: App, window: tuple[datetime, datetime]) -> None:
    body = build_alert(*window, "large", rule="latency")
    body["data"]["alertContext"]["condition"]["allOf"][0]["searchQuery"] = "x" * 125_000
    body["data"]["essentials"]["description"] = "y" * 4_096
    assert post(ops, body).json() == {"status": "sent", "reports": 0}


@pytest.fixture(scope="module")
def locked(start_app: StartApp, azurite: Azurite, server: Mailbox) -> App:
    """The app as it is deployed: callers need a function key."""
    connection = {"TABLES_CONNECTION_STRING": azurite.connection_string, "SMTP_PORT": str(server.port)}
    return start_app(AUTH_LEVEL="function", **connection, **TABLES, **MAIL)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"headers": {"x-functions-key": FUNCTION_KEY}},
        {"headers": {"x-functions-key": MASTER_KEY}},
        {"params": {"code": MASTER_KEY}},
        {"params": {"code": INCIDENT_KEY}},
        {"params": {"code": FUNCTION_KEY}},
        {"params": {"key": FUNCTION_KEY}},
        {"params": {"key": MASTER_KEY}},
        {"params": {"key": ""}},
        {"params": {"key": INCIDENT_KEY[:-1]}},
        {"params": {"key": "é"}},
        {"headers": {"x-functions-key": INCIDENT_KEY}},
    ],
)
def test_rejects_every_key_but_the_incident_key(
    locked: App, mailbox: Mailbox, window: tuple[datetime, datetime], options: dict[str, dict[str, str]]
) -> None:
    """A host key opens every function, and callers of predict have one."""
    for body in (build_alert(*window, "no key", rule="latency"), "no alert"):
        refused = locked.http.post("/api/incidents", json=body, **options)
        assert (refused.status_code, refused.json()["title"]) == (401, "Key missing or wrong")
        assert refused.headers["content-type"] == "application/problem+json"
    assert not mailbox.mails


def test_each_key_opens_what_it_is_for(locked: App, mailbox: Mailbox, window: tuple[datetime, datetime]) -> None:
    """The document says which key an operation takes; no other opens it."""
    keys = {
        "functionKey": {"headers": {"x-functions-key": FUNCTION_KEY}},
        "incidentKey": {"params": {"key": INCIDENT_KEY}},
    }
    paths = locked.http.get("/api/openapi.json").json()["paths"]
    assert [path for path in paths if "incidentKey" in str(paths[path])] == ["/api/incidents"]
    operations = [(path, *operation) for path, methods in paths.items() for operation in methods.items()]
    for path, method, operation in operations:
        needed = [scheme for need in operation.get("security", []) for scheme in need]
        for scheme, options in keys.items():
            url = path.replace("{prediction_id}", "none")
            status = locked.http.request(method, url, json={}, **options).status_code
            assert (status == 401) == (needed not in ([], [scheme])), (path, method, scheme, status)
    assert post(locked, build_alert(*window, "with its key", rule="latency")).json()["status"] == "sent"
    assert len(mailbox.mails) == 1


def test_accepts_both_keys_during_a_rotation_and_logs_neither(start_app: StartApp, azurite: Azurite) -> None:
    keys = {"INCIDENT_KEY": "new" + "n" * 32, "INCIDENT_KEY_PREVIOUS": "old" + "o" * 32}
    app = start_app(TABLES_CONNECTION_STRING=azurite.connection_string, **keys)
    resolved = build_alert(datetime.now(UTC), datetime.now(UTC), monitor_condition="Resolved")
    for key in (*keys.values(), INCIDENT_KEY):
        answer = app.http.post("/api/incidents", params={"key": key}, json=resolved)
        assert answer.status_code == (401 if key == INCIDENT_KEY else 200)
        assert key not in app.log.read_text()


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ("{}", ""),
        ('{"schemaId": "Microsoft.Insights/activityLogs", "data": {}}', "/schemaId"),
        ('{"schemaId": "azureMonitorCommonAlertSchema", "data": {"essentials": {}}}', "/data/essentials"),
        (
            '{"schemaId": "azureMonitorCommonAlertSchema", "data": {"essentials": {"alertId": 3}}}',
            "/data/essentials/alertId",
        ),
        ('{"x": ' + "[" * 60_000 + "]" * 60_000 + "}", None),
    ],
)
def test_rejects_a_body_that_is_no_alert(app: App, body: str, pointer: str | None) -> None:
    headers = {"content-type": "application/json"}
    response = app.http.post("/api/incidents", params={"key": INCIDENT_KEY}, content=body, headers=headers)
    assert response.status_code == 400
    assert [error["pointer"] for error in response.json().get("errors", [])] == ([] if pointer is None else [pointer])


REPORT_TWICE = """
import asyncio, logging, sys
from types import SimpleNamespace
import azure.functions as func
import function_app

class PrintingHandler(logging.Handler):
    def emit(self, record):
        print(record.name, record.getMessage(), f"alert={record.alert} reports={record.reports}")

events = logging.getLogger("buzzguard.watch")
events.setLevel(logging.INFO)
events.addHandler(PrintingHandler())
context = SimpleNamespace(trace_context=SimpleNamespace(trace_parent=""))
incident = next(f for f in function_app.app.get_functions() if f.get_function_name() == "incident").get_user_function()
for _ in range(2):
    request = func.HttpRequest(
        "POST", "/", headers={"content-type": "application/json"}, params={"key": "i" * 32}, body=sys.argv[1].encode()
    )
    print(asyncio.run(incident(request, context)).get_body().decode())
"""


def test_sent_report_emits_an_event(azurite: Azurite, mailbox: Mailbox, window: tuple[datetime, datetime]) -> None:
    settings = {"RECEIPT_KEY": "k" * 32, "TABLES_CONNECTION_STRING": azurite.connection_string}
    settings |= {"SMTP_PORT": str(mailbox.port), "INCIDENT_KEY": "i" * 32, **TABLES, **MAIL}
    body = build_alert(*window, "record", rule="latency")
    command = [sys.executable, "-c", REPORT_TWICE, msgspec.json.encode(body).decode()]
    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        f"buzzguard.watch incident_reported alert={body['data']['essentials']['alertId']} reports=0",
        '{"status":"sent","reports":0}',
        '{"status":"replayed","reports":0}',
    ]
