"""Text, tables and plots about models: model cards and docs/models.md. Nothing here measures a model."""
