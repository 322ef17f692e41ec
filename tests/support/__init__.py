"""Helpers of several test folders. No tests, no fixtures: those are in the folders' conftest.py."""
