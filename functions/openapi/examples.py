"""What the OpenAPI document says beyond the types: groups, descriptions, and examples.

They work when they are tried, except those that need a receipt. Only a prediction gets one, so the `prediction_id` in
the examples is a placeholder: replace it with that of a prediction of your own. The feedback says that the label was
right, and shares no text.
"""

from typing import Any

from msgspec import Struct

from functions.feedback import FeedbackResponse
from functions.health import Live, Ready
from functions.incident import IncidentResponse
from functions.models import Description, ModelsResponse
from functions.predict import Explanation, Prediction, PredictResponse
from functions.schemas import ModelName
from functions.shared.bulkhead import Load
from functions.shared.report_limit import PER_CALLER, PER_INSTANCE
from sentiment.manifest import Metrics, Thresholds

ABOUT = """\
Will this tweet be read as positive or negative? Ask before you publish.

To try an operation, open it, choose an example and press **Execute**. For feedback and its erasure, first put the
`prediction_id` of a prediction of your own into the example. An operation with a lock needs a key, which you enter
under **Authorize**: a function key, or for incidents the `INCIDENT_KEY`. On a laptop both are in `local.settings.json`,
the function key as `DEVHOST_FUNCTION_KEY`.

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
    "If the predictions of three texts are marked wrong within five minutes, the team is alerted.",
    "Operations": "For operators of the service.",
}

TEXT = "I love this company the experience was great !"
RECEIPT = "replace-this-with-the-prediction_id-of-a-prediction"
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


MODEL = ModelName("champion", "20261122-4449c2a6")
BUILD = "5bd2c3f0a8e19d47"


_WORDS = [Explanation(2, 6, "love", 2.0481), Explanation(39, 44, "great", 1.0275)]
_PLAIN = Prediction(RECEIPT, "positive", 0.9974, "publish", [])
_EXPLAINED = Prediction(RECEIPT, "positive", 0.9974, "publish", [], _WORDS)
_NEGATIVE = Prediction(RECEIPT, "negative", 0.0072, "hold", [])
PREDICT_ENTRY = Entry(
    "Predictions",
    "One text, or up to 64 texts, in English. They are not stored.",
    {
        200: Reply(
            "A prediction for each text.",
            {
                "One text": PredictResponse([_PLAIN], MODEL),
                "Several texts": PredictResponse([_PLAIN, _NEGATIVE], MODEL),
                "Which words decided": PredictResponse([_EXPLAINED], MODEL),
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


FEEDBACK_ENTRY = Entry(
    "Feedback",
    "Sending the same feedback again, or a part of it, changes nothing. The text is stored only with `share_text`, and "
    "only if it is exactly the predicted one; the response is the same for any other. Links, names, addresses and "
    f"numbers are masked in the text and in the comment. A caller may send {PER_CALLER.per_second * 60:.0f} reports a "
    f"minute, {PER_CALLER.burst} of them at once; without a key or a sign-in all callers together may send "
    f"{PER_INSTANCE.per_second * 60:,.0f}, {PER_INSTANCE.burst:,} of them at once. Each instance counts for itself.",
    {
        201: Reply("Stored.", {"Stored": FeedbackResponse("created")}),
        200: Reply("The same feedback was stored before.", {"Once more": FeedbackResponse("replayed")}),
    },
    {
        "The label was right": {"prediction_id": RECEIPT, "correct": True},
        "With a comment": {
            "prediction_id": RECEIPT,
            "correct": True,
            "text": TEXT,
            "share_text": False,
            "comment": "Nothing but praise, as it says.",
        },
    },
)
ERASE_ENTRY = Entry(
    "Feedback",
    "Anyone with the `prediction_id` may erase the feedback on it. An erasure counts like a report.",
    {204: Reply("Erased, or there was none.")},
    parameters={"prediction_id": RECEIPT},
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
            "description": "Predictions of three different texts were reported wrong within five minutes.",
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
    "Returns the served model, the build of the package, whether the package was built with that model, and how busy "
    "this instance is; a busy instance is ready too. A checkout has no build, and no list of models to trust.",
    {200: Reply("They can be made.", {"Ready": Ready(MODEL, BUILD, trusted=True, load={"texts": Load(1, 0, 2, 62)})})},
)
DOCUMENT_ENTRY = Entry(
    "Operations",
    "OpenAPI 3.1, generated from the types that decode requests and encode responses.",
    {200: Reply("The document.", {"Its beginning": {"openapi": "3.1.0", "info": {"title": "Buzzguard"}}})},
)

ENTRIES = {  # by method and path
    ("POST", "/api/predict"): PREDICT_ENTRY,
    ("GET", "/api/models"): MODELS_ENTRY,
    ("POST", "/api/feedback"): FEEDBACK_ENTRY,
    ("DELETE", "/api/feedback/{prediction_id}"): ERASE_ENTRY,
    ("POST", "/api/incidents"): INCIDENTS_ENTRY,
    ("GET", "/api/health/live"): LIVE_ENTRY,
    ("GET", "/api/health/ready"): READY_ENTRY,
    ("GET", "/api/openapi.json"): DOCUMENT_ENTRY,
}
