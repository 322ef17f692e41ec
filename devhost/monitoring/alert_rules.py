"""Alert rules as Azure Monitor evaluates them: when they fire and when they resolve."""

import logging
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from msgspec import Struct

from devhost.errors import HostError

from .log_analytics import Workspace

log = logging.getLogger(__name__)

SUBSCRIPTION = f"/subscriptions/{uuid.UUID(int=0)}"


class Rule(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A log search alert rule, an entry of infra/alerts.json. Its condition is met if its query returns rows.

    With `auto_mitigate` the rule is stateful: it fires once and resolves by itself. Without, it is stateless: it fires
    at every evaluation that meets the condition.
    https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-overview#alerts-and-state
    """

    name: str
    title: str
    description: str
    severity: int  # 0 (critical) to 4 (verbose)
    query: str  # KQL; in the file, the path of the query
    frequency: timedelta
    window: timedelta
    auto_mitigate: bool
    expect_traffic: bool  # deployed only where there is traffic round the clock
    runbook: str
    threshold: int = 0  # the condition is met if there are more rows

    @property
    def resolve_after(self) -> timedelta:
        """How long the condition must not be met before the alert resolves.

        https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-overview#stateful-alerts
        """
        if self.frequency < timedelta(minutes=5):
            return timedelta(minutes=10)
        if self.frequency < timedelta(minutes=15):
            return 3 * self.frequency
        return (2 if self.frequency < timedelta(hours=11) else 1) * self.frequency


class MetricRule(Rule, frozen=True):
    """A metric alert rule. Its metric is the number of rows that the query returns."""

    @property
    def resolve_after(self) -> timedelta:
        """Three evaluations that do not meet the condition. The source is that of `Rule.resolve_after`."""
        return 3 * self.frequency


class Alert(Struct, frozen=True, kw_only=True):
    """A rule has fired or resolved."""

    id: str  # stays the same when the alert resolves
    rule: Rule
    rows: int  # result of the query
    fired: datetime
    resolved: datetime | None = None

    @property
    def condition(self) -> str:
        return "Resolved" if self.resolved else "Fired"

    @property
    def window(self) -> tuple[datetime, datetime]:
        """Start (exclusive) and end of the time that the query covered."""
        end = self.resolved or self.fired
        return end - self.rule.window, end


class _State(Struct):
    due: datetime = datetime.min.replace(tzinfo=UTC)  # next evaluation
    last_met: datetime = datetime.min.replace(tzinfo=UTC)
    alert: Alert | None = None  # has fired and not resolved; always None for a stateless rule


class Monitor:
    """Evaluate rules over a workspace and call `notify` when one fires or resolves.

    `speed` divides the time between evaluations and the time until an alert resolves. The windows stay.
    """

    def __init__(
        self, rules: Sequence[Rule], workspace: Workspace, notify: Callable[[Alert], None], speed: float = 1
    ) -> None:
        self._states = [(rule, _State()) for rule in rules]
        self._workspace = workspace
        self._notify = notify
        self._speed = speed

    def tick(self, now: datetime) -> None:
        """Evaluate the rules that are due. A rule whose query fails is logged; the others are still evaluated."""
        for rule, state in self._states:
            if state.due > now:
                continue
            state.due = now + rule.frequency / self._speed
            try:
                rows = len(self._workspace.query(rule.query, now - rule.window, now))
            except Exception:
                log.exception("rule %s cannot be evaluated", rule.name)
                continue
            if alert := self._update(rule, state, rows, now):
                log.info("%s %s", alert.condition.lower(), rule.name)
                self._notify(alert)

    def _update(self, rule: Rule, state: _State, rows: int, now: datetime) -> Alert | None:
        """Return the alert if the rule fires or resolves at this evaluation."""
        if rows > rule.threshold:
            state.last_met = now
            if state.alert is None:
                alert = Alert(id=_new_id(), rule=rule, rows=rows, fired=now)
                state.alert = alert if rule.auto_mitigate else None
                return alert
        elif state.alert and now - state.last_met >= rule.resolve_after / self._speed:
            resolved = msgspec.structs.replace(state.alert, rows=0, resolved=now)
            state.alert = None
            return resolved
        return None


def read_rules(path: Path) -> tuple[Rule, ...]:
    """Return the rules of an alerts.json with their queries, whose paths are relative to it. Raises HostError."""
    try:
        rules = msgspec.json.decode(path.read_bytes(), type=tuple[Rule, ...])
        return tuple(msgspec.structs.replace(rule, query=(path.parent / rule.query).read_text()) for rule in rules)
    except (OSError, msgspec.DecodeError) as error:
        raise HostError(f"{path}: {error}") from error


def _new_id() -> str:
    return f"{SUBSCRIPTION}/providers/Microsoft.AlertsManagement/alerts/{uuid.uuid4()}"
