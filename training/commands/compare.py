from training.reports.comparison import __doc__, add_arguments, run  # noqa: A004

__all__ = ["__doc__", "add_arguments", "run"]
