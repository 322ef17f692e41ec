"""The functions of the app: one module per trigger, and the OpenAPI document. `triggers` registers them all.

Stores and mail are the protocols of `feedback/` here; `function_app.py` puts in the implementations of `cloud/`.
"""
