"""Test cases for each query, and the mutants of it that they must detect.

A case is its name, whether the alert fires, and the records. A mutant is a part of the query and its replacement.
RANDOM_… generate random records.
"""

from itertools import chain

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.infra.oracle import (
    MODEL,
    Record,
    bad_prediction,
    good_prediction,
    operation,
    prediction,
    purge,
    request,
    trace,
)

MINUTE_SECONDS = 60
TICK = 1e-6  # seconds: the resolution of DuckDB. Kusto's is ten times finer.

type Case = tuple[str, bool, list[Record]]


def reports(*seconds: float) -> list[Record]:
    """Return a report for each time, each of another prediction."""
    return [bad_prediction(receipt, second) for receipt, second in enumerate(seconds)]


def requests(number: int, slow: int = 0, seconds: float = MINUTE_SECONDS, **columns: float | str) -> list[Record]:
    """Return requests to predict on a warm instance. `slow` of them are just above the limit."""
    columns = {"instance": "one"} | columns
    started = request("page", instance=str(columns["instance"]))
    durations = [2000 + TICK + n for n in range(slow)] + [2000.0] * (number - slow)
    return [started, *(request(ms=ms, seconds=seconds, **columns) for ms in durations)]  # type: ignore[arg-type]


def in_buckets(
    expected: dict[int, float], seen: dict[int, int], version: str = "1", model: str = "champion"
) -> list[Record]:
    """Return `seen` predictions per bucket, from a model with the baseline `expected`."""
    return [
        prediction(model, version, bucket=bucket, expected=expected[bucket])
        for bucket, number in seen.items()
        for _ in range(number)
    ]


def unknown_words(
    number: int, share: float, expected: float = 0.2, version: str = "1", model: str = "champion"
) -> list[Record]:
    return [prediction(model, version, unknown=share, unknown_expected=expected)] * number


def judgements(wrong: int, right: int, model: str = MODEL) -> list[Record]:
    return [bad_prediction(n, model=model) for n in range(wrong)] + [
        good_prediction(-n, model=model) for n in range(1, right + 1)
    ]


BURSTS: list[Case] = [
    ("nothing", False, []),
    ("two reports", False, reports(0, 1)),
    ("three at the same moment", True, reports(0, 0, 0)),
    ("three within exactly five minutes", True, reports(0, 150, 300)),
    ("three within a tick more than five minutes", False, reports(0, 150, 300 + TICK)),
    ("exactly five minutes across six clock minutes", True, reports(59, 200, 359)),
    ("one prediction three times", False, [bad_prediction("a", second) for second in (0, 1, 2)]),
    (
        "two predictions, one of them twice",
        False,
        [bad_prediction("a", 0), bad_prediction("a", 1), bad_prediction("b", 2)],
    ),
    (
        "a prediction counts at its first report",
        False,
        [bad_prediction("a", 0), bad_prediction("b", 301), bad_prediction("c", 302), bad_prediction("a", 303)],
    ),
    ("three of five", True, reports(0, 400, 450, 500, 1000)),
    ("a report every 151 seconds", False, reports(*range(0, 900, 151))),
    ("a report every 151 seconds, newest first", False, reports(*range(755, -1, -151))),
    ("a report every 151 seconds, unordered", False, reports(453, 151, 755, 0, 604, 302)),
    ("the last three of four", True, reports(0, 400, 500, 600)),
    ("two bursts, the later one arrives first", True, reports(700, 710, 720, 730, 10, 20, 0)),
    (
        "on three instances",
        True,
        [
            bad_prediction("a", 0, "one"),
            bad_prediction("b", 1, "two"),
            bad_prediction("c", 2, "three"),
            bad_prediction("a", 3, "two"),
        ],
    ),
    (
        "one prediction on three instances",
        False,
        [bad_prediction("a", 0, "one"), bad_prediction("a", 1, "two"), bad_prediction("a", 2, "three")],
    ),
    (
        "of three models",
        True,
        [
            bad_prediction("a", model="lite@1"),
            bad_prediction("b", model="lite@2"),
            bad_prediction("c", model="champion@1"),
        ],
    ),
    ("three predictions of one text", False, [bad_prediction(receipt, 0, text="t") for receipt in "abc"]),
    (
        "three predictions of two texts",
        False,
        [bad_prediction("a", 0, text="t"), bad_prediction("b", 1, text="t"), bad_prediction("c", 2, text="u")],
    ),
    ("three texts", True, [bad_prediction(text, 0, text=text.upper()) for text in "abc"]),
    (
        "three texts, predicted twice each",
        True,
        [bad_prediction(f"{text}{n}", 60 * n, text=text) for text in "tuv" for n in (1, 2)],
    ),
    (
        "a text counts at its first report",
        False,
        [
            bad_prediction("a", 0, text="t"),
            bad_prediction("b", 301, text="u"),
            bad_prediction("c", 302, text="v"),
            bad_prediction("d", 303, text="t"),
        ],
    ),
    (
        "one text on three instances",
        False,
        [bad_prediction(receipt, 0, receipt, text="t") for receipt in ("one", "two", "three")],
    ),
    (
        "one text by three models",
        False,
        [bad_prediction(receipt, model=f"lite@{receipt}", text="t") for receipt in (1, 2, 3)],
    ),
    (
        "one prediction, reported before and after its text had a hash",
        False,
        [
            bad_prediction("a", 0),
            bad_prediction("a", 1, text="t"),
            bad_prediction("b", 2, text="t"),
            bad_prediction("c", 3, text="u"),
        ],
    ),
    (
        "a text with a hash and two reports without",
        True,
        [bad_prediction("a", 0, text="t"), bad_prediction("b", 1), bad_prediction("c", 2)],
    ),
    (
        "reported and then erased",
        True,
        [*reports(0, 1, 2), *(trace("feedback_erased", 3, receipt=n) for n in range(3))],
    ),
    (
        "messages similar to a report",
        False,
        [
            *reports(0, 1),
            *(good_prediction(n) for n in range(9)),
            trace("prediction", 0, receipt="p"),
            trace("bad_predictions", 0, receipt="q"),
            trace("Bad_prediction", 0, receipt="r"),
            trace("bad_prediction: no", 0, receipt="s"),
            trace("a bad_prediction", 0, receipt="t"),
        ],
    ),
]

ERRORS: list[Case] = [
    ("nothing", False, []),
    ("a single request that fails", False, [request(status=500)]),
    ("four of four", False, [request(status=500)] * 4),
    ("five of five", True, [request(status=503)] * 5),
    ("5 % exactly", False, [request(status=500)] * 5 + [request()] * 95),
    ("a little more than 5 %", True, [request(status=500)] * 5 + [request()] * 94),
    ("redirects are successes", False, [request(status=500)] * 5 + [request(status=307)] * 95),
    ("client errors", False, [request(status=status) for status in range(400, 500)]),
    ("an outage among the client errors of a scanner", True, [request(status=500)] * 5 + [request(status=404)] * 500),
    ("a host that reports a 503 as a success", True, [request(status=503) | {"Success": True}] * 5),
    ("gateway errors", True, [request(status=500 + n) | {"Success": True} for n in range(7, 12)]),
    ("a timer fails", True, [request("retention", status=0)] * 5),
    ("five failures, of two functions", False, [request(status=500)] * 3 + [request("feedback", status=500)] * 2),
    ("other functions succeed", True, [request(status=500)] * 5 + [request("live")] * 500),
    ("two functions fail", True, [request(status=500)] * 6 + [request("feedback", status=503)] * 5),
]

LATENCIES: list[Case] = [
    ("nothing", False, []),
    ("one in twenty exactly", False, requests(20, slow=1)),
    ("more than one in twenty", True, requests(39, slow=2)),
    ("one in twenty of more", False, requests(40, slow=2)),
    ("too few", False, requests(19, slow=19)),
    ("the minimum number", True, requests(20, slow=20)),
    ("a cold start", False, requests(30, slow=30, seconds=MINUTE_SECONDS - TICK) + requests(20)),
    ("a cold start while others are warm", False, requests(30, slow=30, seconds=20, instance="new") + requests(20)),
    ("a cold start, then slow", True, requests(30, slow=30, seconds=20) + requests(20, slow=2)),
    ("an instance that gets only predictions", False, [request(ms=9000)] * 30 + [request(seconds=90)] * 20),
    ("slow for a while", False, requests(20) + requests(20, slow=2, seconds=500)),
    ("named after the route", True, requests(20, slow=20, name="POST api/predict")),
    ("another function is slow", False, requests(20) + requests(20, slow=20, name="feedback")),
    ("another function is fast", True, requests(20, slow=2) + requests(20, name="feedback")),
    ("a function with a similar name", False, requests(20, slow=20, name="predictions")),
    ("one in ten", True, requests(100, slow=10)),
]

HALVES = {0: 0.3, 1: 0.7}
DRIFTS: list[Case] = [
    ("nothing", False, []),
    ("as expected", False, in_buckets(HALVES, {0: 90, 1: 210})),
    ("a distance of 0.2 exactly", False, in_buckets(HALVES, {0: 150, 1: 150})),
    ("a little more", True, in_buckets(HALVES, {0: 151, 1: 149})),
    ("in the other direction", True, in_buckets(HALVES, {0: 29, 1: 271})),
    ("too few", False, in_buckets(HALVES, {0: 299})),
    ("the minimum number, and a bucket without predictions", True, in_buckets(HALVES, {0: 300})),
    ("over many buckets", True, in_buckets(dict.fromkeys(range(10), 0.1), dict.fromkeys(range(5), 70))),
    ("a bucket with an expected share of zero", True, in_buckets({3: 0.0}, {3: 300})),
    ("no baseline", False, [prediction(bucket=0)] * 300),
    ("some without a baseline", False, in_buckets(HALVES, {0: 299}) + [prediction(bucket=0)] * 9),
    (
        "half of them from each version",
        False,
        in_buckets(HALVES, {0: 200}) + in_buckets(HALVES, {0: 200}, version="2"),
    ),
    (
        "half of them from each model",
        False,
        in_buckets(HALVES, {0: 200}) + in_buckets(HALVES, {0: 200}, model="lite"),
    ),
    (
        "two versions that drift apart",
        True,
        in_buckets(HALVES, {0: 300}) + in_buckets(HALVES, {1: 700}, version="2"),
    ),
    (
        "two models that drift apart",
        True,
        in_buckets(HALVES, {0: 300}) + in_buckets(HALVES, {1: 700}, model="lite"),
    ),
    (
        "messages similar to a prediction",
        False,
        [bad_prediction(0) | {"Properties": r["Properties"]} for r in in_buckets(HALVES, {0: 300})],
    ),
]

UNKNOWNS: list[Case] = [
    ("nothing", False, []),
    ("as expected", False, unknown_words(300, 0.2)),
    ("0.05 above it exactly", False, unknown_words(300, 0.25)),
    ("a little more", True, unknown_words(299, 0.25) + unknown_words(1, 0.5)),
    ("0.055 above it", True, unknown_words(300, 0.255)),
    ("many, as expected", False, unknown_words(300, 0.3, expected=0.26)),
    ("fewer than expected", False, unknown_words(300, 0.0)),
    ("too few", False, unknown_words(299, 1.0)),
    ("a few texts in another language", False, unknown_words(290, 0.2) + unknown_words(10, 1.0)),
    ("two thirds of the texts", True, unknown_words(200, 0.3) + unknown_words(100, 0.2)),
    ("no baseline", False, [prediction(unknown=1.0)] * 300),
    ("some without a baseline", False, unknown_words(299, 1.0) + [prediction(unknown=1.0)] * 9),
    ("half of them from each version", False, unknown_words(200, 1.0) + unknown_words(200, 1.0, version="2")),
    ("half of them from each model", False, unknown_words(200, 1.0) + unknown_words(200, 1.0, model="lite")),
    ("a version among others", True, unknown_words(300, 0.3) + unknown_words(900, 0.1, version="2")),
    (
        "messages similar to a prediction",
        False,
        [bad_prediction(0) | {"Properties": r["Properties"]} for r in unknown_words(300, 1.0)],
    ),
]

DISAGREEMENTS: list[Case] = [
    ("nothing", False, []),
    ("half of them exactly", False, judgements(20, 20)),
    ("more than half", True, judgements(21, 20)),
    ("too few", False, judgements(39, 0)),
    ("the minimum number", True, judgements(40, 0)),
    (
        "one person reports again and again",
        False,
        judgements(20, 20) + [bad_prediction(0, seconds) for seconds in range(60)],
    ),
    (
        "judged right again and again",
        True,
        judgements(21, 19) + [good_prediction(-1, seconds) for seconds in range(60)],
    ),
    ("judged wrong, erased, judged right", True, judgements(21, 19) + [good_prediction(n) for n in range(21)]),
    ("judged right, erased, judged wrong", True, [*judgements(20, 20), bad_prediction(-1)]),
    ("half of them from each model", False, judgements(25, 0) + judgements(25, 0, "lite@1")),
    ("a model among others", True, judgements(30, 10) + judgements(0, 90, "lite@1")),
    ("other events", False, [*judgements(39, 0), trace("feedback_erased", 0, receipt="e", model=MODEL)]),
]

STOPPED = "Data collection stopped due to daily limit of free data reached. Ingestion status = OverQuota"
CAPS: list[Case] = [
    ("nothing", False, []),
    ("the cap is reached", True, [operation(STOPPED)]),
    ("in two regions", True, [operation(STOPPED), operation(STOPPED)]),
    ("the category of older workspaces", True, [operation(STOPPED, "Data Collection Status")]),
    ("the cap is near", False, [operation("Ingestion status = ApproachingQuota")]),
    ("a new day", False, [operation("Data collection resumed. Ingestion status = UnderQuota")]),
    ("another limit", False, [operation("The data ingestion volume rate crossed the threshold in your workspace")]),
]

BACKLOGS: list[Case] = [
    ("nothing", False, []),
    ("nothing is left", False, [purge()]),
    ("a day is left", False, [purge(hours_behind=24)]),
    ("more than a day is left", True, [purge(hours_behind=25)]),
    ("the next run catches up", False, [purge(0, 300), purge(300, 0)]),
    ("the next run catches up, and arrives first", False, [purge(300, 0), purge(0, 300)]),
    ("the last run of a night does not keep up", True, [purge(0, 0), purge(300, 100), purge(600, 25)]),
    ("other events", False, [*reports(0, 1), trace("feedback_exported", 9, hours_behind=300)]),
]

HOUR_SECONDS = 3600


def purges(*hours: float, until: float, succeeded: bool = True) -> list[Record]:
    """Return runs of the purge at these hours, between one request at 0 and one at `until`."""
    runs = [request("retention", seconds=hour * HOUR_SECONDS) | {"Success": succeeded} for hour in hours]
    return [request(), *runs, request(seconds=until * HOUR_SECONDS)]


MISSING: list[Case] = [
    ("nothing", False, []),
    ("a new app", False, purges(until=26)),
    ("an app that has never purged", True, purges(until=26.1)),
    ("purged 26 hours ago", False, purges(2, until=28)),
    ("purged more than 26 hours ago", True, purges(2, until=28.1)),
    ("every night", False, purges(3, 27, until=48)),
    ("only the first night", True, purges(3, until=48)),
    ("every run fails", True, purges(3, 27, until=48, succeeded=False)),
    ("one run of the night succeeds", False, [*purges(27, until=48, succeeded=False), *purges(27.1, until=48)]),
    ("no other request", False, [request("retention", seconds=hour * HOUR_SECONDS) for hour in (0, 24, 47)]),
    ("another function", True, [*purges(until=48), request("export", seconds=40 * HOUR_SECONDS)]),
    ("newest first", True, purges(3, until=48)[::-1]),
]

SILENCES: list[Case] = [
    ("nothing", True, []),
    ("one request", False, [request()]),
    ("a failed request", False, [request(status=500)]),
    ("a client error", False, [request(status=404)]),
    ("the nightly timer", False, [request("retention", status=0)]),
]

CASES = {
    "bad_prediction_burst": BURSTS,
    "error_rate": ERRORS,
    "latency": LATENCIES,
    "probability_drift": DRIFTS,
    "unknown_words_drift": UNKNOWNS,
    "feedback_disagreement": DISAGREEMENTS,
    "purge_behind": BACKLOGS,
    "no_purge": MISSING,
    "daily_cap": CAPS,
    "no_heartbeat": SILENCES,
}
MUTANTS = {
    "bad_prediction_burst": [
        ('== "bad_prediction"', '=~ "bad_prediction"'),
        ('== "bad_prediction"', 'has "bad_prediction"'),
        ('== "bad_prediction"', 'startswith_cs "bad_prediction"'),
        ('== "bad_prediction"', '== "good_prediction"'),
        ("At = min(TimeGenerated", "At = max(TimeGenerated"),
        ("At = min(At)", "At = max(At)"),
        ("Text = iff(isempty(Hash), Receipt, Hash)", "Text = Receipt"),
        ("Text = iff(isempty(Hash), Receipt, Hash)", "Text = Hash"),
        ("arg_max(Length", "arg_min(Length"),
        ("sum(Receipts)", "count()"),
        ("Texts = count()", "Texts = sum(Receipts)"),
        ("Receipt = tostring(Properties.receipt)", "Receipt = tostring(TimeGenerated)"),
        ("Receipt = tostring(Properties.receipt)", "Receipt = tostring(Properties.receipt), AppRoleInstance"),
        ("Receipt = tostring(Properties.receipt)", "Receipt = tostring(Properties.receipt), OperationId"),
        ("Receipt = tostring(Properties.receipt)", "Receipt = tostring(Properties.model)"),
        ("array_sort_asc(make_list(At))", "make_list(At)"),
        ("array_sort_asc", "array_sort_desc"),
        ("make_list(At)", "make_set(At)"),
        ("max(At)", "min(At)"),
        ("Texts = count()", "Texts = countif(At > datetime(2026-11-22 09:00))"),
        ("(Times, 2, -1)", "(Times, 1, -1)"),
        ("(Times, 2, -1)", "(Times, 3, -1)"),
        ("(Times, 2, -1)", "(Times, 2, -2)"),
        ("<= 5m", "< 5m"),
        ("<= 5m", "<= 6m"),
        ("<= 5m", "<= 4m"),
        ("min(First)", "max(First)"),
    ],
    "error_rate": [
        ('| where ResultCode !startswith "4"\n', ""),
        ('!startswith "4"', '!startswith "3"'),
        ('!startswith "4"', '!startswith "5"'),
        ('!startswith "4"', '!= "404"'),
        ("not(Success) or ", "not(Success) and "),
        ("not(Success) or ", ""),
        (' or ResultCode startswith "5"', ""),
        ('or ResultCode startswith "5"', 'or ResultCode == "500"'),
        ('or ResultCode startswith "5"', 'or ResultCode startswith "50"'),
        ("by Name", "by OperationName"),
        ("Failed >= 5", "Failed > 5"),
        ("Failed >= 5", "Failed >= 4"),
        ("Failed >= 5 and ", ""),
        ("and Failed * 20", "or Failed * 20"),
        ("Failed * 20", "Failed * 21"),
        ("Failed * 20", "Failed * 19"),
        ("> Requests", ">= Requests"),
        ("count()", "dcount(ResultCode)"),
    ],
    "latency": [
        ('Name has "predict"', 'Name == "predict"'),
        ('Name has "predict"', 'Name contains "predict"'),
        ('| where Name has "predict"\n', ""),
        ("(AppRequests |", '(AppRequests | where Name has "predict" |'),
        ("min(TimeGenerated)", "max(TimeGenerated)"),
        ("Started = min(TimeGenerated) by AppRoleInstance", "Started = min(TimeGenerated) by AppRoleInstance, Name"),
        ("| where TimeGenerated >= Started + 1m\n", ""),
        (">= Started", "> Started"),
        ("+ 1m", "+ 2m"),
        ("+ 1m", "+ 59s"),
        ("> 2000", ">= 2000"),
        ("> 2000", "> 2001"),
        (", 95)", ", 90)"),
        (", 95)", ", 99)"),
        ("Requests >= 20", "Requests > 20"),
        ("Requests >= 20", "Requests >= 19"),
        ("and Slow", "or Slow"),
        ("Slow * 20", "Slow * 21"),
        ("Slow * 20", "Slow * 19"),
        ("> Requests", ">= Requests"),
    ],
    "probability_drift": [
        ('== "prediction"', 'endswith "prediction"'),
        ('== "prediction"', '== "predictions"'),
        (" and isnotempty(Properties.expected)", ""),
        (", Version = tostring(Properties.version)", ', Version = ""'),
        ("Model = tostring(Properties.model)", 'Model = ""'),
        ("Bucket = tostring(Properties.bucket)", 'Bucket = ""'),
        ("max_of(0.0, 1.0 * Seen / Predictions - Expected)", "abs(1.0 * Seen / Predictions - Expected)"),
        ("max_of(0.0, 1.0 * Seen / Predictions - Expected)", "max_of(0.0, Expected - 1.0 * Seen / Predictions)"),
        ("max_of(0.0, 1.0 * Seen / Predictions - Expected)", "1.0 * Seen / Predictions - Expected"),
        ("1.0 * Seen", "Seen"),
        ("sum(", "max("),
        ("Predictions >= 300", "Predictions > 300"),
        ("Predictions >= 300", "Predictions >= 299"),
        ("and Distance", "or Distance"),
        ("Distance > 0.2", "Distance >= 0.2"),
        ("Distance > 0.2", "Distance > 0.21"),
        ("Distance > 0.2", "Distance > 0.19"),
    ],
    "unknown_words_drift": [
        ('== "prediction"', 'endswith "prediction"'),
        (" and isnotempty(Properties.unknown_expected)", ""),
        ("avg(", "max("),
        ("avg(", "min("),
        ("avg(todouble(Properties.unknown))", "avg(todouble(Properties.unknown_expected))"),
        ("max(todouble(Properties.unknown_expected))", "max(todouble(Properties.unknown))"),
        ("max(todouble(Properties.unknown_expected))", "max(0.2)"),
        (", Version = tostring(Properties.version)", ', Version = ""'),
        ("Model = tostring(Properties.model)", 'Model = ""'),
        ("Predictions >= 300", "Predictions > 300"),
        ("Predictions >= 300", "Predictions >= 299"),
        ("and Unknown", "or Unknown"),
        ("Unknown > Expected", "Unknown >= Expected"),
        ("+ 0.05", "+ 0.04"),
        ("+ 0.05", "+ 0.06"),
        ("+ 0.05", "- 0.05"),
    ],
    "feedback_disagreement": [
        (', "good_prediction"', ""),
        ('"bad_prediction", ', ""),
        ('where Message in ("bad_prediction", "good_prediction")', 'where Message != ""'),
        ('countif(Message == "bad_prediction")', 'countif(Message == "good_prediction")'),
        ('countif(Message == "bad_prediction")', "count()"),
        ("Model = tostring(Properties.model)", 'Model = ""'),
        ("Receipt = tostring(Properties.receipt)", "TimeGenerated"),
        ("Receipt = tostring(Properties.receipt)", "Receipt = tostring(Properties.receipt), Message"),
        ("Reports > 0", "Reports > 1"),
        ("Wrong = countif(Reports > 0)", "Wrong = sum(Reports)"),
        ("Judged = count()", "Judged = sum(Reports)"),
        ("Judged >= 40", "Judged > 40"),
        ("Judged >= 40", "Judged >= 39"),
        ("and Wrong", "or Wrong"),
        ("Wrong * 2", "Wrong * 3"),
        ("> Judged", ">= Judged"),
    ],
    "purge_behind": [
        ('| where Message == "feedback_purged"\n', ""),
        ('== "feedback_purged"', 'startswith "feedback"'),
        ("arg_max(", "arg_min("),
        ("Hours > 24", "Hours >= 24"),
        ("Hours > 24", "Hours > 25"),
    ],
    "no_purge": [
        ("First = min(", "First = max("),
        ("Latest = max(TimeGenerated)", "Latest = min(TimeGenerated)"),
        ("Purged = max(", "Purged = min("),
        (" and Success", ""),
        ('Name has "retention" and ', ""),
        ("coalesce(Purged, First)", "First"),
        ("coalesce(Purged, First)", "Purged"),
        ("> 26h", ">= 26h"),
        ("> 26h", "> 27h"),
        ("> 26h", "> 25h"),
    ],
    "daily_cap": [
        ('has "OverQuota"', 'has "Ingestion status"'),
        ('has "OverQuota"', 'contains "Quota"'),
        ('has "OverQuota"', 'startswith "OverQuota"'),
        ("| where Detail", '| where OperationCategory == "Ingestion" and Detail'),
        ("| project", "| summarize TimeGenerated = min(TimeGenerated) by Detail | project"),
    ],
    "no_heartbeat": [
        ("Requests == 0", "Requests > 0"),
        ("Requests == 0", "Requests <= 1"),
        ("count()", "countif(Success)"),
        ("count()", 'countif(ResultCode !startswith "4")'),
        ("Requests = count()", "Requests = count() by Name"),
    ],
}


def _flat(lots: SearchStrategy[list[list[Record]]]) -> SearchStrategy[list[Record]]:
    return lots.map(lambda records: list(chain(*records)))


RANDOM_REPORTS = st.lists(
    st.builds(
        lambda message, receipt, has_hash, seconds: (
            bad_prediction(receipt, seconds, text=f"text {receipt % 4}" if has_hash else None) | {"Message": message}
        ),
        st.sampled_from(["bad_prediction"] * 5 + ["good_prediction", "bad_predictions"]),
        st.integers(0, 6),
        st.booleans(),
        st.sampled_from([0, 1, 150, 299, 300, 300 + TICK, 301, 600, 899]) | st.integers(0, 899),
    ),
    max_size=12,
)

RANDOM_REQUESTS = _flat(
    st.lists(
        st.builds(
            lambda number, columns: [request(**columns)] * number,
            st.integers(1, 40),
            st.fixed_dictionaries(
                {
                    "name": st.sampled_from(["predict", "predict", "POST api/predict", "feedback"]),
                    "status": st.sampled_from([200, 200, 200, 307, 404, 499, 500, 503, 0]),
                    "ms": st.sampled_from([5.0, 5.0, 2000.0, 2000.5, 9000.0]),
                    "seconds": st.sampled_from([0, 59, 60, 61, 500]),
                    "instance": st.sampled_from(["one", "two"]),
                }
            ),
        ),
        max_size=8,
    )
)

# The 0.00003 keeps every distance and mean away from the limit, where floats and fractions could differ.
RANDOM_PREDICTIONS = _flat(
    st.lists(
        st.builds(
            lambda version, seen: in_buckets({0: 0.40003, 1: 0.30003, 2: 0.30003}, dict(enumerate(seen)), version),
            st.sampled_from(["1", "2"]),
            st.lists(st.integers(0, 250), min_size=3, max_size=3),
        ),
        max_size=3,
    )
)

RANDOM_TEXTS = _flat(
    st.lists(
        st.builds(
            lambda number, hundredths, version: unknown_words(number, hundredths / 100, 0.10003, version),
            st.integers(1, 250),
            st.integers(0, 40),
            st.sampled_from(["1", "2"]),
        ),
        max_size=5,
    )
)

RANDOM_PURGES = st.lists(
    st.builds(
        lambda name, hour, succeeded: request(name, seconds=hour * HOUR_SECONDS) | {"Success": succeeded},
        st.sampled_from(["retention", "predict", "export"]),
        st.integers(0, 47),
        st.booleans(),
    ),
    max_size=12,
)

RANDOM_JUDGEMENTS = _flat(
    st.lists(
        st.builds(
            lambda judgement, first, number, model: [judgement(n, model=model) for n in range(first, first + number)],
            st.sampled_from([bad_prediction, good_prediction]),
            st.integers(0, 40),
            st.integers(1, 40),
            st.sampled_from(["lite@1", "champion@1"]),
        ),
        max_size=5,
    )
)
