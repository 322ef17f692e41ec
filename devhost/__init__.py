"""Azure on a laptop: the platform's own Python runtime behind HTTP, and Azurite's tables. `python -m devhost`."""
