"""MLflow runs, model folders, export, recalibration and promotion. The families fit the models."""
