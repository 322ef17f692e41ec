"""The scenarios of the drill. Each prints its steps and raises DrillFailure at the first that goes wrong."""

import time

from .simulation import Simulation, check, describe_report

_FIRST_TWEETS = (
    "Our crew made everybody laugh on the way to Lisbon",
    "Thank you for two hours in a queue, what a start",
    "New seats on all flights, and they are great",
)
_SECOND_TWEETS = (
    "Free coffee at the gate, how generous",
    "You asked, we listened: breakfast is back",
    "Nobody waits as long as we do",
)
_RESOLVE_MINUTES = 35  # by then every alert has resolved
_BURST_FIRED = "bad-prediction-burst fired"


class Steps:
    """Print each step with the seconds since the one before."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def done(self, step: str) -> None:
        now = time.perf_counter()
        print(f"{now - self._last:7.2f} s  {step}", flush=True)
        self._last = now

    def detail(self, text: str) -> None:
        print(f"{'':11}{text}")


def two_bursts(simulation: Simulation, steps: Steps) -> None:
    """Mark three predictions as wrong, and three others ten minutes later: one report of each three."""
    _mark_wrong(simulation, steps, _FIRST_TWEETS)
    first = simulation.wait_for_feedback(3)
    steps.done("telemetry has their feedback")
    check(simulation.advance(5), [_BURST_FIRED])
    steps.done("within 5 minutes bad-prediction-burst fires, operations receive:")
    for mail in simulation.mails:
        steps.detail(mail.subject)
    check(simulation.reports, [describe_report(first)], empty="no report")
    steps.done("the report lists exactly these three predictions")

    check(simulation.advance(4), [])
    _mark_wrong(simulation, steps, _SECOND_TWEETS)
    second = simulation.wait_for_feedback(6) - first
    check(simulation.advance(_RESOLVE_MINUTES), [_BURST_FIRED] * 3)
    steps.done("the rule fires at every evaluation that finds a burst: four alerts")
    check(simulation.reports, [describe_report(first), describe_report(second)], empty="no report")
    steps.done("operations have two reports: the second lists exactly the other three predictions")


def one_tweet(simulation: Simulation, steps: Steps) -> None:
    """Mark one prediction as wrong three times, and two others of the same tweet: no alert."""
    prediction_ids = [simulation.predict(_FIRST_TWEETS[0]) for _ in range(3)]
    steps.done("a tweet is predicted three times")
    for prediction_id in (*prediction_ids, *prediction_ids[:1] * 2):
        simulation.mark_wrong(prediction_id)
    steps.done('somebody presses "wrong prediction" each time, and twice more')
    simulation.wait_for_feedback(5)
    steps.done("telemetry has the feedback")
    check(simulation.advance(_RESOLVE_MINUTES), [])
    steps.done(f"within {_RESOLVE_MINUTES} minutes there is no alert")


def outage(simulation: Simulation, steps: Steps) -> None:
    """Kill the app and start it again: operations are notified once of each."""
    check(simulation.advance(10), [])
    steps.done("the app is available for ten minutes: no alert")
    simulation.app.kill()
    steps.done("the app is killed")
    check(simulation.advance(10), ["availability fired"])
    steps.done("within ten minutes availability fires, operations receive:")
    for mail in simulation.mails:
        steps.detail(mail.subject)
    simulation.app.start()
    steps.done("the app is started again")
    check(simulation.advance(10), ["availability resolved"])
    steps.done("within ten minutes the alert resolves, operations receive:")
    steps.detail(simulation.mails[-1].subject)


def _mark_wrong(simulation: Simulation, steps: Steps, tweets: tuple[str, ...]) -> None:
    for prediction_id in [simulation.predict(tweet) for tweet in tweets]:
        simulation.mark_wrong(prediction_id)
    steps.done('three tweets are predicted, three people press "wrong prediction"')
