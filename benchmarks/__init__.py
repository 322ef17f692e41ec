"""How fast, how small: measured on this machine, in one run. `make bench` writes results/serving.json."""
