"""How good a model is: metrics, their intervals, slices, behavioural tests, calibration and latency.

Nothing here prints or knows MLflow; tables and documents are in `training.reports`.
"""
