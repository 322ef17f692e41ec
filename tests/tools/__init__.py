"""The locks and the installer."""
