"""The code page of a text that is not UTF-8: Western, Central European, Turkish or Cyrillic, as its words tell."""

from __future__ import annotations

import re
from collections.abc import Collection

WORD = re.compile(rb"[A-Za-z]*[\x80-\xff][A-Za-z\x80-\xff]*")
MOST_WORDS = 20_000
# Shares of the words, and how many of them are more than chance.
_MOST, _SOME, _FEW = 0.8, 0.02, 3
# Words of Central Europe that were read as cp1252: signs inside them, and letters where those never stand. A price in
# pounds is none of them.
_CENTRAL = re.compile(
    "[a-zß-ÿ][³¹¾¿º¼¥][a-zß-ÿ]|^z³$|œæ|^[³£](?!(?:each|ea|per|inc|incl|ex|exc|excl|off|pack|gbp)$)[a-zß-ÿ]{2}|[a-z]\udc9d|[èÈ][aeiouyáéíóú]|[øØ][áíé]|ø[aiu]|[ìù][a-zß-ÿ]|"
    "ñ[b-df-hj-np-tv-z]|ã[b-df-hj-np-rt-z]|õ$|[áéíóú].*õ|[gn]yõ|iæ$|œ[kmt]|[a-z]œ[cn]|ê[bzg]|û[zvgk]"
)
# Words of Western Europe that are none of cp1250.
_WESTERN = re.compile(
    "ñ[aeiouáéíóúü]|è[rvsmtdgqlnp]|[ìòù]$|ø[bdgjklmnrstv]|[åÅ]|æ[drbkstglnv]|ê[mt]|ão|õe|ï[dcs]|à$|û[tcml]"
)
# Turkish words that were read as cp1252, and those of Iceland, which has such letters in other places.
_TURKISH = re.compile(
    "[çüÇÜ].*[ðýþ]|[ðýþÞÝ].*[çüÇÜ]|(?<![vV])ý[a-zçöüðþ]*ý|[aeiouýöü]þ(?:$|[bcçdfgklmnprstyz])|Þ[ýöü]|Ý[a-zçöü]{2}|Iþ|ð[lý]"
)
_ICELANDIC = re.compile("[áíóúæ]|Þ[oóruú]|ður|ðs|ðr|[lgr]ð|ý[ðrs]|^Ým")
# A Cyrillic word of cp1251: small letters behind at most one capital, or capitals alone.
_CAPITALS, _SMALL = (
    rb"\x80\x81\x8a\x8c-\x8f\xa1\xa3\xa5\xa8\xaa\xaf\xb2\xbd\xc0-\xdf",
    rb"\x83\x90\x9a\x9c-\x9f\xa2\xb3\xb4\xb8\xba\xbc\xbe\xbf\xe0-\xff",
)
_CYRILLIC = re.compile(rb"[%b]?[%b]+|[%b]{2,}" % (_CAPITALS, _SMALL, _CAPITALS))
_CAPITAL = re.compile(rb"[%b]" % _CAPITALS)
_FOREIGN = re.compile(rb"[\x80-\xff]{3,}")
_ODD = re.compile("[A-Za-z][\udc81\udc8d\udc8f\udc90\udc9dŠŽŸ‚„”†‡ˆ…•‰§¤¢][a-zß-ÿ]")


def guess_code_page(words: Collection[bytes]) -> tuple[str, bytes]:
    """Return the code page of a text from its words that are not ASCII, and one of them that tells; empty for cp1252.

    The code page is empty where the words fit none of them.

    >>> guess_code_page([word.encode("cp1250") for word in ("Dvořák", "Němec")])[0]
    'cp1250'
    >>> guess_code_page([word.encode("cp1251") for word in ("Иванов", "Москва")])[0]
    'cp1251'
    >>> guess_code_page([word.encode("cp1252") for word in ("Müller", "Lefèvre")])
    ('cp1252', b'')
    """
    foreign = [word for word in words if _FOREIGN.fullmatch(word)]
    if 2 * len(foreign) > len(words):
        fitting = [word for word in foreign if _CYRILLIC.fullmatch(word)]
        is_cyrillic = len(fitting) >= _MOST * len(foreign) and any(map(_CAPITAL.match, fitting))
        return ("cp1251" if is_cyrillic else ""), foreign[0]
    read = {word: word.decode("cp1252", errors="surrogateescape") for word in words}
    odd = [word for word, text in read.items() if _ODD.search(text)]
    if 2 * len(odd) > len(words):
        return "", odd[0]
    central, western, turkish, icelandic = (
        [word for word, text in read.items() if pattern.search(text)]
        for pattern in (_CENTRAL, _WESTERN, _TURKISH, _ICELANDIC)
    )
    for page, telling, against in (
        ("cp1250", central, len(western)),
        ("cp1254", turkish, len(central) + len(western) + len(icelandic)),
    ):
        if len(telling) > against and (len(telling) >= _FEW or len(telling) > _SOME * len(words)):
            return page, telling[0]
    return "cp1252", b""
