"""ONNX graphs of every kind of model: written node by node, or converted from scikit-learn and Keras.

The families import this package; it knows arrays, classifiers and Keras models, but not how they were trained.
"""
