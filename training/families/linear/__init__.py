"""Families over bags of n-grams, trained by scikit-learn. They need no TensorFlow."""
