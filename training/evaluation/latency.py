"""How long a model takes for one text."""

import time

import numpy as np

from sentiment.model import Model

LATENCY_TEXT = (  # 30 tokens
    "so glad to be home again after two long weeks away from everyone, and thanks to the whole crew who made even a "
    "late flight a real joy!!!"
)


def median_latency_ms(*models: Model, rounds: int = 50, repeats: int = 10) -> list[float]:
    """Return the median time of each model for LATENCY_TEXT, alone, on one thread.

    It is the lowest median of many short rounds: other work on the machine can only add to it. The models take turns,
    so that such work slows all of them.
    """
    seconds = np.empty((rounds, len(models), repeats))
    for position in np.ndindex(seconds.shape):
        started = time.perf_counter()
        models[position[1]].score([LATENCY_TEXT])
        seconds[position] = time.perf_counter() - started
    return [round(1000 * float(lowest), 3) for lowest in np.median(seconds, axis=2).min(axis=0)]
