"""Which country a text means: an ISO 3166 code, or a name in one of some 30 languages. Pure."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from functools import cache

import phonenumbers

_ALSO = {
    "US": "usa|u.s.a.|u.s.|united states of america|the united states"
    "|vereinigte staaten von amerika|vsa|eeuu|ee. uu."
    "|etats-unis d'amerique|estados unidos de america",
    "GB": "uk|u.k.|gbr|great britain|england|scotland|wales|northern ireland|grossbritannien"
    "|vereinigtes konigreich|grande-bretagne|angleterre|engeland|groot-brittannie|inglaterra",
    "NL": "nld|holland|the netherlands|niederlande|holanda|hollande",
    "ZA": "zaf|rsa|r.s.a.|republic of south africa|suid-afrika|afrika-borwa",
    "DE": "deu|ger|brd|federal republic of germany|bundesrepublik deutschland",
    "CZ": "cze|czechia|czech republic|tschechien|ceska republika|cesko",
    "TR": "tur|turkey|turkiye|turkei",
    "CI": "civ|cote d'ivoire|ivory coast",
    "KR": "kor|south korea|korea, republic of|republic of korea",
    "RU": "rus|russia|russian federation|\u0440\u043e\u0441\u0441\u0438\u044f",
    "SZ": "swz|eswatini|swaziland",
    "CH": "che|schweiz|suisse|svizzera|svizra",
    "AE": "are|uae|u.a.e.|united arab emirates",
    "JP": "jpn|\u65e5\u672c|\u65e5\u672c\u56fd",
    "AT": "aut",
    "AU": "aus",
    "BE": "bel",
    "BR": "bra",
    "BW": "bwa",
    "CA": "can",
    "DK": "dnk",
    "ES": "esp",
    "FI": "fin",
    "FR": "fra",
    "IE": "irl|eire|republic of ireland",
    "IN": "ind",
    "IT": "ita",
    "KE": "ken",
    "MX": "mex",
    "NA": "nam",
    "NG": "nga",
    "NO": "nor",
    "NZ": "nzl",
    "PL": "pol",
    "PT": "prt",
    "SE": "swe",
}
"""What people write, and the lists do not have."""


def region_of(text: str) -> str:
    """The ISO 3166 code of a country that the phone library knows; "" where nobody can tell."""
    code = text.strip().upper()
    return code if code in phonenumbers.SUPPORTED_REGIONS else _names().get(_folded(text), "")


@cache
def _names() -> dict[str, str]:
    """Names without accents and case; one that two countries bear is none."""
    from phonenumbers.geodata.locale import LOCALE_DATA  # noqa: PLC0415 - large

    found: dict[str, set[str]] = defaultdict(set)
    for code, names in LOCALE_DATA.items():
        for name in names.values():
            if not name.startswith("*"):
                found[_folded(name)].add(code)
    for code, also in _ALSO.items():
        for name in also.split("|"):
            found[_folded(name)] = {code}
    return {
        name: code
        for name, codes in found.items()
        for code in codes
        if len(codes) == 1 and code in phonenumbers.SUPPORTED_REGIONS
    }


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.strip().casefold())
    return " ".join("".join(one for one in plain if not unicodedata.combining(one)).split())
