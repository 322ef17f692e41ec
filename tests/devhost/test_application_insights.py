"""Telemetry on its way into the workspace, and what queries find there."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from devhost.host.functions_host import Host, front
from devhost.host.keys import Keys
from devhost.host.runtime import Invocation
from devhost.host.settings_files import NO_CORS, HostJson
from devhost.monitoring.application_insights import INSTRUMENTATION_KEY, Insights, request_row
from devhost.monitoring.log_analytics import OLDEST, Workspace

type Ask = Callable[..., httpx.Response]

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SCHEMA = json.loads((Path(__file__).parents[2] / "infra" / "workspace.json").read_text())
DAY = timedelta(days=1)


def envelope(kind: str, data: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """As azure-monitor-opentelemetry-exporter 1.0.0b58 writes it."""
    return {
        "name": f"Microsoft.ApplicationInsights.{kind}",
        "time": NOON.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "iKey": INSTRUMENTATION_KEY,
        "tags": {
            "ai.cloud.role": "buzzguard",
            "ai.cloud.roleInstance": "a7791a19",
            "ai.internal.sdkVersion": "ulm_py3.13.0:otel1.45.1:dst1.8.11",
            "ai.internal.nodeName": "a7791a19",
            "ai.operation.id": TRACE,
            "ai.operation.parentId": SPAN,
        },
        "data": {"baseType": kind, "baseData": {"ver": 2, "properties": {"a": "1"}, "measurements": {}} | data},
    } | changes


MESSAGE = envelope("MessageData", {"message": "prediction", "severityLevel": 1})
KINDS = {
    "AppTraces": (MESSAGE, {"Message": "prediction", "SeverityLevel": 1}),
    "AppEvents": (envelope("EventData", {"name": "clicked"}), {"Name": "clicked"}),
    "AppExceptions": (
        envelope(
            "ExceptionData",
            {
                "severityLevel": 3,
                "exceptions": [
                    {"typeName": "ValueError", "message": "it failed", "hasFullStack": True, "stack": "Traceback …"}
                ],
            },
        ),
        {"ExceptionType": "ValueError", "OuterMessage": "it failed", "InnermostType": "ValueError", "SeverityLevel": 3},
    ),
    "AppRequests": (
        envelope(
            "RequestData",
            {"id": SPAN, "name": "predict", "duration": "1.02:03:04.500", "responseCode": "503", "success": False},
        ),
        {"Name": "predict", "Id": SPAN, "ResultCode": "503", "Success": False, "DurationMs": 93_784_500.0},
    ),
    "AppDependencies": (
        envelope(
            "RemoteDependencyData",
            {
                "name": "POST /y",
                "id": SPAN,
                "resultCode": "200",
                "duration": "0.00:00:00.029",
                "success": True,
                "type": "HTTP",
                "data": "http://x/y",
                "target": "x",
            },
        ),
        {"DependencyType": "HTTP", "Target": "x", "Data": "http://x/y", "DurationMs": 29.0, "Success": True},
    ),
    "AppMetrics": (
        envelope("MetricData", {"metrics": [{"name": "ms", "value": 8.0, "count": 2, "min": 3.5, "max": 4.5}]}),
        {"Name": "ms", "Sum": 8.0, "ItemCount": 2, "Min": 3.5, "Max": 4.5},
    ),
}


@pytest.fixture
def workspace() -> Workspace:
    return Workspace(SCHEMA)


@pytest.fixture
def track(workspace: Workspace, asker: Callable[[Starlette], Ask]) -> Ask:
    """Sends a body to the endpoint in front of `workspace`, at noon."""
    ask = asker(Starlette(routes=Insights(workspace.add, lambda: NOON).routes))

    def send(body: bytes | object, path: str = "/v2.1/track", **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return ask("POST", path, content=content, headers={"content-encoding": "identity"} | headers)

    return send


def found(workspace: Workspace, kql: str, end: datetime = NOON) -> list[dict[str, Any]]:
    return workspace.query(kql, end - DAY, end)


@pytest.mark.parametrize(("table", "sent", "columns"), [(table, *rest) for table, rest in KINDS.items()])
def test_every_kind_of_telemetry_has_its_table(
    track: Ask, workspace: Workspace, table: str, sent: dict[str, Any], columns: dict[str, Any]
) -> None:
    answer = track([sent])
    assert (answer.status_code, answer.json()) == (200, {"itemsReceived": 1, "itemsAccepted": 1, "errors": []})
    (row,) = found(workspace, table)
    assert row.items() >= columns.items()
    assert list(row) == list(SCHEMA[table])  # and nothing of when it arrived
    shared = {"Type": table, "AppRoleName": "buzzguard", "OperationId": TRACE, "ParentId": SPAN}
    assert row.items() >= (shared | {"IKey": INSTRUMENTATION_KEY}).items()
    assert row["TimeGenerated"].replace(tzinfo=UTC) == NOON
    assert json.loads(row["Properties"]) == {"a": "1"}


def test_properties_are_read_as_text(track: Ask, workspace: Workspace) -> None:
    track([MESSAGE])
    assert found(workspace, 'AppTraces | where tostring(Properties.a) == "1" | count') == [{"Count": 1}]


@pytest.mark.parametrize("path", ["/v2/track", "/v2.1/track", "http://localhost:7071//v2.1/track"])
def test_bodies_come_as_arrays_or_lines_with_gzip_or_without(track: Ask, workspace: Workspace, path: str) -> None:
    lines = b"\n".join(json.dumps(MESSAGE).encode() for _ in range(3)) + b"\n"
    assert track(lines, path).json()["itemsAccepted"] == 3
    assert track(gzip.compress(lines), path, **{"content-encoding": "gzip"}).json()["itemsAccepted"] == 3
    assert track([MESSAGE] * 3, path).json()["itemsAccepted"] == 3
    assert track(gzip.compress(json.dumps(MESSAGE).encode()), path, **{"content-encoding": "gzip"}).status_code == 200
    assert found(workspace, "AppTraces | count") == [{"Count": 10}]


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("{", "Input data was truncated"),
        ("3", "Expected `object`, got `int`"),
        (MESSAGE | {"time": "yesterday"}, "`$.time`"),
        (MESSAGE | {"time": "2026-01-01T12:00:00"}, "timezone"),
        ({name: value for name, value in MESSAGE.items() if name != "time"}, "`time`"),
        (MESSAGE | {"time": (NOON - OLDEST - timedelta(seconds=1)).isoformat()}, "older than the allowed min date"),
        (MESSAGE | {"iKey": "00000000-0000-0000-0000-000000000000"}, "Invalid instrumentation key"),
        (MESSAGE | {"sampleRate": 0}, "`$.sampleRate`"),
        (MESSAGE | {"tags": ["a"]}, "`$.tags`"),
        (envelope("PageViewData", {}), "There is no table for 'PageViewData'"),
        (envelope("MessageData", {}), "`message`"),
        (envelope("MessageData", {"message": 3}), "Expected `str`, got `int`"),
        (envelope("MessageData", {"message": "m", "properties": {"a": 1}}), "`$.properties[...]`"),
        (envelope("ExceptionData", {"exceptions": []}), "`$.exceptions`"),
        (KINDS["AppRequests"][0] | {"data": {"baseType": "RequestData", "baseData": {"id": "1"}}}, "`duration`"),
        (
            envelope("RequestData", {"id": "1", "duration": "soon", "responseCode": "200", "success": True}),
            "not a valid time span",
        ),
    ],
)
def test_what_is_broken_is_told_item_by_item(track: Ask, workspace: Workspace, broken: Any, told: str) -> None:
    line = broken if isinstance(broken, str) else json.dumps(broken)
    answer = track(b"\n".join([json.dumps(MESSAGE).encode(), line.encode(), json.dumps(MESSAGE).encode()]))
    assert answer.status_code == 206
    said = answer.json()
    assert (said["itemsReceived"], said["itemsAccepted"]) == (3, 2)
    (error,) = said["errors"]
    assert (error["index"], error["statusCode"]) == (1, 400)
    assert told in error["message"]
    assert found(workspace, "AppTraces | count") == [{"Count": 2}]
    alone = track(line.encode())
    assert (alone.status_code, alone.json()["itemsAccepted"]) == (400, 0)


@pytest.mark.parametrize(("body", "encoding"), [(b"[{", "identity"), (b"[]", "gzip"), (b"\x1f\x8b\x08\x00", "gzip")])
def test_a_body_that_cannot_be_read_is_refused(track: Ask, body: bytes, encoding: str) -> None:
    answer = track(body, **{"content-encoding": encoding})
    assert (answer.status_code, answer.json()["itemsAccepted"]) == (400, 0)
    assert answer.json()["errors"][0]["message"].startswith("The body cannot be read")


def test_an_item_that_was_sampled_stands_for_several(track: Ask, workspace: Workspace) -> None:
    track([MESSAGE | {"sampleRate": 25.0}])
    assert found(workspace, "AppTraces | project ItemCount") == [{"ItemCount": 4}]


# The workspace


def trace(workspace: Workspace, generated: datetime, arrived: datetime, message: str = "m") -> None:
    workspace.add("AppTraces", {"TimeGenerated": generated, "Message": message}, arrived)


def test_a_query_finds_what_has_arrived_and_lies_within_its_window(workspace: Workspace) -> None:
    minute = timedelta(minutes=1)
    for start, arrived in ((0, 0), (5, 5), (5, 9), (10, 10)):
        trace(workspace, NOON + start * minute, NOON + arrived * minute, f"{start} {arrived}")

    def seen(start: int, end: int) -> list[str]:
        rows = workspace.query("AppTraces | project Message", NOON + start * minute, NOON + end * minute)
        return sorted(row["Message"] for row in rows)

    assert seen(-1, 4) == ["0 0"]
    assert seen(-1, 5) == ["0 0", "5 5"]
    assert seen(0, 8) == ["5 5"]  # the start is outside
    assert seen(0, 9) == ["5 5", "5 9"]
    assert seen(0, 10) == ["10 10", "5 5", "5 9"]


def test_now_in_a_query_is_the_end_of_its_window(workspace: Workspace) -> None:
    trace(workspace, NOON, NOON)
    kql = "AppTraces | where TimeGenerated > ago(1h) | extend Now = now() | project Now"
    assert found(workspace, kql)[0]["Now"].replace(tzinfo=UTC) == NOON
    assert found(workspace, kql, NOON + timedelta(hours=1)) == []


def test_an_empty_workspace_answers_too(workspace: Workspace) -> None:
    assert found(workspace, "AppTraces") == []
    assert found(workspace, "AppTraces | summarize Rows = count()") == [{"Rows": 0}]


def test_what_is_old_is_forgotten(workspace: Workspace) -> None:
    trace(workspace, NOON, NOON)
    workspace.store()
    later = NOON + OLDEST + timedelta(seconds=1)
    trace(workspace, later, later)
    assert workspace.query("AppTraces | count", NOON - DAY, later) == [{"Count": 1}]


# What the platform writes itself


def test_every_call_of_a_function_is_a_request(
    host_app: Starlette, asker: Callable[[Starlette], Ask], workspace: Workspace
) -> None:
    observed: list[Any] = []
    ask = asker(front(Host(host_app.state.runtime, HostJson(), Keys(), observer=observed.append), NO_CORS))
    caller = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
    assert ask("GET", "/echo?code=secret-4711", headers=caller).status_code == 200
    own = ask("GET", "/echo").json()["trace"]
    ask("GET", "/Items/not-a-number")  # 404: no function was called
    ask("GET", "/keyed")  # 401: nor here
    ask("GET", "/boom/raise")
    ask("GET", "/returns/no-content")
    ask("POST", "/admin/functions/Nightly", json={})
    ask("POST", "/admin/functions/broken_nightly", json={})

    for invocation in observed:
        workspace.add("AppRequests", request_row(invocation), NOON + DAY)
    end = datetime.now(UTC) + DAY
    rows = sorted(workspace.query("AppRequests", end - 2 * DAY, end), key=lambda row: row["TimeGenerated"])
    assert [(row["Name"], row["ResultCode"], row["Success"]) for row in rows] == [
        ("echo", "200", True),
        ("echo", "200", True),
        ("boom", "500", False),
        ("returns", "204", True),
        ("Nightly", "0", True),
        ("broken_nightly", "0", False),
    ]
    assert (rows[0]["OperationId"], rows[0]["Url"]) == (TRACE, "http://localhost:7071/echo")
    assert rows[1]["OperationId"] == own.split("-")[1]
    assert len({row["OperationId"] for row in rows}) == len(rows)
    assert all(row["DurationMs"] > 0 and row["AppRoleInstance"] for row in rows)
    assert set(request_row(observed[0])) <= set(SCHEMA["AppRequests"])


def test_an_answer_of_500_is_no_failure_of_the_function() -> None:
    """As on Azure: whoever looks for errors must look at ResultCode."""
    row = request_row(Invocation("f", "http://x/f", f"00-{TRACE}-{SPAN}-01", NOON, 1.5, 500, succeeded=True))
    assert (row["ResultCode"], row["Success"], row["DurationMs"]) == ("500", True, 1500.0)
