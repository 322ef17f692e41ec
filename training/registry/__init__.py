"""From a trained run to a model in models/: MLflow, model folders, export, promotion. Training is in `families`."""
