"""Azure on one machine: the Functions host, Azurite, telemetry, alert rules and a mailbox, for `make serve` and tests.

It starts the app as Azure does, from function_app.py and host.json, and imports none of its modules.
"""
