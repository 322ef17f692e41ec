"""What the functions share, made once when the app starts: settings, model, receipts, tables, mail; and the way into a
thread."""

import asyncio
import contextvars
import json
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cloud import settings, telemetry
from cloud.report_email import EmailReporter
from cloud.smtp import SmtpMailer
from cloud.table_storage import TableFeedbackStore, TableIncidentStore
from feedback.incident import IncidentReporter
from feedback.receipt import Receipts
from feedback.stores import FeedbackStore, IncidentStore
from sentiment import manifest
from sentiment.errors import ModelError
from sentiment.model import Model

if TYPE_CHECKING:
    from feedback.export import FeedbackExport

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "models"

log = logging.getLogger("buzzguard")


class Service:
    def __init__(self, configuration: settings.Settings) -> None:
        self.auth_level = configuration.auth_level
        self.build = _build()
        self.receipt_age = timedelta(days=configuration.receipt_days)
        self.receipts = Receipts(configuration.receipt_keys, self.receipt_age)
        self.store: FeedbackStore = TableFeedbackStore(configuration)
        self.retention = timedelta(days=configuration.feedback_retention_days)
        self.export: FeedbackExport | None = None
        if configuration.export_container_url:
            from cloud.blob_storage import BlobFeedbackExport  # late: few have one

            self.export = BlobFeedbackExport(configuration)
        self.incidents: IncidentStore = TableIncidentStore(configuration)
        self.incident_keys = configuration.incident_keys
        self.reporter: IncidentReporter | None = None
        if configuration.mail:
            self.reporter = EmailReporter(SmtpMailer(configuration.mail))
        self._model: Model | ModelError
        try:  # a broken model must not take feedback and erasure down with it
            self._model = Model.load(MODELS / (configuration.model or manifest.read_champion(MODELS)))
        except ModelError as error:
            log.error("No model is served: %s", error)
            self._model = error

    @property
    def model(self) -> Model:
        """The model that is served. Raises ModelError, as long as the app runs, if it could not be loaded."""
        if isinstance(self._model, ModelError):
            raise ModelError(str(self._model))
        return self._model


def _build() -> str | None:
    """Which package this is, as infra/package.py writes it; None in a checkout."""
    file = ROOT / "build.json"
    return json.loads(file.read_bytes())["build"] if file.exists() else None


_configuration = settings.read_settings(os.environ)
telemetry.start(_configuration.applicationinsights_connection_string)
service = Service(_configuration)


async def in_thread[T](threads: ThreadPoolExecutor, call: Callable[..., T], *arguments: object) -> T:
    """The result of `call`, which blocks. What is logged there belongs to this request."""
    run = contextvars.copy_context().run
    return await asyncio.get_running_loop().run_in_executor(threads, run, call, *arguments)
