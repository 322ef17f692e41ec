"""`python -m infra.restore CONTAINER_URL`: restore the exported feedback into its table.

The environment holds the app's settings: TABLES_ENDPOINT, used with the account of `az login`, or
TABLES_CONNECTION_STRING; FEEDBACK_TABLE; FEEDBACK_RETENTION_DAYS. May be interrupted and repeated.
"""

import logging
import os
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cloud.blob_storage import BlobFeedbackExport
from cloud.settings import Settings, read_settings
from cloud.stores import create_feedback_store
from feedback.errors import StoreUnavailable
from feedback.export import RestoreOutcome, restore_feedback
from sentiment.errors import BuzzguardError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

UNUSED_KEY = "required by the settings; nothing is signed here"


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    logging.getLogger("azure").setLevel(logging.ERROR)  # its warnings repeat the error that it raises
    try:
        settings = read_settings(os.environ | {"RECEIPT_KEY": UNUSED_KEY, "EXPORT_CONTAINER_URL": sys.argv[1]})
        store, archive = create_feedback_store(settings, _azure_cli), BlobFeedbackExport(settings, _azure_cli)
        since = datetime.now(UTC) - timedelta(days=settings.feedback_retention_days)
        print(summarize(restore_feedback(store, archive, since)))
    except StoreUnavailable as error:
        raise SystemExit(f"{error} {str(error.__cause__).partition('\n')[0]}") from error
    except BuzzguardError as error:
        raise SystemExit(str(error)) from error


def summarize(counts: Counter[RestoreOutcome]) -> str:
    return (
        f"{counts['restored']} restored, {counts['existing']} there already, {counts['different']} different from what"
        f" is there, {counts['erased']} left out because they were erased, {counts['expired']} because they are too old"
    )


def _azure_cli(_: Settings) -> "TokenCredential":
    from azure.identity import AzureCliCredential

    return AzureCliCredential()


if __name__ == "__main__":
    main()
