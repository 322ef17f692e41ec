"""The cost model: the arithmetic of the price list, and the tables of docs/operations.md."""

import json
import subprocess

import pytest

from infra import bicep, cost
from tests.infra import policies
from tests.support.paths import ROOT

MILLION = 1_000_000


def test_an_isolated_call_costs_what_the_price_list_says() -> None:
    """A million more, beyond what is free: 13 dollars at half a gigabyte, 52 at two, and 40 cents."""
    for memory, dollars in ((512, 13.0), (2048, 52.0), (4096, 104.0)):
        more = cost.on_demand(11 * MILLION, memory) - cost.on_demand(10 * MILLION, memory)
        assert more == pytest.approx(dollars + 0.40)


def test_nobody_calls_nobody_pays() -> None:
    assert cost.on_demand(0, 512) == 0
    assert cost.on_demand(200_000, 512) == 0  # 100,000 GB-seconds, 200,000 calls: free
    assert cost.on_demand(200_002, 512) == pytest.approx(0.000026)
    assert cost.on_demand(250_001, 512) - cost.on_demand(250_000, 512) == pytest.approx(0.000013 + 0.0000004)


def test_an_instance_that_waits_costs_and_then_works_for_less() -> None:
    assert cost.always_ready(0, 512) == pytest.approx(730 * 3600 * 0.5 * 0.000004)
    assert cost.always_ready(0, 2048) == pytest.approx(4 * cost.always_ready(0, 512))
    assert cost.always_ready(MILLION, 2048) - cost.always_ready(0, 2048) == pytest.approx(32 + 0.40)


def test_logs_are_free_at_first() -> None:
    free = int(cost.FREE_LOG_GB * 1e6 / cost.LOG_KB)
    assert cost.logs(free) == 0
    assert cost.logs(free + MILLION) == pytest.approx(cost.LOG_KB * cost.LOG_GB, rel=0.01)


@pytest.mark.parametrize(("duration", "expected"), [("PT5M", 5), ("PT30M", 30), ("PT6H", 360), ("P1D", 1440)])
def test_a_duration_is_read(duration: str, expected: int) -> None:
    assert cost.minutes(duration) == expected


def test_the_tables_of_the_operations_manual_are_those_that_are_computed() -> None:
    manual = (ROOT / "docs/operations.md").read_text()
    assert cost.table(list(cost.CALLS)) in manual
    assert cost.options_table() in manual


def test_who_is_asked_every_five_minutes_from_five_places_is_asked_43800_times_a_month() -> None:
    """Each costs a run of the test, and at least a second of the app, and is written down."""
    calls = 43_800
    test, call, series = 0.00065, 0.0000004 + 5 * 2.30 / 1e6, 5 * 0.10
    for memory, second in ((512, 0.000013), (4096, 0.000104)):
        assert cost.availability_test(memory) == pytest.approx(calls * (test + call + second) + series)


def test_a_zone_more_keeps_two_instances_of_everything_that_scales_ready() -> None:
    assert cost.zone_redundancy(2048) == pytest.approx(3 * 2 * cost.always_ready(0, 2048))


@pytest.mark.parametrize(
    ("dollars", "said"), [(0, "0"), (0.06, "cents"), (0.6, "~1"), (38.04, "~38"), (1252.4, "~1,252")]
)
def test_what_an_option_costs_is_said_as_closely_as_it_is_known(dollars: float, said: str) -> None:
    assert cost.about(dollars) == said


def test_what_is_priced_is_what_would_be_deployed() -> None:
    """With every option on."""
    deployed = json.loads((bicep.SNAPSHOTS / "options.json").read_text())["predictedResources"]
    types = [resource["type"] for resource in deployed]
    assert types.count("Microsoft.Network/privateEndpoints") == cost.ENDPOINTS
    assert types.count("Microsoft.Network/privateDnsZones") == cost.DNS_ZONES
    frequencies = [
        cost.minutes(resource["properties"]["evaluationFrequency"])
        for resource in deployed
        if resource["type"] == policies.LOG_RULE
    ]
    assert cost.alert_rules() == sum(cost.ALERT_RULES[min(frequency, 15)] for frequency in frequencies)
    timers = sum(path.read_text().count(".timer_trigger(") for path in (ROOT / "functions").glob("*.py"))
    assert 1 + timers == cost.SCALE_GROUPS


@pytest.mark.parametrize("calls", ["many", "-5", "1.5", "1e6"])
def test_what_is_no_number_of_calls_is_refused(monkeypatch: pytest.MonkeyPatch, calls: str) -> None:
    monkeypatch.setattr("sys.argv", ["cost", "1,000", calls])
    with pytest.raises(SystemExit, match=f"must be a number like 1000000, not {calls}"):
        cost.main()


def test_make_cost_counts_for_a_number_of_ones_own() -> None:
    done = subprocess.run(
        ["make", "--always-make", "--dry-run", "cost", "CALLS=250000"], cwd=ROOT, capture_output=True, text=True
    )
    assert "-m infra.cost 250000" in done.stdout
    assert cost.table([250_000]).splitlines()[-1].startswith("| 250,000 | 0.65 |")
