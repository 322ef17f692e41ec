"""ONNX graphs for every kind of model: written node by node, or converted from Keras.

Knows arrays, scikit-learn and Keras; the families that train the models import it, never the other way round.
"""
