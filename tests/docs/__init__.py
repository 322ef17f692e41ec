"""README.md and docs/: their examples run, their links lead somewhere, and they name what there is."""
