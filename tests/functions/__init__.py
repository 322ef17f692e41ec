"""Handlers and the HTTP layer, with fakes behind them. The platform in front of them is in tests/e2e."""
