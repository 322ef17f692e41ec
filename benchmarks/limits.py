"""What is measured, the limits that it must keep, and the paths and units that all measurements share."""

from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "build" / "buzzguard.zip"
LITE, CHAMPION = ROOT / "models" / "lite", ROOT / "models" / "champion"
MB = 1e6  # bytes


class Limits(NamedTuple):
    """Limits of a model that ships."""

    call_ms: float  # median of warm calls through the runtime
    resident_mb: float
    size_mb: float  # of the model folder


LIMITS = {LITE: Limits(0.5, 140, 4), CHAMPION: Limits(5, 260, 25)}  # a transformer may take 120 MB more memory
COLD_START_RATIO = 1.25  # against the floor
DICT_RATIO = 5  # lite, against a dict of weights
OUTAGE_SECONDS = 3
PACKAGE_MB = 63
STARVATION_RATIO = 5  # of the 99th percentiles of a single tweet, beside hostile callers and alone
SICK_STORE_RATIO = 3  # of the medians of predict and of live, while the table hangs and idle
