"""A package serves the models that it was built with, and no other. Without a model, feedback goes on."""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from devhost.azurite import Azurite
from feedback.receipt import Receipts
from sentiment.manifest import HOLD_NOTHING
from sentiment.released import MODEL_DIGESTS_FILE
from tests.support.app import RECEIPT_KEY, App, StartApp, running
from tests.support.packages import tiny_package
from tests.support.paths import TINY_MODEL
from tests.support.tampering import set_field, with_new_digests

type Change = Callable[[Path], None]  # changes the folder of a package

rebuild = with_new_digests(set_field("thresholds.hold", HOLD_NOTHING))


def rebuild_model(package: Path) -> None:
    rebuild(package / "models" / "tiny")


def rebuild_model_and_delete_the_list(package: Path) -> None:
    rebuild_model(package)
    (package / MODEL_DIGESTS_FILE).unlink()


def name_a_champion_outside(package: Path) -> None:
    shutil.move(package / "models" / "tiny", package / "tiny")
    (package / "models" / "registry.json").write_text('{"champion": "../tiny"}')


def name_a_champion_with_a_nul(package: Path) -> None:
    (package / "models" / "registry.json").write_text('{"champion": "ti\\u0000ny"}')


def rename_the_champion(package: Path) -> None:
    (package / "models" / "tiny").rename(package / "models" / "champion")
    (package / "models" / "registry.json").write_text('{"champion": "champion"}')


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return tiny_package(tmp_path)


def start(folder: Path, azurite: Azurite, **settings: str) -> AbstractContextManager[App]:
    environment = {"TABLES_CONNECTION_STRING": azurite.connection_string, "MODEL": ""} | settings
    return running(folder, folder / "app.log", environment)


def old_receipt() -> str:
    """Return the receipt of a prediction that was made while a model was served."""
    text = f"the crew was great {uuid4()}"
    return str(Receipts([RECEIPT_KEY], timedelta(days=30)).sign("tiny@20261129-00000000", 0.9, "positive", text))


def assert_only_predictions_stopped(http: httpx.Client) -> None:
    unavailable = [
        http.post("/api/predict", json={"text": "a"}),
        http.get("/api/health/ready"),
        http.get("/api/models"),
    ]
    assert [response.status_code for response in unavailable] == [503, 503, 503]
    assert http.get("/api/health/live").status_code == 200
    feedback = {"prediction_id": old_receipt(), "correct": True}
    assert http.post("/api/feedback", json=feedback).status_code == 201


def test_package_trusts_a_model_that_it_was_built_with(package: Path, azurite: Azurite) -> None:
    with start(package, azurite) as app:
        assert app.http.get("/api/health/ready").json()["trusted"] is True
        assert app.http.post("/api/predict", json={"text": "a"}).status_code == 200
        assert app.http.get("/api/models").status_code == 200
        rebuild(shutil.copytree(TINY_MODEL, package / "models" / "another"))
        assert app.http.get("/api/models").status_code == 503  # it describes no model that does not belong there


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (rebuild_model, "manifest.json: model_digests.json does not list tiny with the sha256"),
        (rebuild_model_and_delete_the_list, "model_digests.json: No such file"),
        (name_a_champion_outside, "registry.json: Expected `str` matching regex"),
        (name_a_champion_with_a_nul, "registry.json: Expected `str` matching regex"),
        (rename_the_champion, "models/champion: holds the model tiny"),
    ],
)
def test_package_that_was_changed_makes_no_prediction(
    package: Path, azurite: Azurite, change: Change, fault: str
) -> None:
    change(package)
    with start(package, azurite) as app:
        assert_only_predictions_stopped(app.http)
        assert fault in app.log.read_text()


def test_package_serves_no_model_from_elsewhere(package: Path, azurite: Azurite, model_folder: Path) -> None:
    rebuild(model_folder)
    with start(package, azurite, MODEL=str(model_folder)) as app:
        assert_only_predictions_stopped(app.http)
        assert f"{model_folder}/manifest.json: model_digests.json does not list tiny" in app.log.read_text()


def test_checkout_serves_a_rebuilt_model_and_says_that_nothing_vouches_for_it(
    start_app: StartApp, model_folder: Path
) -> None:
    rebuild(model_folder)
    app = start_app(MODEL=str(model_folder), TABLES_CONNECTION_STRING="AccountName=nobody")
    assert app.http.get("/api/health/ready").json()["trusted"] is False
    assert app.http.post("/api/predict", json={"text": "a"}).status_code == 200
