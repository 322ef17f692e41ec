"""infra/cost.py: its arithmetic, and the tables in docs/operations.md."""

import subprocess
from typing import Any

import pytest

from infra import cost
from tests.infra import policies
from tests.infra.deployments import OPTIONS
from tests.support.paths import ROOT

MILLION = 1_000_000


@pytest.mark.parametrize(("memory", "dollars"), [(512, 13.0), (2048, 52.0), (4096, 104.0)])
def test_on_demand_charges_gb_seconds_and_40_cents_per_million_calls(memory: int, dollars: float) -> None:
    """Beyond the free amounts, for calls of one second."""
    more = cost.on_demand(11 * MILLION, memory) - cost.on_demand(10 * MILLION, memory)
    assert more == pytest.approx(dollars + 0.40)


def test_on_demand_subtracts_the_free_amounts() -> None:
    assert cost.on_demand(0, 512) == 0
    assert cost.on_demand(200_000, 512) == 0  # 100,000 GB-seconds and 200,000 calls are free
    assert cost.on_demand(200_002, 512) == pytest.approx(0.000026)
    assert cost.on_demand(250_001, 512) - cost.on_demand(250_000, 512) == pytest.approx(0.000013 + 0.0000004)


def test_always_ready_charges_a_baseline_and_less_per_second() -> None:
    assert cost.always_ready(0, 512) == pytest.approx(730 * 3600 * 0.5 * 0.000004)
    assert cost.always_ready(0, 2048) == pytest.approx(4 * cost.always_ready(0, 512))
    assert cost.always_ready(MILLION, 2048) - cost.always_ready(0, 2048) == pytest.approx(32 + 0.40)


def test_logs_subtract_the_free_amount() -> None:
    free = int(cost.FREE_LOG_GB * 1e6 / cost.LOG_KB_PER_CALL)
    assert cost.logs(free) == 0
    assert cost.logs(free + MILLION) == pytest.approx(cost.LOG_KB_PER_CALL * cost.USD_PER_LOG_GB, rel=0.01)


@pytest.mark.parametrize(("duration", "expected"), [("PT5M", 5), ("PT30M", 30), ("PT6H", 360), ("P1D", 1440)])
def test_reads_duration_in_minutes(duration: str, expected: int) -> None:
    assert cost.minutes(duration) == expected


def test_tables_in_the_operations_manual_are_up_to_date() -> None:
    manual = (ROOT / "docs/operations.md").read_text()
    assert cost.calls_table(list(cost.DEFAULT_CALLS)) in manual
    assert cost.options_table() in manual


def test_availability_test_charges_each_run_and_its_call() -> None:
    """A run costs the test, a second of the app and its logs."""
    calls = 43_800  # per month: every 5 minutes from 5 locations
    test, call, series = 0.00065, 0.0000004 + 5 * 2.30 / 1e6, 5 * 0.10
    for memory, second in ((512, 0.000013), (4096, 0.000104)):
        assert cost.availability_test(memory) == pytest.approx(calls * (test + call + second) + series)


def test_zone_redundancy_charges_two_ready_instances_per_scale_group() -> None:
    assert cost.zone_redundancy(2048) == pytest.approx(3 * 2 * cost.always_ready(0, 2048))


@pytest.mark.parametrize(
    ("dollars", "expected"), [(0, "0"), (0.06, "cents"), (0.6, "~1"), (38.04, "~38"), (1252.4, "~1,252")]
)
def test_rounds_the_cost_of_an_option(dollars: float, expected: str) -> None:
    assert cost.rounded(dollars) == expected


def test_counts_are_those_of_the_deployment_with_every_option(triggers: list[dict[str, Any]]) -> None:
    deployed = OPTIONS["predictedResources"]
    types = [resource["type"] for resource in deployed]
    assert types.count("Microsoft.Network/privateEndpoints") == cost.PRIVATE_ENDPOINT_COUNT
    assert types.count("Microsoft.Network/privateDnsZones") == cost.DNS_ZONE_COUNT
    frequencies = [
        cost.minutes(resource["properties"]["evaluationFrequency"])
        for resource in deployed
        if resource["type"] == policies.LOG_RULE
    ]
    assert cost.alert_rules() == sum(cost.USD_PER_ALERT_RULE_MONTH[min(frequency, 15)] for frequency in frequencies)
    timers = [trigger for trigger in triggers if trigger["type"] == "timerTrigger"]
    assert 1 + len(timers) == cost.SCALE_GROUP_COUNT


@pytest.mark.parametrize("calls", ["many", "-5", "1.5", "1e6"])
def test_rejects_an_argument_that_is_not_a_number_of_calls(monkeypatch: pytest.MonkeyPatch, calls: str) -> None:
    monkeypatch.setattr("sys.argv", ["cost", "1,000", calls])
    with pytest.raises(SystemExit, match=f"must be a number like 1000000, not {calls}"):
        cost.main()


def test_make_cost_passes_the_number_of_calls() -> None:
    done = subprocess.run(
        ["make", "--always-make", "--dry-run", "cost", "CALLS=250000"], cwd=ROOT, capture_output=True, text=True
    )
    assert "-m infra.cost 250000" in done.stdout
    assert cost.calls_table([250_000]).splitlines()[-1].startswith("| 250,000 | 0.65 |")
