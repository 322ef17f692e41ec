"""Text, tables and plots about models: model cards, docs/models.md, figures. Nothing here measures a model."""
