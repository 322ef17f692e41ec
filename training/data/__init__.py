"""Labelled texts: read files, clean and split them into a data set, profile it. Nothing here knows a model."""
