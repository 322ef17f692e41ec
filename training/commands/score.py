from training.scoring.score_file import __doc__, add_arguments, run  # noqa: A004

__all__ = ["__doc__", "add_arguments", "run"]
