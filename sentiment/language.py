"""Detect texts that are probably not English. The models are trained on English only, but score any text.

Detection counts function words. Almost every sentence has some, each language has its own, and lists of them identify a
language about as well as letter trigrams do (Grefenstette, "Comparing two language identification schemes", 1995). One
pass over the words is enough, and there is no model to load.
"""

import re
import unicodedata

from .links import split_at_links

# Words that English shares with one of the other languages (a, me, no, on, was, die, son) are in neither list.
ENGLISH = frozenset(
    "the and to of for from with are were been being it its this that these those you your my our us him "
    "his she her they them their there here does did have had will would could should not but if can all "
    "just too very more what when where who how why out up about after before because or by be am i'm im "
    "i've i'll i'd it's don't can't isn't doesn't didn't won't that's you're we're they're let's u ur get "
    "got getting go going gone good great best better bad worst thanks thank love like day today tonight "
    "tomorrow night morning week year new work time know think want need see say make really still back "
    "home people flight flights cancelled delayed happy hope never always again please sorry much many "
    "first last next some any only other than then well i lol haha big old long little right left down "
    "off away into over under through while every each both few most such own same another one two three "
    "let look come came take took made said told feel felt find found keep tell ask try use may might "
    "must shall yes yeah oh ok okay wow hey hi hello welcome nice cool fun awesome amazing beautiful bag "
    "bags plane crew service airport open closed".split()
)
FOREIGN = frozenset(
    # French
    "le les des du une et est sont était être avec dans pour pas plus très que qui nous vous ils elle "
    "elles je tu moi où un sur chez aux cette ces mes nos vos leur leurs votre notre merci bonjour "
    "bonsoir toujours jamais rien tout tous toute sans aussi trop avons avez suis fait "
    # Spanish
    "el una está están estoy muy por para pero como más mi sus nos lo gracias hola buenos buenas siempre "
    "nunca todo todos sin también hoy cuando porque han ser fue qué otra otro "
    # German
    "der das den dem ein eine einen einem und ist sind nicht auch mit für auf von zu zum zur ich du er "
    "sie wir ihr mich dich uns sehr immer nie noch nur aber wie wenn weil habe hat haben wird werden kann "
    "danke guten heute kein keine schon wieder "
    # Italian
    "il gli che è sono non più molto della delle dei degli nel nella questo questa mio mia grazie ciao "
    "sempre mai tutto tutti anche oggi stato hanno uno "
    # Portuguese
    "os uma não é muito meu minha nosso você vocês obrigado obrigada tudo também hoje foi estou dos das "
    "pelo pela bom boa outra "
    # Dutch
    "het een niet ook voor van aan zijn ik jij hij wij jullie mij ons heel altijd nooit maar omdat heb "
    "heeft hebben wordt bedankt dank geen dit deze naar bij mijn wat meer weer "
    # Swedish
    "och det att inte jag är på som för från tack ingen "
    # Polish
    "nie jest się że jak ale za dziękuję był tylko mam "
    # Turkish
    "bir bu ve için çok değil gibi daha teşekkürler yine "
    # Indonesian
    "yang ini itu tidak ada saya aku kamu dengan untuk dari sudah juga banget terima kasih sangat".split()
)

_NAME = re.compile(r"[@#]\w+")
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_ELISION = re.compile(r"(?:[cdjlmnst]|qu|dell|nell|un)'[aeiouyhàâéèêëîïôœùû]")


def is_probably_not_english(text: str) -> bool:
    """Return whether `text` is probably not English.

    True if most letters are not Latin, or if function words of other languages outnumber the English ones. Words with
    accents count as foreign once there is a foreign function word. In doubt a text is English: names and unknown words
    alone do not change that.
    """
    composed = unicodedata.normalize("NFC", text)
    unlinked = " ".join(composed[start:end] for start, end, is_link in split_at_links(composed) if not is_link)
    plain = _NAME.sub(" ", unlinked).replace("’", "'").lower()
    words = _WORD.findall(plain)
    letters = "" if plain.isascii() else "".join(words)
    if 2 * sum(not _is_latin(letter) for letter in letters) > len(letters):
        return True
    english = sum(word in ENGLISH for word in words)
    foreign = sum(word in FOREIGN or _ELISION.match(word) is not None for word in words)
    accented = sum(not word.isascii() and word not in FOREIGN for word in words)
    return foreign > 0 and foreign + accented > english


def _is_latin(letter: str) -> bool:
    return letter < "\u0250" or "\u1e00" <= letter < "\u1f00" or letter == "'"
