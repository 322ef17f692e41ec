"""Which tests of the checkout the package must pass, too. CI runs them once more before it uploads the package."""

MODULES = ("service", "feedback", "incident", "retention", "export")  # tests/e2e/test_NAME.py
