"""Azure Monitor's alerts on a laptop: the deployed rules at the deployed frequency and window."""

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
    """A log search alert rule, an entry of infra/alerts.json: its condition is met when its query finds rows.

    With `auto_mitigate` it keeps state: it fires once, and resolves itself. Without, it fires whenever its condition is
    met: https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-overview#alerts-and-state
    """

    name: str
    title: str
    description: str
    severity: int  # 0 (critical) to 4 (verbose)
    query: str  # KQL; in the file, its path
    frequency: timedelta
    window: timedelta
    auto_mitigate: bool
    expect_traffic: bool  # it is only for where there are calls round the clock
    runbook: str
    threshold: int = 0  # the condition is met by more rows

    @property
    def quiet(self) -> timedelta:
        """How long the condition must not have been met for the alert to be resolved.

        https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-overview#stateful-alerts
        """
        if self.frequency < timedelta(minutes=5):
            return timedelta(minutes=10)
        if self.frequency < timedelta(minutes=15):
            return 3 * self.frequency
        return (2 if self.frequency < timedelta(hours=11) else 1) * self.frequency


class MetricRule(Rule, frozen=True):
    """A metric alert rule. Its metric is the number of rows that a query finds."""

    @property
    def quiet(self) -> timedelta:
        """It is resolved at the third check in a row that does not meet the condition; source as above."""
        return 3 * self.frequency


class Alert(Struct, frozen=True):
    """What became of a rule: its condition is met, or no longer."""

    id: str  # the same when it is resolved
    rule: Rule
    rows: int  # that the query found
    fired: datetime
    resolved: datetime | None = None

    @property
    def condition(self) -> str:
        return "Resolved" if self.resolved else "Fired"

    @property
    def window(self) -> tuple[datetime, datetime]:
        """What the query looked at, from (exclusive) and to."""
        end = self.resolved or self.fired
        return end - self.rule.window, end


class _State(Struct):
    due: datetime = datetime.min.replace(tzinfo=UTC)
    met: datetime = datetime.min.replace(tzinfo=UTC)  # when the condition was last met
    alert: Alert | None = None  # that is fired


class Monitor:
    """Runs rules over a workspace and tells `notify` what becomes of them.

    `speed` is how many times as often it looks, and as soon it resolves, as the rules say; the windows stay.
    """

    def __init__(
        self, rules: Sequence[Rule], workspace: Workspace, notify: Callable[[Alert], None], speed: float = 1
    ) -> None:
        self._states = [(rule, _State()) for rule in rules]
        self._workspace = workspace
        self._notify = notify
        self._speed = speed

    def tick(self, now: datetime) -> None:
        """Evaluates the rules whose time has come. One whose query fails is logged, and stops no other."""
        for rule, state in self._states:
            if state.due > now:
                continue
            state.due = now + rule.frequency / self._speed
            try:
                rows = len(self._workspace.query(rule.query, now - rule.window, now))
            except Exception:
                log.exception("the rule %s cannot be evaluated", rule.name)
                continue
            if alert := self._transition(rule, state, rows, now):
                log.info("%s %s", alert.condition.lower(), rule.name)
                self._notify(alert)

    def _transition(self, rule: Rule, state: _State, rows: int, now: datetime) -> Alert | None:
        """A rule that keeps state says once that its condition is met, and once that it no longer is; another says
        each time that it is."""
        if rows > rule.threshold:
            state.met = now
            if state.alert is None:
                alert = Alert(_new_id(), rule, rows, now)
                state.alert = alert if rule.auto_mitigate else None
                return alert
        elif state.alert and now - state.met >= rule.quiet / self._speed:
            resolved = msgspec.structs.replace(state.alert, rows=0, resolved=now)
            state.alert = None
            return resolved
        return None


def read_rules(path: Path) -> tuple[Rule, ...]:
    """The rules in an alerts.json, with their queries, whose paths are relative to it. Raises HostError."""
    try:
        rules = msgspec.json.decode(path.read_bytes(), type=tuple[Rule, ...])
        return tuple(msgspec.structs.replace(rule, query=(path.parent / rule.query).read_text()) for rule in rules)
    except (OSError, msgspec.DecodeError) as error:
        raise HostError(f"{path}: {error}") from error


def _new_id() -> str:
    return f"{SUBSCRIPTION}/providers/Microsoft.AlertsManagement/alerts/{uuid.uuid4()}"
