"""How fast and how small serving is, on this machine: `make bench`. Not part of the app."""
