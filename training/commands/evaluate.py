from training.evaluation.evaluation import __doc__, add_arguments, run  # noqa: A004

__all__ = ["__doc__", "add_arguments", "run"]
