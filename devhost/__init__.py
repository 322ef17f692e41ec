"""Azure on a laptop: the platform's own Python runtime behind HTTP, Azurite's tables, telemetry, alerts, a mailbox.

`python -m devhost`.
"""
