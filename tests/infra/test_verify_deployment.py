"""infra/verify_deployment.py: which checks it makes, how long it waits for Azure, and what it reports."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra import download_package, verify_deployment
from infra.az import AzError
from infra.az import az as run_az
from tests.infra.fakes import FakeApp, FakeAz, FakeTime, write_package
from tests.support.paths import ROOT

RELEASE = {"build": "b1", "model": {"name": "champion", "version": "1"}, "trusted": True}
STARTING = "ERROR: Operation returned an invalid status 'Bad Request': Encountered an error from host runtime."


def reference(status: str) -> dict[str, Any]:
    properties = {
        "status": status,
        "secretName": "receipt-key",
        "vaultName": "kv-x",
        "details": "The identity may not read.",
    }
    return {"name": "RECEIPT_KEY", "properties": properties}


RESOLVED = {"value": [reference("Resolved")]}
UNRESOLVED = {"value": [reference("Resolved") | {"name": "OTHER"}, reference("AccessToKeyVaultDenied")]}
SIGN_IN = {"OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID": "id-sign-in"}

type Verify = Callable[..., str]


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApp]:
    with FakeApp(key="k") as app:
        app.ready = RELEASE
        monkeypatch.setenv("AZURE_FUNCTION_URL", app.url)
        yield app


@pytest.fixture
def verify_error(
    az: FakeAz, fake_time: FakeTime, app: FakeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Verify:
    """Return a function that runs the command for the package b1.

    It returns the error of the command, or "" if the deployment passes.
    """

    def run(keys: tuple[Any, ...] = ("k",), references: tuple[Any, ...] = (RESOLVED,), **settings: str) -> str:
        all_settings = {"MODEL": "", "AUTH_LEVEL": "function"} | settings
        pairs = [{"name": name, "value": value} for name, value in all_settings.items()]
        az.answers("functionapp config appsettings list --name func-x --resource-group rg-x --subscription s", pairs)
        az.answers("functionapp keys list", *keys)
        az.answers("rest --method get", *references)
        monkeypatch.setattr(sys, "argv", ["verify", str(write_package(tmp_path / "b1.zip", "b1"))])
        try:
            verify_deployment.main()
        except SystemExit as end:
            return str(end)
        return ""

    return run


def test_passes_an_app_that_runs_the_package(
    verify_error: Verify, az: FakeAz, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify_error() == ""
    assert "predicts with {'build': 'b1'" in capsys.readouterr().out
    assert az.calls("refresh") == []


def test_expects_the_model_of_the_settings(verify_error: Verify, app: FakeApp) -> None:
    app.ready = RELEASE | {"model": {"name": "lite", "version": "1"}}
    assert verify_error(MODEL="lite") == ""


def test_fails_after_five_minutes_of_another_build(verify_error: Verify, app: FakeApp, fake_time: FakeTime) -> None:
    app.ready = RELEASE | {"build": "b0"}
    error = verify_error()
    assert "is not ready with {'build': 'b1'" in error and "'build': 'b0'" in error
    assert fake_time.now == 300


def test_asks_again_for_the_key_while_the_host_starts(verify_error: Verify, fake_time: FakeTime, az: FakeAz) -> None:
    assert verify_error(keys=(STARTING, STARTING, None, "k")) == ""
    assert (fake_time.now, len(az.calls("keys list"))) == (15, 4)


def test_fails_after_five_minutes_without_a_key_and_says_why(verify_error: Verify, fake_time: FakeTime) -> None:
    assert verify_error(keys=(STARTING,)).endswith("Encountered an error from host runtime.")
    assert fake_time.now == 300


def test_checks_readiness_before_it_asks_for_a_key(verify_error: Verify, app: FakeApp, az: FakeAz) -> None:
    app.ready = None
    assert "is not ready" in verify_error()
    assert az.calls("keys list") == []


def test_refreshes_an_unresolved_reference(verify_error: Verify, az: FakeAz) -> None:
    site = "/subscriptions/s/resourceGroups/rg-x/providers/Microsoft.Web/sites/func-x"
    assert verify_error(references=(UNRESOLVED, UNRESOLVED, RESOLVED)) == ""
    first, second = az.calls("--method post")
    assert f" --url {site}/config/configreferences/appsettings/refresh?api-version=" in first and second == first


def test_fails_after_five_minutes_of_an_unresolved_reference_and_says_why(
    verify_error: Verify, fake_time: FakeTime
) -> None:
    assert verify_error(references=(UNRESOLVED,)) == (
        "the setting RECEIPT_KEY has no value: secret receipt-key of key vault kv-x: AccessToKeyVaultDenied: "
        "The identity may not read."
    )
    assert fake_time.now == 300


@pytest.mark.parametrize("status", [401, 302])
def test_passes_a_sign_in_and_says_that_predictions_were_not_checked(
    verify_error: Verify, app: FakeApp, az: FakeAz, capsys: pytest.CaptureFixture[str], status: int
) -> None:
    app.refusal_status = status
    assert verify_error(AUTH_LEVEL="anonymous", **SIGN_IN) == ""
    assert "Predictions need a sign-in, so they were not checked" in capsys.readouterr().out
    assert az.calls("keys list") == []


@pytest.mark.parametrize("level", ["anonymous", "function"])
def test_fails_a_sign_in_that_lets_everybody_in(verify_error: Verify, app: FakeApp, level: str) -> None:
    app.key = ""
    assert verify_error(AUTH_LEVEL=level, **SIGN_IN).endswith(" predicts without a sign-in: 200")


def test_needs_no_key_for_an_anonymous_app(verify_error: Verify, app: FakeApp, az: FakeAz) -> None:
    app.key = ""
    assert verify_error(AUTH_LEVEL="anonymous") == ""
    app.labels = ("negative", "negative")
    assert "does not predict as it should" in verify_error(AUTH_LEVEL="anonymous")
    assert az.calls("keys list") == []


@pytest.mark.parametrize("status", [401, 302])
def test_fails_an_anonymous_app_that_refuses_calls(verify_error: Verify, app: FakeApp, status: int) -> None:
    app.refusal_status = status
    assert f"does not predict as it should: {status}" in verify_error(AUTH_LEVEL="anonymous")


def test_fails_an_app_that_should_require_a_key_and_does_not(verify_error: Verify, app: FakeApp) -> None:
    app.key = ""
    assert "predicts without a key" in verify_error()


def test_needs_only_the_standard_library_and_prints_an_error_of_az_as_one_line(az: FakeAz, closed_port: int) -> None:
    az.answers("functionapp", "ERROR: Please run 'az login' to setup account.")
    done = subprocess.run(
        [sys.executable, "-S", "-m", "infra.verify_deployment", "b1.zip"],
        cwd=ROOT,
        env=os.environ | {"AZURE_FUNCTION_URL": f"http://127.0.0.1:{closed_port}"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (1, "az: ERROR: Please run 'az login' to setup account.\n")


@pytest.mark.parametrize("command", [verify_deployment, download_package])
@pytest.mark.parametrize("value", [None, ""])
def test_names_a_missing_deployment_output(
    az: FakeAz, monkeypatch: pytest.MonkeyPatch, command: Any, value: str | None
) -> None:
    monkeypatch.delenv("AZURE_RESOURCE_GROUP")
    if value is not None:
        monkeypatch.setenv("AZURE_RESOURCE_GROUP", value)
    monkeypatch.setattr(sys, "argv", ["command", "b1.zip"])
    with pytest.raises(SystemExit, match=r"^AZURE_RESOURCE_GROUP is not set: `azd env get-values`"):
        command.main()
    assert az.calls() == []


def test_az_decodes_json_and_raises_on_an_error(az: FakeAz) -> None:
    az.answers("known", {"a": [1]})
    assert run_az("known", "--more") == {"a": [1]} and run_az("silent") is None
    az.answers("wrong", "ERROR: no")
    with pytest.raises(AzError, match="no"):
        run_az("wrong")
