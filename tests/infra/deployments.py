"""The snapshot of each deployment: what the compiler predicts that Azure creates. `make snapshots` writes them."""

import json

from infra import bicep
from tests.infra.policies import Snapshot

SNAPSHOTS: dict[str, Snapshot] = {
    deployment: json.loads((bicep.SNAPSHOTS / f"{deployment}.json").read_text()) for deployment in bicep.DEPLOYMENTS
}
INCIDENTS = SNAPSHOTS.pop("incidents")  # deployed after the package, into the resource group of the others
DEV, PROD, OPTIONS = SNAPSHOTS["dev"], SNAPSHOTS["prod"], SNAPSHOTS["options"]
