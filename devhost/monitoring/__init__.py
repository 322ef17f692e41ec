"""Azure Monitor on one machine: telemetry in, alert rules over it, notifications out. Serving the app is host/."""
