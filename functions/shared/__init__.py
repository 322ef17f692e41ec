"""What all triggers need: HTTP, problems, the service. Nothing here knows a particular trigger."""
