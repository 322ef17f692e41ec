"""Write sentiment/emoji_names.txt: the names of emoji that Python does not know, and of sequences.

The names are Unicode's, as the package `emoji` (BSD licence) has them. Sequences that say no more than their parts,
like those of an astronaut and of a family, are left out.
"""

import re
import unicodedata
from pathlib import Path

import emoji

TABLE = Path(__file__).resolve().parent.parent / "sentiment/emoji_names.txt"
_DETAILS = re.compile("[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]|\u200d[♀♂➡]")  # as sentiment/emoji.py drops them
_PERSON = re.compile("[👨👩🧑]\u200d")


def main() -> None:
    TABLE.write_text(table(), encoding="utf-8")
    print(f"{TABLE}: {TABLE.stat().st_size:,} bytes")


def table() -> str:
    """Return the lines of the table: characters, a space, and a name."""
    names: dict[str, str] = {}
    for characters, about in emoji.EMOJI_DATA.items():
        plain = _DETAILS.sub("", characters)
        if plain and plain not in names and _needs_name(plain):
            names[plain] = _name(plain, about["en"])
    return "".join(f"{characters} {names[characters]}\n" for characters in sorted(names))


def _needs_name(characters: str) -> bool:
    if len(characters) == 1:
        return unicodedata.category(characters) == "Cn"
    if "\u200d" in characters:
        return not _PERSON.match(characters)
    return characters[0] == "\U0001f3f4" or _is_flag(characters)


def _is_flag(characters: str) -> bool:
    return all("\U0001f1e6" <= character <= "\U0001f1ff" for character in characters)


def _name(characters: str, english: str) -> str:
    """Return a name like face_exhaling, in ASCII."""
    words = unicodedata.normalize("NFKD", english.strip(":").replace("&", "and"))
    words = re.sub("_(?:(?:medium-)?(?:light|dark)|medium)_skin_tone", "", words)
    name = re.sub("[^a-z0-9_-]", "", words.encode("ascii", "ignore").decode().lower())
    return f"flag_{name}" if "\u200d" not in characters and len(characters) > 1 else name


if __name__ == "__main__":
    main()
