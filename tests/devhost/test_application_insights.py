"""The ingestion endpoint, and the requests that the platform records."""

import gzip
import json
import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from devhost.host.invoker import Invocation
from devhost.host.keys import Keys
from devhost.host.request_bodies import BodyRefused
from devhost.monitoring import application_insights
from devhost.monitoring.application_insights import IngestionEndpoint, request_row
from devhost.monitoring.local_monitoring import INFRA
from devhost.monitoring.log_analytics import MAX_AGE, Workspace
from devhost.monitoring.telemetry_items import INSTRUMENTATION_KEY
from tests.devhost.conftest import MASTER_KEY, Ask, MakeAsk, build_app, is_problem
from tests.devhost.rules import DAY, NOON, query

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SCHEMA = json.loads((INFRA / "workspace.json").read_text())


def item(type_: str, data: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return an item as azure-monitor-opentelemetry-exporter 1.0.0b58 writes it."""
    return {
        "name": f"Microsoft.ApplicationInsights.{type_}",
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
        "data": {"baseType": type_, "baseData": {"ver": 2, "properties": {"a": "1"}, "measurements": {}} | data},
    } | changes


MESSAGE = item("MessageData", {"message": "prediction", "severityLevel": 1})
TABLE_ITEMS = {
    "AppTraces": (MESSAGE, {"Message": "prediction", "SeverityLevel": 1}),
    "AppEvents": (item("EventData", {"name": "clicked"}), {"Name": "clicked"}),
    "AppExceptions": (
        item(
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
        item(
            "RequestData",
            {"id": SPAN, "name": "predict", "duration": "1.02:03:04.500", "responseCode": "503", "success": False},
        ),
        {"Name": "predict", "Id": SPAN, "ResultCode": "503", "Success": False, "DurationMs": 93_784_500.0},
    ),
    "AppDependencies": (
        item(
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
        item("MetricData", {"metrics": [{"name": "ms", "value": 8.0, "count": 2, "min": 3.5, "max": 4.5}]}),
        {"Name": "ms", "Sum": 8.0, "ItemCount": 2, "Min": 3.5, "Max": 4.5},
    ),
}


@pytest.fixture
def workspace() -> Workspace:
    return Workspace(SCHEMA)


@pytest.fixture
def track(workspace: Workspace, make_ask: MakeAsk) -> Ask:
    """Return a function that sends a body to an endpoint, at noon."""
    ask = make_ask(IngestionEndpoint(workspace.add, lambda: NOON).app)

    def send(body: bytes | object, path: str = "/v2.1/track", **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return ask("POST", path, content=content, headers={"content-encoding": "identity"} | headers)

    return send


@pytest.mark.parametrize(("table", "sent", "columns"), [(table, *rest) for table, rest in TABLE_ITEMS.items()])
def test_writes_each_type_of_telemetry_to_its_table(
    track: Ask, workspace: Workspace, table: str, sent: dict[str, Any], columns: dict[str, Any]
) -> None:
    response = track([sent])
    assert (response.status_code, response.json()) == (200, {"itemsReceived": 1, "itemsAccepted": 1, "errors": []})
    (row,) = query(workspace, table)
    assert row.items() >= columns.items()
    assert list(row) == list(SCHEMA[table])  # no column for the ingestion time
    shared = {"Type": table, "AppRoleName": "buzzguard", "OperationId": TRACE, "ParentId": SPAN}
    assert row.items() >= (shared | {"IKey": INSTRUMENTATION_KEY}).items()
    assert row["TimeGenerated"].replace(tzinfo=UTC) == NOON
    assert json.loads(row["Properties"]) == {"a": "1"}


def test_properties_are_dynamic_columns(track: Ask, workspace: Workspace) -> None:
    track([MESSAGE])
    assert query(workspace, 'AppTraces | where tostring(Properties.a) == "1" | count') == [{"Count": 1}]


@pytest.mark.parametrize("path", ["/v2/track", "/v2.1/track", "http://localhost:7071//v2.1/track"])
def test_accepts_arrays_and_lines_with_and_without_gzip(track: Ask, workspace: Workspace, path: str) -> None:
    lines = b"\n".join(json.dumps(MESSAGE).encode() for _ in range(3)) + b"\n"
    assert track(lines, path).json()["itemsAccepted"] == 3
    assert track(gzip.compress(lines), path, **{"content-encoding": "gzip"}).json()["itemsAccepted"] == 3
    assert track([MESSAGE] * 3, path).json()["itemsAccepted"] == 3
    assert track(gzip.compress(json.dumps(MESSAGE).encode()), path, **{"content-encoding": "gzip"}).status_code == 200
    assert query(workspace, "AppTraces | count") == [{"Count": 10}]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("{", "Input data was truncated"),
        ("3", "Expected `object`, got `int`"),
        (MESSAGE | {"time": "yesterday"}, "`$.time`"),
        (MESSAGE | {"time": "2026-01-01T12:00:00"}, "timezone"),
        ({name: value for name, value in MESSAGE.items() if name != "time"}, "`time`"),
        (MESSAGE | {"time": (NOON - MAX_AGE - timedelta(seconds=1)).isoformat()}, "older than the allowed min date"),
        (MESSAGE | {"iKey": "00000000-0000-0000-0000-000000000000"}, "Invalid instrumentation key"),
        (MESSAGE | {"time": "9999-12-31T23:59:59-23:59"}, "is no time in UTC: 9999-12-31T23:59:59-23:59"),
        (MESSAGE | {"sampleRate": 0}, "`$.sampleRate`"),
        (MESSAGE | {"sampleRate": 5e-324}, "`$.sampleRate`"),
        (MESSAGE | {"sampleRate": 1e-9}, "`$.sampleRate`"),
        (item("MessageData", {"message": "m", "severityLevel": 2**31}), "`$.severityLevel`"),
        (item("MetricData", {"metrics": [{"name": "ms", "value": 8.0, "count": 2**31}]}), "`$.metrics[0].count`"),
        (MESSAGE | {"tags": ["a"]}, "`$.tags`"),
        (item("PageViewData", {}), "There is no table for 'PageViewData'"),
        (item("MessageData", {}), "`message`"),
        (item("MessageData", {"message": 3}), "Expected `str`, got `int`"),
        (item("MessageData", {"message": "m", "properties": {"a": 1}}), "`$.properties[...]`"),
        (item("ExceptionData", {"exceptions": []}), "`$.exceptions`"),
        (TABLE_ITEMS["AppRequests"][0] | {"data": {"baseType": "RequestData", "baseData": {"id": "1"}}}, "`duration`"),
        (
            item("RequestData", {"id": "1", "duration": "soon", "responseCode": "200", "success": True}),
            "not a valid time span",
        ),
    ],
)
def test_rejects_invalid_items_one_by_one(track: Ask, workspace: Workspace, broken: Any, message: str) -> None:
    line = broken if isinstance(broken, str) else json.dumps(broken)
    response = track(b"\n".join([json.dumps(MESSAGE).encode(), line.encode(), json.dumps(MESSAGE).encode()]))
    assert response.status_code == 206
    content = response.json()
    assert (content["itemsReceived"], content["itemsAccepted"]) == (3, 2)
    (error,) = content["errors"]
    assert (error["index"], error["statusCode"]) == (1, 400)
    assert message in error["message"]
    assert query(workspace, "AppTraces | count") == [{"Count": 2}]
    alone = track(line.encode())
    assert (alone.status_code, alone.json()["itemsAccepted"]) == (400, 0)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"[{", "identity"),
        (b"[]", "gzip"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (gzip.compress(b"[]") * 2, "gzip"),
    ],
)
def test_rejects_unreadable_body(track: Ask, body: bytes, encoding: str) -> None:
    response = track(body, **{"content-encoding": encoding})
    assert (response.status_code, response.json()["itemsAccepted"]) == (400, 0)
    assert response.json()["errors"][0]["message"].startswith("The body cannot be read")


@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(bytes(5_000_000)),  # 5 kB
        gzip.compress(b"x\n" * 64_001),
        gzip.compress(b"[" + b"0," * 64_001 + b"0]"),
        gzip.compress(bytes(10)) + bytes(4_200_000),
    ],
    ids=["bomb", "lines", "array", "body"],
)
def test_rejects_more_than_a_batch_may_have(track: Ask, workspace: Workspace, body: bytes) -> None:
    assert is_problem(track(body, **{"content-encoding": "gzip"}), 413, "Content Too Large")
    assert query(workspace, "AppTraces | count") == [{"Count": 0}]


@pytest.mark.parametrize("start", [b"[", b'{"a":', b'{"data": ['], ids=["array", "object", "item"])
def test_rejects_deeply_nested_telemetry(track: Ask, start: bytes) -> None:
    response = track(start * 100_000)
    assert (response.status_code, response.json()["itemsAccepted"]) == (400, 0)


def test_bomb_is_not_decompressed() -> None:
    bomb = gzip.compress(bytes(400_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(BodyRefused):
            application_insights._decompress(bomb)
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("headers", [{"host": "rebind.example"}, {"origin": "http://evil.example"}])
def test_rejects_telemetry_of_web_pages(track: Ask, workspace: Workspace, headers: dict[str, str]) -> None:
    assert track([MESSAGE], **headers).status_code in (403, 421)
    assert query(workspace, "AppTraces | count") == [{"Count": 0}]


def test_other_paths_and_methods_are_problems(make_ask: MakeAsk) -> None:
    ask = make_ask(IngestionEndpoint(lambda *_: None, lambda: NOON).app)
    assert is_problem(ask("GET", "/v2.1/track"), 405, "Method Not Allowed")
    assert is_problem(ask("POST", "/other"), 404, "Not Found")


def test_sampled_item_counts_for_several(track: Ask, workspace: Workspace) -> None:
    track([MESSAGE | {"sampleRate": 25.0}])
    assert query(workspace, "AppTraces | project ItemCount") == [{"ItemCount": 4}]


# Requests that the platform records


def test_records_every_call_of_a_function(host_app: Starlette, make_ask: MakeAsk, workspace: Workspace) -> None:
    observed: list[Any] = []
    ask = make_ask(build_app(host_app.state.runtime, keys=Keys(master=MASTER_KEY), observer=observed.append))
    caller = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
    assert ask("GET", "/echo?code=secret-4711", headers=caller).status_code == 200
    own = ask("GET", "/echo").json()["trace"]
    ask("GET", "/Items/not-a-number")  # 404: calls no function
    ask("GET", "/keyed")  # 401: calls no function
    ask("GET", "/boom/raise")
    ask("GET", "/returns/no-content")
    ask("POST", "/admin/functions/Nightly", json={}, headers={"x-functions-key": MASTER_KEY})
    ask("POST", "/admin/functions/broken_nightly", json={}, headers={"x-functions-key": MASTER_KEY})

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


def test_response_with_status_500_is_a_successful_call() -> None:
    """As on Azure: queries for errors must read ResultCode."""
    invocation = Invocation(
        function="f",
        url="http://x/f",
        traceparent=f"00-{TRACE}-{SPAN}-01",
        started=NOON,
        seconds=1.5,
        status=500,
        succeeded=True,
    )
    row = request_row(invocation)
    assert (row["ResultCode"], row["Success"], row["DurationMs"]) == ("500", True, 1500.0)
