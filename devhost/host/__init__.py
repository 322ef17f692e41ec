"""The Functions host: load an app with Azure's own Python runtime and serve it over HTTP. No monitoring in here."""
