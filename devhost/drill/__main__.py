"""`make drill`: sets off the alarms, for bad predictions and for silence, to see that they work. Exit status 1 if they
do not.

The app, its telemetry, the deployed rules and the mail are the real ones, on this machine. Only the monitor's clock is
put forward, so that nobody waits for the next look of a rule. No table or mailbox of anybody's is touched.
"""

import logging
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from devhost.azurite import Azurite
from devhost.errors import HostError

from .scenario import App, Failure, Stage, expect, report

TWEETS = (
    "Our crew made everybody laugh on the way to Lisbon",
    "Thank you for two hours in a queue, what a start",
    "New seats on all flights, and they are great",
)
OTHER_TWEETS = (
    "Free coffee at the gate, how generous",
    "You asked, we listened: breakfast is back",
    "Nobody waits as long as we do",
)
_A_WHILE = 35  # minutes: by then an alert is resolved
_BURST = "bad-prediction-burst fired"


class Teller:
    """Prints what happens, and the time since the last that did."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def __call__(self, what: str) -> None:
        now = time.perf_counter()
        print(f"{now - self._last:7.2f} s  {what}", flush=True)
        self._last = now


def bursts(stage: Stage, tell: Teller) -> None:
    """Twice, ten minutes apart, three predictions are said to be wrong. Raises Failure if ops do not get a report of
    each, with its three, and no other."""
    _three_wrong(stage, tell, TWEETS)
    first = stage.reported(3)
    tell("their clicks have reached telemetry")
    expect(stage.wait(5), [_BURST])
    tell("the rules run: bad-prediction-burst fires, ops have mail:")
    print(*(f"{'':11}{mail.subject}" for mail in stage.mails), sep="\n")
    expect(stage.reports, [report(first)], "no report")
    tell("the report lists these three predictions and no other")

    expect(stage.wait(4), [])
    _three_wrong(stage, tell, OTHER_TWEETS)
    second = stage.reported(6) - first
    expect(stage.wait(_A_WHILE), [_BURST] * 3)
    tell("it fires at every look that sees a burst: four alerts")
    expect(stage.reports, [report(first), report(second)], "no report")
    tell("ops have two reports: the second lists the other three predictions and no other")


def _three_wrong(stage: Stage, tell: Teller, tweets: tuple[str, ...]) -> None:
    predictions = [stage.predict(tweet) for tweet in tweets]
    for prediction in predictions:
        stage.say_wrong(prediction)
    tell('three tweets are predicted, three people press "wrong prediction"')


def single(stage: Stage, tell: Teller) -> None:
    """One person presses three times. Raises Failure if anybody hears of it."""
    prediction = stage.predict(TWEETS[0])
    tell("a tweet is predicted")
    for _ in range(3):
        stage.say_wrong(prediction)
    tell('one person presses "wrong prediction" three times')
    stage.reported(3)
    tell("the clicks have reached telemetry")
    expect(stage.wait(_A_WHILE), [])
    tell(f"the rules run for {_A_WHILE} minutes: no alert")


def silence(stage: Stage, tell: Teller) -> None:
    """The app is killed, and later started again. Raises Failure if ops do not hear of both, once."""
    expect(stage.wait(10), [])
    tell("ten minutes long the app is asked from outside whether it is ready, and is")
    stage.app.close()
    tell("the app is killed")
    expect(stage.wait(10), ["availability fired"])
    tell("within ten minutes availability fires, ops have mail:")
    print(*(f"{'':11}{mail.subject}" for mail in stage.mails), sep="\n")
    stage.app.start()
    tell("the app is started again")
    expect(stage.wait(10), ["availability resolved"])
    tell("within ten minutes the alert is resolved, ops have mail:")
    print(f"{'':11}{stage.mails[-1].subject}")


@contextmanager
def _staged(tell: Teller) -> Iterator[Stage]:
    """Everything is started, and killed in the end. Raises HostError."""
    with tempfile.TemporaryDirectory() as folder, Azurite(Path(folder), in_memory=True) as azurite:
        stage = Stage(
            {
                "DEVHOST_FUNCTION_KEY": secrets.token_urlsafe(32),
                "TABLES_CONNECTION_STRING": azurite.connection_string,
                **dict.fromkeys(("TABLES_ENDPOINT", "SMTP_USER", "SMTP_PASSWORD"), ""),  # somebody may have set them
            }
        )
        with stage.watch, closing(App(stage.settings)) as app:
            stage.open(app)
            tell("the app and its watch are up")
            yield stage


def main() -> int:
    # Its errors are the calls of an app that a story has killed.
    logging.getLogger("devhost.monitoring.action_group").setLevel(logging.CRITICAL)
    tell = Teller()
    stories = (
        ("Three wrong predictions, and three others ten minutes later", bursts),
        ("One, three times", single),
        ("Silence", silence),
    )
    try:
        for title, story in stories:
            print(title)
            with _staged(tell) as stage:
                story(stage, tell)
    except (Failure, HostError, OSError) as error:
        print(f"The drill failed: {error}", file=sys.stderr)
        return 1
    print("All as it should be.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
