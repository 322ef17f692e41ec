"""The tests of the checkout that the package must pass, too. CI runs them again before it uploads the package."""

MODULES = ("service", "feedback", "events", "incident", "retention", "export")  # tests/e2e/test_NAME.py
