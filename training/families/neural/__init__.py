"""Families over sequences of words or WordPieces, trained by Keras."""
