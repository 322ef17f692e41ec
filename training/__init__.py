"""Offline training: from labelled tweets to a model folder that `sentiment` loads. Nothing here is deployed."""

import os

# Set here, before any module of this package imports MLflow: it writes an installation id when it is imported.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
