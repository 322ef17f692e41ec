"""What each alert's query must find, by brute force, and the records that it is asked about."""

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
type Found = list[dict[str, Any]]

_operations = count()  # every record is of another request, a second click on a prediction, too


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def trace(message: str, seconds: float, instance: str = "one", **properties: object) -> Record:
    """As Application Insights keeps it: whatever a property was, it is a string."""
    told = {name: str(value) for name, value in properties.items()}
    origin = {"AppRoleInstance": instance, "OperationId": f"{next(_operations):032x}"}
    return {"TimeGenerated": at(seconds), "Message": message, "Properties": told} | origin


def bad(receipt: object, seconds: float = 0, instance: str = "one", model: str = MODEL) -> Record:
    return trace("bad_prediction", seconds, instance, receipt=receipt, model=model, label="positive", probability=0.9)


def good(receipt: object, seconds: float = 0, model: str = MODEL) -> Record:
    return bad(receipt, seconds, model=model) | {"Message": "good_prediction"}


def request(
    name: str = "predict", status: int = 200, ms: float = 5.0, seconds: float = 0, instance: str = "one"
) -> Record:
    """`status` 0 is a timer that failed. Success is as the host's exporter says it."""
    told = {"Name": name, "ResultCode": str(status), "DurationMs": ms, "Success": 0 < status < 400}
    return {"TimeGenerated": at(seconds), "AppRoleInstance": instance} | told


def operation(detail: str, category: str = "Ingestion") -> Record:
    """What the workspace says of itself."""
    return {"TimeGenerated": at(0), "OperationCategory": category, "OperationStatus": "Warning", "Detail": detail}


def prediction(model: str = "champion", version: str = "1", **properties: object) -> Record:
    """`properties`: bucket and expected, unknown and unknown_expected."""
    return trace("prediction", 0, model=model, version=version, decision="review", **properties)


def bad_prediction_burst(records: Iterable[Record]) -> Found:
    reports: dict[str, list[datetime]] = defaultdict(list)
    for record in records:
        if record["Message"] == "bad_prediction":
            reports[record["Properties"]["receipt"]].append(record["TimeGenerated"])
    firsts = [min(times) for times in reports.values()]
    began = [
        first for first in firsts if sum(timedelta() <= other - first <= timedelta(minutes=5) for other in firsts) >= 3
    ]
    return [{"Began": min(began), "Latest": max(firsts), "Reports": len(firsts)}] if began else []


def error_rate(records: Iterable[Record]) -> Found:
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


def latency(records: Iterable[Record]) -> Found:
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


def probability_drift(records: Iterable[Record]) -> Found:
    found = []
    for (model, version), told in _by_version(records, "expected").items():
        buckets = [properties["bucket"] for properties in told]
        expected = {properties["bucket"]: Fraction(properties["expected"]) for properties in told}
        excess = [Fraction(buckets.count(bucket), len(told)) - share for bucket, share in expected.items()]
        distance = sum(share for share in excess if share > 0)
        if len(told) >= 300 and distance > Fraction("0.2"):
            found.append({"Model": model, "Version": version, "Predictions": len(told), "Distance": float(distance)})
    return found


def unknown_words_drift(records: Iterable[Record]) -> Found:
    found = []
    for (model, version), told in _by_version(records, "unknown_expected").items():
        unknown = sum(Fraction(properties["unknown"]) for properties in told) / len(told)
        expected = Fraction(told[0]["unknown_expected"])
        if len(told) >= 300 and unknown > expected + Fraction("0.05"):
            shares = {"Unknown": float(unknown), "Expected": float(expected)}
            found.append({"Model": model, "Version": version, "Predictions": len(told), **shares})
    return found


def _by_version(records: Iterable[Record], wanted: str) -> dict[tuple[str, str], list[dict[str, str]]]:
    """The properties of the predictions that have `wanted`, by model and version."""
    versions: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for record in records:
        properties = record["Properties"]
        if record["Message"] == "prediction" and wanted in properties:
            versions[properties["model"], properties["version"]].append(properties)
    return versions


def feedback_disagreement(records: Iterable[Record]) -> Found:
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


def daily_cap(records: Iterable[Record]) -> Found:
    return [
        {"TimeGenerated": record["TimeGenerated"], "Detail": record["Detail"]}
        for record in records
        if "overquota" in re.findall(r"\w+", record["Detail"].lower())
    ]


def no_heartbeat(records: Iterable[Record]) -> Found:
    return [] if list(records) else [{"Requests": 0}]


ORACLES: dict[str, Callable[[Iterable[Record]], Found]] = {
    oracle.__name__: oracle
    for oracle in (
        bad_prediction_burst,
        error_rate,
        latency,
        probability_drift,
        unknown_words_drift,
        feedback_disagreement,
        daily_cap,
        no_heartbeat,
    )
}
