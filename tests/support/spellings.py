"""Ways to spell an English text so that a person reads it, and a program that is not careful does not."""

from collections.abc import Callable

ASCII_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _exchange(letters: str, others: str) -> Callable[[str], str]:
    """Return a function that exchanges `letters`, in lower case, for the characters in the same place."""
    table = str.maketrans(letters, others)
    return lambda text: text.lower().translate(table)


def _shift(capital: int, small: int | None = None, exceptions: str = "") -> Callable[[str], str]:
    """Return a function that writes letters of an alphabet that starts at these code points."""
    holes = dict(zip(exceptions[::2], exceptions[1::2], strict=True))

    def write(letter: str) -> str:
        if letter in holes or letter not in ASCII_LETTERS:
            return holes.get(letter, letter)
        if letter.isupper() or small is None:
            return chr(capital + ord(letter.upper()) - ord("A"))
        return chr(small + ord(letter) - ord("a"))

    return lambda text: "".join(map(write, text))


def _after_each(mark: str) -> Callable[[str], str]:
    return lambda text: "".join(character if character.isspace() else character + mark for character in text)


def _every_second_word(spell: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: " ".join(word if i % 2 else spell(word) for i, word in enumerate(text.split(" ")))


def _inside_words(mark: str) -> Callable[[str], str]:
    return lambda text: " ".join(word[:1] + mark + word[1:] for word in text.split(" "))


_MATHEMATICAL = {
    "bold": _shift(0x1D400, 0x1D41A),
    "italic": _shift(0x1D434, 0x1D44E, "hℎ"),
    "bold italic": _shift(0x1D468, 0x1D482),
    "script": _shift(0x1D49C, 0x1D4B6, "BℬEℰFℱHℋIℐLℒMℳRℛeℯgℊoℴ"),
    "bold script": _shift(0x1D4D0, 0x1D4EA),
    "fraktur": _shift(0x1D504, 0x1D51E, "CℭHℌIℑRℜZℨ"),
    "bold fraktur": _shift(0x1D56C, 0x1D586),
    "double-struck": _shift(0x1D538, 0x1D552, "CℂHℍNℕPℙQℚRℝZℤ"),
    "sans-serif": _shift(0x1D5A0, 0x1D5BA),
    "sans-serif bold": _shift(0x1D5D4, 0x1D5EE),
    "sans-serif italic": _shift(0x1D608, 0x1D622),
    "sans-serif bold italic": _shift(0x1D63C, 0x1D656),
    "monospace": _shift(0x1D670, 0x1D68A),
}
_FRAMED = {
    "circled": _shift(0x24B6, 0x24D0),
    "in brackets": _shift(0x249C),
    "capitals in brackets": _shift(0x1F110),
    "squared": _shift(0x1F130),
    "white on black circles": _shift(0x1F150),
    "white on black squares": _shift(0x1F170),
    "regional indicators, apart": lambda text: _after_each("\u200b")(_shift(0x1F1E6)(text)),
    "outlined": _shift(0x1CCD6),
    "fullwidth": _shift(0xFF21, 0xFF41),
}
_SMALL = {
    "small capitals": _exchange("abcdefghijklmnopqrstuvwxyz", "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡxʏᴢ"),
    "raised": _exchange("abcdefghijklmnoprstuvwxyz", "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ"),
    "lowered": _exchange("aehijklmnoprstuvx", "ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ"),
}
_OTHER_ALPHABETS = {
    "Cyrillic, some letters": _exchange("aceopxyijs", "асеорхуіјѕ"),
    "Cyrillic, one letter a word": lambda text: " ".join(word.replace("e", "е", 1) for word in text.split(" ")),
    "Greek": _exchange("aoivupk", "αοινυρκ"),
    "Armenian": _exchange("honugq", "հօոսցգ"),
    "Cherokee": _exchange("adeghiljmprstvwyz", "ᎪᎠᎬᏀᎻᏆᏞᎫᎷᏢᎡᏚᎢᏙᎳᎩᏃ"),
    "Coptic": _exchange("hkmnoptxy", "ⲎⲔⲘⲚⲞⲢⲦⲬⲨ"),
    "Canadian": _exchange("abdfhjlmnprsuvw", "ᗩᗷᗪᖴᕼᒍᒪᗰᑎᑭᖇᔕᑌᐯᗯ"),
    "Lisu, whole words": _every_second_word(_exchange("abcdefghijklmnoprstuvwxyz", "ꓮꓐꓚꓓꓰꓝꓖꓧꓲꓙꓗꓡꓟꓠꓳꓑꓣꓢꓔꓴꓦꓪꓫꓬꓜ")),
    "signs of money": _exchange("acfgkmnpstwe", "₳₵₣₲₭₥₦₱₴₮₩ɇ"),
    "stroked": _exchange("abcegijlpruyz", "ⱥƀȼɇǥɨɉⱡᵽɍʉɏƶ"),
    "faux Cyrillic": lambda text: text.upper().replace("R", "Я").replace("N", "И"),
}
_MARKED = {
    name: _after_each(mark)
    for name, mark in {
        "underlined": "\u0332",
        "underlined twice": "\u0333",
        "macron below": "\u0331",
        "struck through": "\u0336",
        "slashed": "\u0338",
        "crossed with a tilde": "\u0334",
        "overlined": "\u0305",
        "in enclosing circles": "\u20dd",
        "in keycaps": "\ufe0f\u20e3",
        "Zalgo": "\u0321\u031b\u0334\u0489\u0300\u0316",
        "with Thai marks": "\u0e47\u0e47",
        "with the millions sign": "\u0489",
    }.items()
}
# Each is something to write between two letters of a word.
INVISIBLE = {
    "zero width space": "\u200b",
    "zero width non-joiner": "\u200c",
    "zero width joiner": "\u200d",
    "word joiner": "\u2060",
    "invisible separator": "\u2063",
    "byte order mark": "\ufeff",
    "soft hyphen": "\xad",
    "left-to-right mark": "\u200e",
    "Arabic letter mark": "\u061c",
    "isolate": "\u2066\u2069",
    "embedding": "\u202a\u202c",
    "deprecated format": "\u206c",
    "tags": "\U000e0001\U000e0061\U000e007f",
    "variation selector": "\ufe0f",
    "ideographic variation selector": "\U000e0101",
    "combining grapheme joiner": "\u034f",
    "Mongolian vowel separator": "\u180e",
    "Mongolian variation selector": "\u180b",
    "Khmer inherent vowel": "\u17b4",
    "interlinear annotation": "\ufff9\ufffb",
    "musical format": "\U0001d173",
    "shorthand format": "\U0001bca0",
    "control character": "\x07",
    "entity": "&#8203;",
    "entity of a soft hyphen": "&shy;",
}
_HIDDEN = {f"with {name} inside": _inside_words(mark) for name, mark in INVISIBLE.items()}

SPELLINGS = _MATHEMATICAL | _FRAMED | _SMALL | _OTHER_ALPHABETS | _MARKED | _HIDDEN
