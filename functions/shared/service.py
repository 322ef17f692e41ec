"""What the triggers share: model, receipts, stores, mail, threads. `function_app.create_app` puts it together."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from feedback.incident import IncidentReporter
from feedback.receipt import Receipts
from feedback.stores import FeedbackStore, IncidentStore
from sentiment.errors import ModelError
from sentiment.model import Model

from .bulkhead import Bulkheads
from .report_limit import ReportLimit

if TYPE_CHECKING:
    from feedback.export import FeedbackExport


class Service(Struct, frozen=True, kw_only=True):
    loaded_model: Model | ModelError  # the error of a model that cannot be loaded
    models_folder: Path  # all shipped models
    build: str | None  # id of the deployed package; None in a checkout
    receipts: Receipts
    receipt_age: timedelta  # how long a prediction accepts feedback
    report_limit: ReportLimit
    store: FeedbackStore
    retention: timedelta  # how long feedback is kept
    export: "FeedbackExport | None"  # None: feedback is not exported
    incidents: IncidentStore
    incident_keys: tuple[str, ...]
    reporter: IncidentReporter | None  # None: no incident is reported
    bulkheads: Bulkheads

    @property
    def model(self) -> Model:
        """The model that is served. Raises ModelError if it could not be loaded."""
        if isinstance(self.loaded_model, ModelError):
            raise ModelError(str(self.loaded_model))
        return self.loaded_model
