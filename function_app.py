"""Azure's entry point. `create_app` is the only place where the parts of the app are put together."""

import gc

gc.disable()  # what is imported stays in memory: collecting garbage would only lengthen a cold start

import json
import logging
import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import azure.functions as func

import functions
from cloud import telemetry
from cloud.settings import MailSettings, Settings, read_settings
from cloud.stores import create_feedback_store, create_incident_store
from feedback.receipt import Receipts
from functions.shared.api import Api
from functions.shared.bulkhead import create_bulkheads
from functions.shared.report_limit import ReportLimit
from functions.shared.service import Service
from functions.triggers import register_triggers
from sentiment.errors import ModelError
from sentiment.manifest import read_champion
from sentiment.model import Model
from sentiment.released import read_model_digests

if TYPE_CHECKING:
    from feedback.export import FeedbackExport
    from feedback.incident import IncidentReporter

ROOT = Path(functions.__file__).parents[1]  # of the checkout or the package; this file may run from a copy elsewhere
MODELS_FOLDER = ROOT / "models"
PACKAGED_LIBRARIES = ROOT / ".python_packages"  # only a package has them, and without them it cannot run

log = logging.getLogger("buzzguard")


def create_app(settings: Settings) -> func.FunctionApp:
    """Return the function app with all triggers. Starts telemetry, so call it once per process."""
    telemetry.start(settings.applicationinsights_connection_string)
    app = func.FunctionApp()
    register_triggers(Api(app, settings.auth_level), _create_service(settings))
    return app


def _create_service(settings: Settings) -> Service:
    receipt_age = timedelta(days=settings.receipt_days)
    return Service(
        loaded_model=_load_model(settings.model),
        models_folder=MODELS_FOLDER,
        build=_read_build(),
        receipts=Receipts(settings.receipt_keys, receipt_age),
        receipt_age=receipt_age,
        report_limit=ReportLimit(has_function_keys=settings.auth_level == "function", has_sign_in=settings.has_sign_in),
        store=create_feedback_store(settings),
        retention=timedelta(days=settings.feedback_retention_days),
        export=_create_export(settings),
        incidents=create_incident_store(settings),
        incident_keys=settings.incident_keys,
        reporter=_create_reporter(settings.mail),
        bulkheads=create_bulkheads(),
    )


def _load_model(name: str | None) -> Model | ModelError:
    """Load the model folder `name`, by default the champion. A package serves only the models that it was built with.

    Return the error if that fails: feedback and erasure must work without a model.
    """
    try:
        released = read_model_digests(ROOT) if PACKAGED_LIBRARIES.exists() else None
        folder = MODELS_FOLDER / (name or read_champion(MODELS_FOLDER))
        model = Model.load(folder, released)
        if folder.parent == MODELS_FOLDER and folder.name != model.manifest.name:
            raise ModelError(f"{folder}: holds the model {model.manifest.name}")
        return model
    except ModelError as error:
        log.error("No model is served: %s", error)
        return error


def _create_export(settings: Settings) -> "FeedbackExport | None":
    if not settings.export_container_url:
        return None
    from cloud.blob_storage import BlobFeedbackExport  # imported lazily: few deployments have an export

    return BlobFeedbackExport(settings)


def _create_reporter(mail: MailSettings | None) -> "IncidentReporter | None":
    if mail is None:
        return None
    from cloud.report_email import EmailReporter  # imported lazily: few deployments have a mail server
    from cloud.smtp import SmtpMailer

    return EmailReporter(SmtpMailer(mail))


def _read_build() -> str | None:
    """Return the id that infra/package.py gave this package; None in a checkout."""
    file = ROOT / "build.json"
    return json.loads(file.read_bytes())["build"] if file.exists() else None


app = create_app(read_settings(os.environ))

gc.freeze()
gc.enable()
