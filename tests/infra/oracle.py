"""For each alert query, a simple Python function that computes the expected rows, and builders for the records."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import count
from math import ceil
from typing import Any

START = datetime(2026, 11, 22, 9, tzinfo=UTC)
MODEL = "champion@20261122-d8e142c9"

type Record = dict[str, Any]
type Rows = list[dict[str, Any]]

_operation_ids = count()  # each record has its own request, even a second report of a prediction


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def trace(message: str, seconds: float, instance: str = "one", **properties: object) -> Record:
    """Return a record as Application Insights stores it: all properties are strings."""
    strings = {name: str(value) for name, value in properties.items()}
    origin = {"AppRoleInstance": instance, "OperationId": f"{next(_operation_ids):032x}"}
    return {"TimeGenerated": at(seconds), "Message": message, "Properties": strings} | origin


def bad_prediction(
    receipt: object, seconds: float = 0, instance: str = "one", model: str = MODEL, text: object = None
) -> Record:
    """Return a report. `text` is the text's hash; None: the report is from before it had one."""
    properties = {"receipt": receipt, "model": model, "label": "positive", "probability": 0.9}
    if text is not None:
        properties["text_hash"] = text
    return trace("bad_prediction", seconds, instance, **properties)


def good_prediction(receipt: object, seconds: float = 0, model: str = MODEL) -> Record:
    return bad_prediction(receipt, seconds, model=model) | {"Message": "good_prediction"}


def request(
    name: str = "predict", status: int = 200, ms: float = 5.0, seconds: float = 0, instance: str = "one"
) -> Record:
    """Return a request. `status` 0 is a timer that failed. Success is what the host's exporter sends."""
    columns = {"Name": name, "ResultCode": str(status), "DurationMs": ms, "Success": 0 < status < 400}
    return {"TimeGenerated": at(seconds), "AppRoleInstance": instance} | columns


def operation(detail: str, category: str = "Ingestion") -> Record:
    """Return a record that the workspace writes about itself."""
    return {"TimeGenerated": at(0), "OperationCategory": category, "OperationStatus": "Warning", "Detail": detail}


def prediction(model: str = "champion", version: str = "1", **properties: object) -> Record:
    """Return a prediction. `properties` are bucket and expected, or unknown and unknown_expected."""
    return trace("prediction", 0, model=model, version=version, decision="review", **properties)


def bad_prediction_burst(records: Iterable[Record]) -> Rows:
    reports = [record for record in records if record["Message"] == "bad_prediction"]
    seen = [(record["TimeGenerated"], record["Properties"]) for record in reports]
    receipts = {properties["receipt"] for _, properties in seen}
    hashes = {properties["receipt"]: properties["text_hash"] for _, properties in seen if "text_hash" in properties}
    times: dict[str, list[datetime]] = defaultdict(list)
    for time, properties in seen:
        receipt = properties["receipt"]
        times[hashes.get(receipt, receipt)].append(time)
    firsts = [min(of_text) for of_text in times.values()]
    began = [
        first for first in firsts if sum(timedelta() <= other - first <= timedelta(minutes=5) for other in firsts) >= 3
    ]
    if not began:
        return []
    return [{"Began": min(began), "Latest": max(firsts), "Texts": len(firsts), "Reports": len(receipts)}]


def error_rate(records: Iterable[Record]) -> Rows:
    failures: dict[str, list[bool]] = defaultdict(list)
    for record in records:
        status = int(record["ResultCode"])
        if not 400 <= status < 500:
            failures[record["Name"]].append(status >= 500 or not record["Success"])
    return [
        {"Name": name, "Requests": len(failed), "Failed": sum(failed)}
        for name, failed in failures.items()
        if sum(failed) >= 5 and Fraction(sum(failed), len(failed)) > Fraction(5, 100)
    ]


def latency(records: Iterable[Record]) -> Rows:
    instances: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        instances[record["AppRoleInstance"]].append(record)
    durations = []
    for served in instances.values():
        warm = min(record["TimeGenerated"] for record in served) + timedelta(minutes=1)
        durations += [
            record["DurationMs"]
            for record in served
            if record["TimeGenerated"] >= warm and record["Name"] in ("predict", "POST api/predict")
        ]
    slow = sum(ms > 2000 for ms in durations)
    if len(durations) < 20 or Fraction(slow, len(durations)) <= Fraction(5, 100):
        return []
    return [{"Requests": len(durations), "Slow": slow, "P95": sorted(durations)[ceil(0.95 * len(durations)) - 1]}]


def probability_drift(records: Iterable[Record]) -> Rows:
    found = []
    for (model, version), predictions in _by_version(records, "expected").items():
        buckets = [properties["bucket"] for properties in predictions]
        expected = {properties["bucket"]: Fraction(properties["expected"]) for properties in predictions}
        excess = [Fraction(buckets.count(bucket), len(predictions)) - share for bucket, share in expected.items()]
        distance = sum(share for share in excess if share > 0)
        if len(predictions) >= 300 and distance > Fraction("0.2"):
            found.append(
                {"Model": model, "Version": version, "Predictions": len(predictions), "Distance": float(distance)}
            )
    return found


def unknown_words_drift(records: Iterable[Record]) -> Rows:
    found = []
    for (model, version), predictions in _by_version(records, "unknown_expected").items():
        unknown = sum(Fraction(properties["unknown"]) for properties in predictions) / len(predictions)
        expected = Fraction(predictions[0]["unknown_expected"])
        if len(predictions) >= 300 and unknown > expected + Fraction("0.05"):
            shares = {"Unknown": float(unknown), "Expected": float(expected)}
            found.append({"Model": model, "Version": version, "Predictions": len(predictions), **shares})
    return found


def _by_version(records: Iterable[Record], property_name: str) -> dict[tuple[str, str], list[dict[str, str]]]:
    """Group the properties of predictions that have `property_name` by model and version."""
    versions: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for record in records:
        properties = record["Properties"]
        if record["Message"] == "prediction" and property_name in properties:
            versions[properties["model"], properties["version"]].append(properties)
    return versions


def feedback_disagreement(records: Iterable[Record]) -> Rows:
    judged: dict[str, set[str]] = defaultdict(set)
    wrong: dict[str, set[str]] = defaultdict(set)
    for record in records:
        properties = record["Properties"]
        if record["Message"] in ("bad_prediction", "good_prediction"):
            judged[properties["model"]].add(properties["receipt"])
        if record["Message"] == "bad_prediction":
            wrong[properties["model"]].add(properties["receipt"])
    return [
        {"Model": model, "Judged": len(receipts), "Wrong": len(wrong[model])}
        for model, receipts in judged.items()
        if len(receipts) >= 40 and Fraction(len(wrong[model]), len(receipts)) > Fraction(1, 2)
    ]


def purge(seconds: float = 0, hours_behind: int = 0) -> Record:
    return trace("feedback_purged", seconds, rows=100, hours_behind=hours_behind)


def purge_behind(records: Iterable[Record]) -> Rows:
    runs = [record for record in records if record["Message"] == "feedback_purged"]
    last = max(runs, key=lambda record: record["TimeGenerated"], default=None)
    if last is None or int(last["Properties"]["hours_behind"]) <= 24:
        return []
    return [{"TimeGenerated": last["TimeGenerated"], "Hours": int(last["Properties"]["hours_behind"])}]


def no_purge(records: Iterable[Record]) -> Rows:
    times = sorted(record["TimeGenerated"] for record in records)
    purged = [record["TimeGenerated"] for record in records if record["Name"] == "retention" and record["Success"]]
    last = max(purged, default=None)
    if not times or times[-1] - (last or times[0]) <= timedelta(hours=26):
        return []
    return [{"First": times[0], "Latest": times[-1], "Purged": last}]


def daily_cap(records: Iterable[Record]) -> Rows:
    return [
        {"TimeGenerated": record["TimeGenerated"], "Detail": record["Detail"]}
        for record in records
        if "overquota" in re.findall(r"\w+", record["Detail"].lower())
    ]


def no_heartbeat(records: Iterable[Record]) -> Rows:
    return [] if list(records) else [{"Requests": 0}]


ORACLES: dict[str, Callable[[Iterable[Record]], Rows]] = {
    oracle.__name__: oracle
    for oracle in (
        bad_prediction_burst,
        error_rate,
        latency,
        probability_drift,
        unknown_words_drift,
        feedback_disagreement,
        purge_behind,
        no_purge,
        daily_cap,
        no_heartbeat,
    )
}
