"""Search the settings of a family with Optuna, in several processes that share one study. Fitting is in `families`."""
