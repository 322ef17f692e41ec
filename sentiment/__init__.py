"""Scoring: from a text to a verdict. numpy and onnxruntime; no cloud, no HTTP, no feedback."""
