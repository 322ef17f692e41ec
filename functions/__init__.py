"""The functions of the app: one module a trigger. Everything that speaks to a service is in `cloud/`."""
