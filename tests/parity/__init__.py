"""An ONNX model gives the probabilities of the framework that trained it."""
