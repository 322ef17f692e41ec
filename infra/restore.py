"""`python -m infra.restore CONTAINER_URL`: put the exported feedback back into its table.

The table is that of the app's settings in the environment: TABLES_ENDPOINT, which is reached as whoever has done
`az login`, or TABLES_CONNECTION_STRING; FEEDBACK_TABLE; FEEDBACK_RETENTION_DAYS. May be repeated.
"""

import logging
import os
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cloud.blob_storage import BlobFeedbackExport
from cloud.settings import Settings, read
from cloud.table_storage import TableFeedbackStore
from feedback.export import Outcome, restore
from sentiment.errors import BuzzguardError, StoreUnavailable

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

ANY_KEY = "nothing is signed here: any key will do"


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    logging.getLogger("azure").setLevel(logging.ERROR)  # what it warns of is in the error that it raises
    try:
        settings = read(os.environ | {"RECEIPT_KEY": ANY_KEY, "EXPORT_CONTAINER_URL": sys.argv[1]})
        store, archive = TableFeedbackStore(settings, _azure_cli), BlobFeedbackExport(settings, _azure_cli)
        since = datetime.now(UTC) - timedelta(days=settings.feedback_retention_days)
        print(told(restore(store, archive, since)))
    except StoreUnavailable as error:
        raise SystemExit(f"{error} {str(error.__cause__).partition('\n')[0]}") from error
    except BuzzguardError as error:
        raise SystemExit(str(error)) from error


def told(counts: Counter[Outcome]) -> str:
    return (
        f"{counts['restored']} restored, {counts['there']} there already, {counts['different']} different from what is"
        f" there, {counts['erased']} left out because they were erased, {counts['expired']} because they are too old"
    )


def _azure_cli(_: Settings) -> "TokenCredential":
    from azure.identity import AzureCliCredential

    return AzureCliCredential()


if __name__ == "__main__":
    main()
