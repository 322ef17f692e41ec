"""The only place that knows Azure and SMTP: settings, tables, blobs, alerts, the e-mail report, telemetry."""
