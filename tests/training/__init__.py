"""Commands and libraries of training/ on small data. ONNX against the framework is in tests/parity."""
