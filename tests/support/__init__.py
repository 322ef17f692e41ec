"""Helpers that several test folders use. It holds no tests and no fixtures: fixtures are in conftest.py files."""
