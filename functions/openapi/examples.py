"""What the OpenAPI document says beyond the types: groups, descriptions, and examples that work when they are tried.

The receipts in the examples are signed for each document, so they are never expired, and no reader runs into feedback
that another one stored. They name the model `example`. The feedback says that the label was right, so it sets off no
alert, and it shares no text.
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
from functions.shared.bulkhead import Load
from sentiment.manifest import Metrics, Thresholds

ABOUT = """\
Will this tweet be read as positive or negative? Ask before you publish.

To try an operation, open it, choose an example and press **Execute**. An operation with a lock needs a key, which you
enter under **Authorize**: a function key, or for incidents the `INCIDENT_KEY`. On a laptop both are in
`local.settings.json`, the function key as `DEVHOST_FUNCTION_KEY`.

<details><summary><b>Errors</b></summary>

Errors are sent as `application/problem+json` (RFC 9457). Programs should rely on `status` and `type`, which is
`urn:buzzguard:problem:` followed by a name below; `title` and `detail` are for people. Every response has an
`x-request-id`, which is also in the logs.

{problems}

The platform answers without problem details if the function key is missing (401), if there are more calls than the app
takes at a time (429), or if a request is larger than the platform accepts.

</details>
"""

GROUPS = {
    "Predictions": "How texts will be read.",
    "Feedback": "Whether predictions were right. "
    "If three predictions are marked wrong within five minutes, the team is alerted.",
    "Operations": "For operators of the service.",
}

TEXT = "I love this company the experience was great !"
COMPLAINT = "My flight was cancelled and nobody answers. Worst airline ever!"


class Reply(Struct, frozen=True):
    description: str
    examples: dict[str, Any] = {}  # name -> payload


class Entry(Struct, frozen=True):
    """What the document says about an operation."""

    group: str  # of GROUPS
    description: str
    replies: dict[int, Reply]  # status -> reply
    bodies: dict[str, Any] = {}  # name -> body of a request
    parameters: dict[str, str] = {}  # of the path; name -> value


def entries(receipts: Receipts) -> dict[tuple[str, str], Entry]:
    """Return the entry of each operation, by method and path."""
    first, second = (receipts.sign("example@1", 0.9974, "positive", TEXT) for _ in range(2))
    return {
        ("POST", "/api/predict"): _predict(first),
        ("GET", "/api/models"): MODELS_ENTRY,
        ("POST", "/api/feedback"): _feedback(first, second),
        ("DELETE", "/api/feedback/{prediction_id}"): _erase(first),
        ("POST", "/api/incidents"): INCIDENTS_ENTRY,
        ("GET", "/api/health/live"): LIVE_ENTRY,
        ("GET", "/api/health/ready"): READY_ENTRY,
        ("GET", "/api/openapi.json"): DOCUMENT_ENTRY,
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
        "One text, or up to 64 texts, in English. They are not stored.",
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
MODELS_ENTRY = Entry(
    "Predictions",
    "The served model and all shipped models, with versions, thresholds and metrics; the build of the package; and "
    "what a call may ask for.",
    {200: Reply("The models.", {"The champion": ModelsResponse(_CHAMPION, [_CHAMPION], BUILD)})},
)


def _feedback(first: str, second: str) -> Entry:
    return Entry(
        "Feedback",
        "Sending the same feedback again changes nothing. The text is stored only with `share_text`. Links, names, "
        "addresses and numbers are masked in the text and in the comment.",
        {
            201: Reply("Stored.", {"Stored": FeedbackResponse("created")}),
            200: Reply("The same feedback was stored before.", {"Once more": FeedbackResponse("replayed")}),
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
        "Anyone with the `prediction_id` may erase the feedback on it.",
        {204: Reply("Erased, or there was none.")},
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
INCIDENTS_ENTRY = Entry(
    "Operations",
    "For an action group of Azure Monitor, which has its own key. For a burst of bad predictions, the mail lists those "
    "that no mail has listed yet. If there are none, no mail is sent.",
    {
        200: Reply(
            "The mail was sent, nothing is left to report, or the alert has not fired and is ignored.",
            {
                "Ignored": IncidentResponse("ignored", 0),
                "Sent": IncidentResponse("sent", 3),
                "Once more": IncidentResponse("replayed", 0),
            },
        )
    },
    {"An alert that is over": ALERT},
)
LIVE_ENTRY = Entry(
    "Operations", "Depends on nothing else, not even on a model.", {200: Reply("It responds.", {"Alive": Live()})}
)
READY_ENTRY = Entry(
    "Operations",
    "Returns the served model, the build of the package (a checkout has none), and how busy this instance is. A busy "
    "instance is ready too.",
    {200: Reply("They can be made.", {"Ready": Ready(MODEL, BUILD, {"texts": Load(1, 0, 2, 62)})})},
)
DOCUMENT_ENTRY = Entry(
    "Operations",
    "OpenAPI 3.1, generated from the types that decode requests and encode responses.",
    {200: Reply("The document.", {"Its beginning": {"openapi": "3.1.0", "info": {"title": "Buzzguard"}}})},
)
