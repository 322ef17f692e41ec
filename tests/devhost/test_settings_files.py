"""Reading host.json and local.settings.json."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from devhost.errors import HostError
from devhost.host.settings_files import Cors, HostJson, LocalSettings


def read_local(folder: Path, content: Any) -> LocalSettings:
    (folder / "local.settings.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return LocalSettings.read_or_create(folder)


def test_creates_development_settings_for_the_owner_only(tmp_path: Path) -> None:
    first = LocalSettings.read_or_create(tmp_path)
    path = tmp_path / "local.settings.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text())["IsEncrypted"] is False
    assert first.values["RECEIPT_KEY"].startswith("development-") and len(first.values["RECEIPT_KEY"]) > 50
    assert (first.values["FUNCTIONS_WORKER_RUNTIME"], first.values["AUTH_LEVEL"]) == ("python", "anonymous")
    assert "127.0.0.1:10002" in first.values["TABLES_CONNECTION_STRING"]
    assert (first.port, first.cors) == (7071, Cors(("http://localhost:3000", "http://127.0.0.1:3000")))
    assert LocalSettings.read_or_create(tmp_path) == first  # read, not created again


def test_creates_new_keys_every_time(tmp_path: Path) -> None:
    keys = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        values = LocalSettings.read_or_create(tmp_path / name).values
        keys += [values[key] for key in ("RECEIPT_KEY", "INCIDENT_KEY", "DEVHOST_FUNCTION_KEY", "DEVHOST_MASTER_KEY")]
    assert len(set(keys)) == 8


def test_environment_overrides_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEVHOST_TEST_A", "environment")
    monkeypatch.setenv("DEVHOST_TEST_B", "")
    monkeypatch.delenv("DEVHOST_TEST_B")  # so that monkeypatch removes what apply sets
    monkeypatch.setenv("AZURE_FUNCTIONS_ENVIRONMENT", "Staging")
    read_local(tmp_path, {"Values": {"DEVHOST_TEST_A": "file", "DEVHOST_TEST_B": "file"}}).apply()
    assert (os.environ["DEVHOST_TEST_A"], os.environ["DEVHOST_TEST_B"]) == ("environment", "file")
    assert os.environ["AZURE_FUNCTIONS_ENVIRONMENT"] == "Staging"


def test_reads_file_of_core_tools(tmp_path: Path) -> None:
    settings = read_local(
        tmp_path, '\ufeff{"Host": {"LocalHttpPort": 8080, "CORS": " http://a/ ,http://b", "CORSCredentials": true}}'
    )
    assert settings == LocalSettings(values={}, port=8080, cors=Cors(("http://a", "http://b"), credentials=True))


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('{\n "Values": {,}}', "local.settings.json:2:13: "),
        ("[]", "the file must be an object"),
        ({"IsEncrypted": True}, "encrypted"),
        ({"Values": []}, "Values must be an object"),
        ({"Values": {"N": 3}}, "Values.N must be a string"),
        ({"Host": {"LocalHttpPort": "7071"}}, "LocalHttpPort"),
        ({"Host": {"LocalHttpPort": 65536}}, "LocalHttpPort"),
        ({"Host": {"CORS": ["*"]}}, "Host.CORS"),
        ({"Host": {"CORS": "*", "CORSCredentials": True}}, "CORSCredentials"),
    ],
)
def test_reports_invalid_local_settings_in_one_line(tmp_path: Path, content: Any, line: str) -> None:
    with pytest.raises(HostError) as caught:
        read_local(tmp_path, content)
    assert line in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("http", "expected"),
    [
        ({}, HostJson(route_prefix="api", max_concurrent_requests=100, max_outstanding_requests=200)),
        ({"routePrefix": ""}, HostJson(route_prefix="", max_concurrent_requests=100, max_outstanding_requests=200)),
        (
            {"routePrefix": "/v1/", "maxConcurrentRequests": 8, "maxOutstandingRequests": -1},
            HostJson(route_prefix="v1", max_concurrent_requests=8, max_outstanding_requests=-1),
        ),
    ],
)
def test_reads_host_json(tmp_path: Path, http: dict[str, Any], expected: HostJson) -> None:
    (tmp_path / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"http": http}}))
    assert HostJson.read(tmp_path) == expected


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ('"00:01:00"', 60),
        ('"00:00:01"', 1),
        ('"00:00:01.5"', 1.5),
        ('"00:05"', 300),
        ('"23:59:59"', 86_399),
        ('"1.02:03:04"', 93_784),
        ('" 00:10:00 "', 600),
        ('"-1"', None),
        ("-1", None),
        ('""', 1800),
        ("null", 1800),
    ],
)
def test_reads_function_timeout_as_the_host_does(tmp_path: Path, value: str, seconds: float | None) -> None:
    (tmp_path / "host.json").write_text(f'{{"version": "2.0", "functionTimeout": {value}}}')
    assert HostJson.read(tmp_path).function_timeout_seconds == seconds


def test_function_may_take_half_an_hour_by_default(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    assert HostJson.read(tmp_path).function_timeout_seconds == 1800


@pytest.mark.parametrize(
    "value",
    [
        '"00:00:00"',
        '"00:00:00.9"',
        '"-00:05:00"',
        '"24:00:00"',
        '"00:60:00"',
        '"5 minutes"',
        '"60"',
        "60",
        "true",
        "{}",
    ],
)
def test_refuses_function_timeout_that_is_none(tmp_path: Path, value: str) -> None:
    (tmp_path / "host.json").write_text(f'{{"version": "2.0", "functionTimeout": {value}}}')
    with pytest.raises(HostError, match="^host.json: functionTimeout must be "):
        HostJson.read(tmp_path)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (None, "host.json: No such file"),
        (b"{", "host.json:1:2: "),
        (b"\xff", "host.json: byte 0"),
        (b'{"extensions": {"http": []}}', "extensions.http must be an object"),
        (b'{"extensions": {"http": {"routePrefix": 1}}}', "routePrefix"),
        (b'{"extensions": {"http": {"maxConcurrentRequests": 0}}}', "maxConcurrentRequests"),
        (b'{"extensions": {"http": {"maxOutstandingRequests": true}}}', "maxOutstandingRequests"),
    ],
)
def test_reports_invalid_host_json_in_one_line(tmp_path: Path, content: bytes | None, line: str) -> None:
    if content is not None:
        (tmp_path / "host.json").write_bytes(content)
    with pytest.raises(HostError) as caught:
        HostJson.read(tmp_path)
    assert line in str(caught.value) and "\n" not in str(caught.value)
