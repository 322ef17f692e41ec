"""The events and metrics of a few requests, through the real exporter: each is exported once, as it happened."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from shutil import copytree
from typing import NamedTuple

import msgspec
import pytest

from devhost.azurite import Azurite
from feedback.receipt import Receipts
from sentiment.manifest import MANIFEST_FILE, Baseline, Calibration, read_manifest, stamp_version
from tests.support.app import RECEIPT_KEY, StartApp
from tests.support.ingestion import Ingestion, operation_id, properties
from tests.support.paths import TINY_MODEL
from tests.support.traced import Sent, send


class Recorded(NamedTuple):
    """Requests, in the order they were sent, and what the exporter sent of them."""

    single: Sent
    batch: Sent
    wrong: Sent  # feedback
    replay: Sent  # of the same feedback
    conflict: Sent
    erased: Sent
    right: Sent
    ingestion: Ingestion

    def properties_of(self, sent: Sent) -> dict[str, str]:
        """Return the properties of the last event of a request."""
        events = self.ingestion.envelopes_of("Message")
        return {operation_id(envelope): properties(envelope) for envelope in events}[sent.trace]

    @property
    def receipt(self) -> str:
        return str(self.single.response.json()["predictions"][0]["prediction_id"])

    @property
    def version(self) -> str:
        return str(self.single.response.json()["model"]["version"])


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model that is always sure, and has a baseline."""
    folder = copytree(TINY_MODEL, tmp_path_factory.mktemp("models") / "tiny")
    sure = msgspec.structs.replace(
        read_manifest(folder), calibration=Calibration(slope=1000.0), baseline=Baseline((0.4, *[0.0] * 8, 0.6), 0.05)
    )
    (folder / MANIFEST_FILE).write_bytes(msgspec.json.encode(stamp_version(sure)))
    return folder


@pytest.fixture(scope="module")
def recorded(start_app: StartApp, azurite: Azurite, model_folder: Path) -> Iterator[Recorded]:
    """Send the requests from the very first one on: the exporter is set up only after that."""
    ingestion = Ingestion()
    app = start_app(
        MODEL=str(model_folder),
        TABLES_CONNECTION_STRING=azurite.connection_string,
        APPLICATIONINSIGHTS_CONNECTION_STRING=ingestion.connection_string,
    )
    single = send(app, "POST", "/api/predict", {"text": "the crew was great"}, flags="00")  # the caller samples it out
    batch = send(app, "POST", "/api/predict", {"texts": ["the crew was awful", "zyzzyva the crew was great"]})
    receipt = single.response.json()["predictions"][0]["prediction_id"]
    feedback = {"prediction_id": receipt, "correct": False}
    wrong, replay = (send(app, "POST", "/api/feedback", feedback) for _ in range(2))
    conflict = send(app, "POST", "/api/feedback", feedback | {"correct": True})
    erased = send(app, "DELETE", f"/api/feedback/{receipt}")
    right = send(app, "POST", "/api/feedback", feedback | {"correct": True})
    ingestion.wait_for(lambda: len(ingestion.messages) >= 7)
    ingestion.wait_for(lambda: ingestion.measurements()[1].total() >= 6)
    yield Recorded(single, batch, wrong, replay, conflict, erased, right, ingestion)
    ingestion.set_behaviour("fail")
    ingestion.close()


def test_requests_are_answered_as_without_telemetry(recorded: Recorded) -> None:
    statuses = [sent.response.status_code for sent in recorded[:7]]
    assert statuses == [200, 200, 201, 200, 409, 204, 201]


def test_each_event_is_exported_once_in_the_trace_of_its_request(recorded: Recorded) -> None:
    assert Counter(recorded.ingestion.messages) == {
        ("prediction", recorded.single.trace): 1,
        ("prediction", recorded.batch.trace): 2,
        ("bad_prediction", recorded.wrong.trace): 1,
        ("bad_prediction", recorded.replay.trace): 1,
        ("feedback_erased", recorded.erased.trace): 1,
        ("good_prediction", recorded.right.trace): 1,
    }


def test_event_has_the_time_of_its_request(recorded: Recorded) -> None:
    during = {sent.trace: (sent.start, sent.end) for sent in recorded[:7]}
    for envelope in recorded.ingestion.envelopes_of("Message"):
        start, end = during[operation_id(envelope)]
        assert start <= datetime.fromisoformat(envelope["time"]) <= end


def test_prediction_event_describes_the_prediction(recorded: Recorded) -> None:
    single = recorded.single
    event = recorded.properties_of(single)
    assert 0 < float(event.pop("latency_ms")) < (single.end - single.start) / timedelta(milliseconds=1)
    assert event == {
        "model": "tiny",
        "version": recorded.version,
        "label": "positive",
        "decision": "publish",
        "bucket": "9",
        "expected": "0.6",
        "length": "18",
        "unknown": "0.0",
        "unknown_expected": "0.05",
    }


def test_batch_has_an_event_for_each_text(recorded: Recorded) -> None:
    events = recorded.ingestion.envelopes_of("Message")
    bad, good = (properties(envelope) for envelope in events if operation_id(envelope) == recorded.batch.trace)
    assert (bad["label"], bad["decision"], bad["bucket"], bad["expected"]) == ("negative", "hold", "0", "0.4")
    assert (good["length"], good["unknown"]) == ("26", "0.2")


def test_feedback_events_have_the_digest_of_the_receipt_and_the_keyed_hash_of_the_text(recorded: Recorded) -> None:
    receipts = Receipts([RECEIPT_KEY], timedelta(days=30))
    receipt = receipts.read(recorded.receipt)
    digest, text = {"receipt": receipt.digest}, {"text_hash": receipt.text_hash}
    prediction = {"model": f"tiny@{recorded.version}", "label": "positive", "probability": "1.0"}
    for sent in (recorded.wrong, recorded.replay, recorded.right):
        assert recorded.properties_of(sent) == digest | text | prediction
    assert recorded.properties_of(recorded.erased) == digest


def test_metrics_add_up(recorded: Recorded) -> None:
    sums, numbers = recorded.ingestion.measurements()
    assert numbers == {"predict.duration": 2, "publish": 1, "hold": 1, "unknown_words": 3}
    assert (sums["publish"], sums["hold"], round(sums["unknown_words"], 3)) == (2, 1, 0.2)


def test_nothing_but_events_and_metrics_is_exported(recorded: Recorded) -> None:
    ingestion = recorded.ingestion
    assert len(ingestion.envelopes) == len(ingestion.envelopes_of("Message")) + len(ingestion.envelopes_of("Metric"))
