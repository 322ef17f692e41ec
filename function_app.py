"""Azure's entry point. `create_app` is the only place where the parts of the app are put together."""

import gc

gc.disable()  # what is imported stays in memory: collecting garbage would only lengthen a cold start

import json  # noqa: E402
import logging  # noqa: E402
import os  # noqa: E402
from concurrent.futures import ThreadPoolExecutor  # noqa: E402
from datetime import timedelta  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import TYPE_CHECKING  # noqa: E402

import azure.functions as func  # noqa: E402

import functions  # noqa: E402
from cloud import settings, telemetry  # noqa: E402
from cloud.table_storage import TableFeedbackStore, TableIncidentStore  # noqa: E402
from feedback.receipt import Receipts  # noqa: E402
from functions import export, feedback, health, incident, models, not_found, page, predict, retention  # noqa: E402
from functions.openapi import route, viewer  # noqa: E402
from functions.shared.api import Api  # noqa: E402
from functions.shared.service import Service  # noqa: E402
from sentiment import manifest  # noqa: E402
from sentiment.errors import ModelError  # noqa: E402
from sentiment.model import Model  # noqa: E402

if TYPE_CHECKING:
    from feedback.export import FeedbackExport
    from feedback.incident import IncidentReporter

ROOT = Path(functions.__file__).parents[1]  # of the checkout or the package, wherever this file is run from
MAX_CONCURRENT_REQUESTS = 32  # host.json's maxConcurrentRequests

log = logging.getLogger("buzzguard")


def create_app(configuration: settings.Settings) -> func.FunctionApp:
    telemetry.start(configuration.applicationinsights_connection_string)
    service = _service(configuration)
    app = func.FunctionApp()
    api = Api(app, configuration.auth_level)
    predict.register(api, service)
    feedback.register(api, service)
    health.register(api, service)
    incident.register(api, service)
    retention.register(app, service)
    if service.export is not None:
        export.register(app, service, service.export)
    models.register(api, service)
    route.register(api, service)
    viewer.register(api)
    page.register(api)
    not_found.register(api)
    return app


def _service(configuration: settings.Settings) -> Service:
    receipt_age = timedelta(days=configuration.receipt_days)
    return Service(
        loaded_model=_load_model(configuration.model),
        models_folder=ROOT / "models",
        build=_build(),
        receipts=Receipts(configuration.receipt_keys, receipt_age),
        receipt_age=receipt_age,
        store=TableFeedbackStore(configuration),
        retention=timedelta(days=configuration.feedback_retention_days),
        export=_feedback_export(configuration),
        incidents=TableIncidentStore(configuration),
        incident_keys=configuration.incident_keys,
        reporter=_incident_reporter(configuration),
        # One thread for each request that may run: none waits for another while the store hangs.
        feedback_threads=ThreadPoolExecutor(MAX_CONCURRENT_REQUESTS, "feedback"),
        # A pool of its own: a mail server that hangs must not block predictions or feedback.
        incident_threads=ThreadPoolExecutor(4, "incident"),
    )


def _load_model(name: str | None) -> Model | ModelError:
    """Load the model folder `name`, else the champion. Return the error, so that feedback and erasure go on working."""
    folder = ROOT / "models"
    try:
        return Model.load(folder / (name or manifest.read_champion(folder)))
    except ModelError as error:
        log.error("No model is served: %s", error)
        return error


def _feedback_export(configuration: settings.Settings) -> "FeedbackExport | None":
    if not configuration.export_container_url:
        return None
    from cloud.blob_storage import BlobFeedbackExport  # imported lazily: few deployments have an export

    return BlobFeedbackExport(configuration)


def _incident_reporter(configuration: settings.Settings) -> "IncidentReporter | None":
    if not configuration.mail:
        return None
    from cloud.report_email import EmailReporter  # imported lazily: few deployments have a mail server
    from cloud.smtp import SmtpMailer

    return EmailReporter(SmtpMailer(configuration.mail))


def _build() -> str | None:
    """Return the id that infra/package.py gave this package; None in a checkout."""
    file = ROOT / "build.json"
    return json.loads(file.read_bytes())["build"] if file.exists() else None


app = create_app(settings.read_settings(os.environ))

gc.freeze()
gc.enable()
