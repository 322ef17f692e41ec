"""The local host: it behaves as Azure does, and its monitoring runs the deployed rules."""
