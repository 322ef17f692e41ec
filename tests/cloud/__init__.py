"""Each module of cloud/ by itself, against Azurite or a server of the test. The app around them is in tests/e2e."""
