"""The alert rules in infra/alerts.json."""

import json
from typing import Any

from tests.support.paths import ROOT

ALERTS: list[dict[str, Any]] = json.loads((ROOT / "infra/alerts.json").read_text())
