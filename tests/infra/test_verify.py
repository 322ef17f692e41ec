"""infra/verify.py and infra/keep.py: what they ask of Azure, how long they wait for it, what they say in the end."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra import keep, smoke, verify
from infra.az import AzError
from infra.az import az as call
from tests.infra.fakes import Clock, FakeApp, FakeAz, package
from tests.support.paths import ROOT

RELEASE = {"build": "b1", "model": {"name": "champion", "version": "1"}}
STARTING = "ERROR: Operation returned an invalid status 'Bad Request': Encountered an error from host runtime."
DENIED = "ERROR: AuthorizationPermissionMismatch"


def reference(status: str) -> dict[str, Any]:
    about = {
        "status": status,
        "secretName": "receipt-key",
        "vaultName": "kv-x",
        "details": "The identity may not read.",
    }
    return {"name": "RECEIPT_KEY", "properties": about}


RESOLVED = {"value": [reference("Resolved")]}
UNRESOLVED = {"value": [reference("Resolved") | {"name": "OTHER"}, reference("AccessToKeyVaultDenied")]}


@pytest.fixture
def az(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeAz:
    az = FakeAz(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{az.folder}:{os.environ['PATH']}")
    for name, value in {"RESOURCE_GROUP": "rg-x", "SUBSCRIPTION_ID": "s", "PACKAGE_ACCOUNT": "stp"}.items():
        monkeypatch.setenv(f"AZURE_{name}", value)
    monkeypatch.setenv("AZURE_FUNCTION_NAME", "func-x")
    return az


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(smoke, "time", clock)
    return clock


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApp]:
    with FakeApp(key="k") as app:
        app.ready = RELEASE
        monkeypatch.setenv("AZURE_FUNCTION_URL", app.url)
        yield app


SIGN_IN = {"OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID": "id-sign-in"}
type Verified = Callable[..., str]


@pytest.fixture
def verified(az: FakeAz, clock: Clock, app: FakeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verified:
    """Verifies that the package b1 runs; gives what is said in the end: nothing if all is well."""

    def run(keys: tuple[Any, ...] = ("k",), references: tuple[Any, ...] = (RESOLVED,), **settings: str) -> str:
        given = {"MODEL": "", "AUTH_LEVEL": "function"} | settings
        pairs = [{"name": name, "value": value} for name, value in given.items()]
        az.answers("functionapp config appsettings list --name func-x --resource-group rg-x --subscription s", pairs)
        az.answers("functionapp keys list", *keys)
        az.answers("rest --method get", *references)
        monkeypatch.setattr(sys, "argv", ["verify", str(package(tmp_path / "b1.zip", "b1"))])
        try:
            verify.main()
        except SystemExit as end:
            return str(end)
        return ""

    return run


def test_the_package_runs_and_predicts(verified: Verified, az: FakeAz, capsys: pytest.CaptureFixture[str]) -> None:
    assert verified() == ""
    assert "predicts with {'build': 'b1'" in capsys.readouterr().out
    assert az.calls("refresh") == []


def test_the_model_that_the_settings_name_is_expected(verified: Verified, app: FakeApp) -> None:
    app.ready = RELEASE | {"model": {"name": "lite", "version": "1"}}
    assert verified(MODEL="lite") == ""


def test_another_build_fails_and_both_are_named(verified: Verified, app: FakeApp, clock: Clock) -> None:
    app.ready = RELEASE | {"build": "b0"}
    fault = verified()
    assert "is not ready with {'build': 'b1'" in fault and "'build': 'b0'" in fault
    assert clock.now == 300


def test_the_key_is_asked_for_again_while_the_host_starts(verified: Verified, clock: Clock, az: FakeAz) -> None:
    assert verified(keys=(STARTING, STARTING, None, "k")) == ""
    assert (clock.now, len(az.calls("keys list"))) == (15, 4)


def test_after_five_minutes_it_says_why_there_is_no_key(verified: Verified, clock: Clock) -> None:
    assert verified(keys=(STARTING,)).endswith("Encountered an error from host runtime.")
    assert clock.now == 300


def test_readiness_comes_before_keys(verified: Verified, app: FakeApp, az: FakeAz) -> None:
    app.ready = None
    assert "is not ready" in verified()
    assert az.calls("keys list") == []


def test_a_reference_that_is_not_resolved_is_refreshed(verified: Verified, az: FakeAz) -> None:
    site = "/subscriptions/s/resourceGroups/rg-x/providers/Microsoft.Web/sites/func-x"
    assert verified(references=(UNRESOLVED, UNRESOLVED, RESOLVED)) == ""
    (refresh, again) = az.calls("--method post")
    assert f" --url {site}/config/configreferences/appsettings/refresh?api-version=" in refresh and again == refresh


def test_after_five_minutes_it_is_named_with_its_secret_and_the_reason(verified: Verified, clock: Clock) -> None:
    assert verified(references=(UNRESOLVED,)) == (
        "the setting RECEIPT_KEY has no value: secret receipt-key of key vault kv-x: AccessToKeyVaultDenied: "
        "The identity may not read."
    )
    assert clock.now == 300


@pytest.mark.parametrize("refusal", [401, 302])
def test_where_people_sign_in_it_says_what_it_did_not_ask_for(
    verified: Verified, app: FakeApp, az: FakeAz, capsys: pytest.CaptureFixture[str], refusal: int
) -> None:
    app.refusal = refusal
    assert verified(AUTH_LEVEL="anonymous", **SIGN_IN) == ""
    assert "predictions signs in: they were not asked for" in capsys.readouterr().out
    assert az.calls("keys list") == []


@pytest.mark.parametrize("level", ["anonymous", "function"])
def test_a_sign_in_that_lets_everybody_in_fails(verified: Verified, app: FakeApp, level: str) -> None:
    app.key = ""
    assert verified(AUTH_LEVEL=level, **SIGN_IN).endswith(" predicts for who has not signed in: 200")


def test_an_app_for_anyone_is_asked_without_a_key(verified: Verified, app: FakeApp, az: FakeAz) -> None:
    app.key = ""
    assert verified(AUTH_LEVEL="anonymous") == ""
    app.labels = ("negative", "negative")
    assert "does not predict as it should" in verified(AUTH_LEVEL="anonymous")
    assert az.calls("keys list") == []


@pytest.mark.parametrize("refusal", [401, 302])
def test_an_app_for_anyone_that_turns_anyone_away_fails(verified: Verified, app: FakeApp, refusal: int) -> None:
    app.refusal = refusal
    assert f"does not predict as it should: {refusal}" in verified(AUTH_LEVEL="anonymous")


def test_an_app_that_should_ask_for_a_key_and_does_not_fails(verified: Verified, app: FakeApp) -> None:
    app.key = ""
    assert "predicts for anyone" in verified()


def test_what_az_complains_of_is_one_line(az: FakeAz) -> None:
    """And any Python 3 runs it, without a package."""
    az.answers("functionapp", "ERROR: Please run 'az login' to setup account.")
    done = subprocess.run(
        [sys.executable, "-S", "-m", "infra.verify", "b1.zip"],
        cwd=ROOT,
        env=os.environ | {"AZURE_FUNCTION_URL": "http://127.0.0.1:1"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (1, "az: ERROR: Please run 'az login' to setup account.\n")


@pytest.mark.parametrize("program", ["verify", "keep"])
@pytest.mark.parametrize("value", [None, ""])
def test_what_the_deployment_did_not_tell_is_named(
    az: FakeAz, monkeypatch: pytest.MonkeyPatch, program: str, value: str | None
) -> None:
    monkeypatch.delenv("AZURE_RESOURCE_GROUP")
    if value is not None:
        monkeypatch.setenv("AZURE_RESOURCE_GROUP", value)
    monkeypatch.setattr(sys, "argv", [program, "b1.zip"])
    with pytest.raises(SystemExit, match=r"^AZURE_RESOURCE_GROUP is not set: `azd env get-values`"):
        {"verify": verify, "keep": keep}[program].main()
    assert az.calls() == []


type Kept = Callable[..., None]


@pytest.fixture
def kept(az: FakeAz, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    """Keeps a package that the platform has under `build`."""

    def run(build: str | None = "b0", network: str = "Enabled", exists: tuple[Any, ...] = ({"exists": True},)) -> None:
        az.answers("storage account show --name stp --resource-group rg-x", network)
        az.answers("storage blob exists --account-name stp --container-name app-package", *exists)
        az.answers("storage blob download", DENIED, f"FILE:{package(tmp_path / 'theirs.zip', build)}")
        monkeypatch.setattr(sys, "argv", ["keep", str(tmp_path / "ours.zip")])
        keep.main()

    return run


def test_the_package_that_runs_is_kept_under_its_build_id(
    kept: Kept, tmp_path: Path, capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    """Though the role to read it is not known everywhere for a while."""
    kept(exists=(DENIED, DENIED, {"exists": True}))
    assert capsys.readouterr() == ("build=b0\n", "")
    assert smoke.build_id(str(tmp_path / "ours.zip")) == "b0"
    assert clock.now == 15


@pytest.mark.parametrize(
    ("theirs", "why"),
    [
        ({"exists": ({"exists": False},)}, "there is none"),
        ({"build": None}, "it has no build id"),
        ({"network": "Disabled"}, "cannot be reached from outside the virtual network"),
    ],
)
def test_where_there_is_no_package_to_return_to_the_log_says_why(
    kept: Kept, capsys: pytest.CaptureFixture[str], theirs: dict[str, Any], why: str
) -> None:
    kept(**theirs)
    printed, logged = capsys.readouterr()
    assert printed == ""
    assert logged.startswith("::warning::") and why in logged


def test_a_package_that_cannot_be_read_is_a_fault(kept: Kept, clock: Clock) -> None:
    with pytest.raises(SystemExit, match="cannot be read: ERROR: AuthorizationPermissionMismatch"):
        kept(exists=(DENIED,))
    assert clock.now == 300


def test_az_speaks_json(az: FakeAz) -> None:
    az.answers("known", {"a": [1]})
    assert call("known", "--more") == {"a": [1]} and call("silent") is None
    az.answers("wrong", "ERROR: no")
    with pytest.raises(AzError, match="no"):
        call("wrong")
