"""What the OpenAPI document tells beyond the types: groups, explanations, and examples that work when they are tried.

The feedback in them is real: its receipts are signed for each document, so that they are never too old and that nobody
meets what another reader has stored. They are of the model `example`, say that it was right, which raises no alarm, and
share no text.
"""

from typing import Any

from msgspec import Struct

from feedback.receipt import Receipts
from functions.feedback import FeedbackResponse
from functions.health import Live, Ready
from functions.incident import IncidentResponse
from functions.models import Description, ModelsResponse
from functions.predict import Explanation, Prediction, PredictResponse
from functions.schemas import ModelName
from sentiment.manifest import Metrics, Thresholds

ABOUT = """\
Will this tweet be read as positive or negative? Ask before you publish.

To try an operation, open it, choose an example and **Execute**. Those with a lock need a key, which **Authorize**
takes: a function key, or for incidents the `INCIDENT_KEY`. On a laptop they are in `local.settings.json`, the first as
`DEVHOST_FUNCTION_KEY`.

<details><summary><b>Errors</b></summary>

An error is told as `application/problem+json` (RFC 9457). Decide by its `status` and its `type`, which is
`urn:buzzguard:problem:` and the name below; `title` and `detail` are for people. Every answer has an `x-request-id`, by
which the logs know it.

{problems}

401 for want of a function key, 429 (more calls than the app takes at a time) and what is larger than the platform
takes are answered by the platform, in its own way.

</details>
"""

GROUPS = {
    "Predictions": "How a text will be read.",
    "Feedback": "What people say of a prediction. Three called wrong within five minutes alert the team.",
    "Operations": "For whoever runs the service.",
}

TEXT = "I love this company the experience was great !"
COMPLAINT = "My flight was cancelled and nobody answers. Worst airline ever!"


class Reply(Struct, frozen=True):
    description: str
    examples: dict[str, Any] = {}  # name -> payload


class Entry(Struct, frozen=True):
    """An operation, for people."""

    group: str  # of GROUPS
    description: str
    replies: dict[int, Reply]  # by status
    bodies: dict[str, Any] = {}  # name -> body of a request
    parameters: dict[str, str] = {}  # of the path; name -> value


def entries(receipts: Receipts) -> dict[tuple[str, str], Entry]:
    """Return the entry of each operation, by method and path."""
    first, second = (receipts.sign("example@1", 0.9974, "positive", TEXT) for _ in range(2))
    return {
        ("POST", "/api/predict"): _predict(first),
        ("GET", "/api/models"): MODELS,
        ("POST", "/api/feedback"): _feedback(first, second),
        ("DELETE", "/api/feedback/{prediction_id}"): _erase(first),
        ("POST", "/api/incidents"): INCIDENTS,
        ("GET", "/api/health/live"): LIVE,
        ("GET", "/api/health/ready"): READY,
        ("GET", "/api/openapi.json"): DOCUMENT,
    }


MODEL = ModelName("champion", "20261122-4449c2a6")
BUILD = "5bd2c3f0a8e19d47"


def _predict(receipt: str) -> Entry:
    plain = Prediction(receipt, "positive", 0.9974, "publish", [])
    words = [Explanation(2, 6, "love", 2.0481), Explanation(39, 44, "great", 1.0275)]
    explained = Prediction(receipt, "positive", 0.9974, "publish", [], words)
    negative = Prediction(receipt, "negative", 0.0072, "hold", [])
    return Entry(
        "Predictions",
        "One text or up to 64 texts, in English. Nothing of them is stored.",
        {
            200: Reply(
                "A prediction for each text.",
                {
                    "One text": PredictResponse([plain], MODEL),
                    "Several texts": PredictResponse([plain, negative], MODEL),
                    "Which words decided": PredictResponse([explained], MODEL),
                },
            )
        },
        {
            "One text": {"text": TEXT},
            "Several texts": {"texts": [TEXT, COMPLAINT]},
            "Which words decided": {"text": TEXT, "explain": True},
        },
    )


_CHAMPION = Description(
    MODEL.name,
    MODEL.version,
    "transformer",
    "2026-11-22T12:31:00Z",
    Thresholds(publish=0.8484, hold=0.1478),
    {"test": Metrics(27643, "d4" * 32, {"accuracy": 0.8627, "auc": 0.94})},
)
MODELS = Entry(
    "Predictions",
    "The model that is served and all that are shipped: versions, thresholds, figures; and the build of the package.",
    {200: Reply("The models.", {"The champion": ModelsResponse(_CHAMPION, [_CHAMPION], BUILD)})},
)


def _feedback(first: str, second: str) -> Entry:
    return Entry(
        "Feedback",
        "The same once more changes nothing. The text is only stored with `share_text`; in it and in the comment, "
        "links, names, addresses and numbers are masked.",
        {
            201: Reply("Stored.", {"Stored": FeedbackResponse("created")}),
            200: Reply("The same was stored before.", {"Once more": FeedbackResponse("replayed")}),
        },
        {
            "The label was right": {"prediction_id": first, "correct": True},
            "With a comment": {
                "prediction_id": second,
                "correct": True,
                "text": TEXT,
                "share_text": False,
                "comment": "Nothing but praise, as it says.",
            },
        },
    )


def _erase(receipt: str) -> Entry:
    return Entry(
        "Feedback",
        "Whoever holds the `prediction_id` may erase what was said of it.",
        {204: Reply("Erased, or never stored.")},
        parameters={"prediction_id": receipt},
    )


ALERT = {
    "schemaId": "azureMonitorCommonAlertSchema",
    "data": {
        "essentials": {
            "alertId": "/subscriptions/0/providers/Microsoft.AlertsManagement/alerts/example",
            "alertRule": "bad-prediction-burst",
            "severity": "Sev2",
            "monitorCondition": "Resolved",
            "firedDateTime": "2026-11-22T14:05:00Z",
            "description": "Three predictions were reported as wrong within five minutes.",
        },
        "alertContext": {
            "condition": {"windowStartTime": "2026-11-22T13:50:00Z", "windowEndTime": "2026-11-22T14:05:00Z"}
        },
    },
}
INCIDENTS = Entry(
    "Operations",
    "For an action group of Azure Monitor, which has a key of its own. Of a burst of bad predictions, the mail lists "
    "those that no mail has listed yet; where there are none, none is sent.",
    {
        200: Reply(
            "The mail is sent; or nothing is left to report; or the alert has not fired, and is ignored.",
            {
                "Ignored": IncidentResponse("ignored", 0),
                "Sent": IncidentResponse("sent", 3),
                "Once more": IncidentResponse("replayed", 0),
            },
        )
    },
    {"An alert that is over": ALERT},
)
LIVE = Entry("Operations", "Asks nothing of anything else.", {200: Reply("It does.", {"Alive": Live()})})
READY = Entry(
    "Operations",
    "Names the model that makes them, and the build of the package, which a checkout has none of.",
    {200: Reply("They can.", {"Ready": Ready(MODEL, BUILD)})},
)
DOCUMENT = Entry(
    "Operations",
    "OpenAPI 3.1, made from the types that decode the requests.",
    {200: Reply("The document.", {"Its beginning": {"openapi": "3.1.0", "info": {"title": "Buzzguard"}}})},
)
