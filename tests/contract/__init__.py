"""The running app keeps the OpenAPI document, and the examples in the document work."""
