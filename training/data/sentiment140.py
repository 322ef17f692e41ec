"""Sentiment140: where its archive is, how to download it, and what model cards say about it."""

import hashlib
import io
import urllib.request
import zipfile
from pathlib import Path

from .replacement import replacing

# The archive its authors publish; the sha256 is the one that TensorFlow Datasets pins.
ARCHIVE_URL = "https://cs.stanford.edu/people/alecmgo/trainingandtestdata.zip"
ARCHIVE_SHA256 = "004a3772c8a7ff9bbfeb875880f47f0679d93fc63e5cf9cff72d54a8a6162e57"
ARCHIVE_MEMBER = "training.1600000.processed.noemoticon.csv"
DOWNLOAD_TIMEOUT_SECONDS = 60

ABOUT = """\
Data: Sentiment140 (Go, Bhayani and Huang, 2009), English tweets of private people from April to June 2009, for research
use. They were labelled by the emoticons their authors wrote, which were then removed: the model has hardly seen `:)`
and `:(`. People agree with such labels on about 83% of tweets, so no model gets far above that. Words, brands and emoji
of later years are rare in them or missing."""


def download(folder: Path) -> Path:
    """Download and unpack the archive; return the CSV file. Raises SystemExit unless its digest is ARCHIVE_SHA256."""
    try:
        with urllib.request.urlopen(ARCHIVE_URL, timeout=DOWNLOAD_TIMEOUT_SECONDS) as response:
            archive = response.read()
    except OSError as error:
        raise SystemExit(f"{ARCHIVE_URL}: {error}") from error
    if (actual := hashlib.sha256(archive).hexdigest()) != ARCHIVE_SHA256:
        raise SystemExit(f"{ARCHIVE_URL}: sha256 is {actual}, expected {ARCHIVE_SHA256}")
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / ARCHIVE_MEMBER) as path, path.open("wb") as file:
        file.write(zipfile.ZipFile(io.BytesIO(archive)).read(ARCHIVE_MEMBER))
    return folder / ARCHIVE_MEMBER
