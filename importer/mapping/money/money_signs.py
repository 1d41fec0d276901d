"""Which currencies a sign beside an amount may stand for. Pure.

A sign that is not listed makes the cell unreadable: ``12k`` is not 12, and ``50¢`` not 50. One
that is listed must be able to stand for the currency of its row: ``$12`` is no amount in ZAR.

Source: the ISO 4217 codes, and for signs the Unicode CLDR (narrow and usual forms) and what
accounting programs print.
"""

from __future__ import annotations

from importer.rows.currencies import ACTIVE

_SEVERAL = {
    "$": "USD ARS AUD BBD BMD BND BSD BZD CAD CLP COP CUP DOP FJD GYD HKD JMD KYD LRD MXN NAD NZD"
    " SBD SGD SRD TTD TWD UYU XCD ZWG",
    "£": "GBP EGP FKP GIP LBP SDG SHP SSP SYP",
    "¥": "JPY CNY",
    "₨ RS": "INR LKR MUR NPR PKR SCR",
    "₩ 원": "KRW KPW",
    "﷼": "IRR OMR QAR SAR YER",
    "R RAND": "ZAR LSL NAD SZL",
    "KR": "SEK NOK DKK ISK",
    "FR": "CHF BIF CDF DJF GNF KMF RWF XAF XOF XPF",
    "F CFA FCFA": "XAF XOF XPF",
    "SH": "KES SOS TZS UGX",
    "B$": "BND BSD",
    "BR": "BYN ETB",
    "BS": "BOB VES",
    "C$": "CAD NIO",
    "DH DHS": "AED MAD",
    "K": "ZMW PGK MMK LAK",
    "KM": "BAM",
    "L": "HNL LSL SZL",
    "LEI LEU": "MDL RON",
    "SR": "SAR SCR",
}
_ONE = {
    "AFN": "؋",
    "AMD": "֏",
    "AOA": "KZ",
    "AUD": "A$ AU$",
    "AZN": "₼",
    "BBD": "BDS$",
    "BDT": "৳ TK",
    "BHD": "BD",
    "BRL": "R$",
    "BWP": "P",
    "BZD": "BZ$",
    "CAD": "CA$ CAN$",
    "CHF": "SFR",
    "CNY": "CN¥ RMB 元",
    "CRC": "₡",
    "CZK": "KČ",
    "DKK": "DKR",
    "DOP": "RD$",
    "DZD": "DA",
    "EGP": "E£ LE",
    "EUR": "€ EURO",
    "FJD": "FJ$",
    "GBP": "STG",
    "GEL": "₾",
    "GHS": "₵ GH₵ GH¢",
    "GMD": "D",
    "GTQ": "Q",
    "GYD": "GY$ G$",
    "HKD": "HK$",
    "HUF": "FT",
    "IDR": "RP",
    "ILS": "₪ NIS",
    "INR": "₹",
    "JMD": "J$",
    "JOD": "JD",
    "JPY": "JP¥ 円",
    "KES": "KSH",
    "KHR": "៛",
    "KWD": "KD",
    "KZT": "₸",
    "LAK": "₭",
    "LRD": "L$",
    "LSL": "M",
    "LYD": "LD",
    "MGA": "AR",
    "MNT": "₮",
    "MRU": "UM",
    "MUR": "RE",
    "MXN": "MX$",
    "MYR": "RM",
    "MZN": "MT",
    "NAD": "N$",
    "NGN": "₦ N",
    "NOK": "NKR",
    "NZD": "NZ$",
    "OMR": "RO",
    "PHP": "₱",
    "PLN": "ZŁ",
    "PYG": "₲",
    "QAR": "QR",
    "RSD": "DIN",
    "RUB": "₽ РУБ",
    "RWF": "FRW RF",
    "SEK": "SKR",
    "SGD": "S$",
    "SZL": "E",
    "THB": "฿",
    "TND": "DT",
    "TOP": "T$",
    "TRY": "₺ TL",
    "TTD": "TT$",
    "TWD": "NT$ NTD",
    "TZS": "TSH",
    "UAH": "₴ ГРН",
    "UGX": "USH",
    "USD": "US$ USD$",
    "VND": "₫",
    "XCD": "EC$",
    "ZWG": "ZIG",
}
_WITH_STOP = "BR BS DH DHS DIN FR FT KR KSH RP RS SFR SH TK TSH USH ГРН РУБ"
"""Abbreviations that may end in a full stop; ``R.50`` could be 50 or 0.50, so it is neither."""
_IN_FRONT_ONLY = frozenset("BDEKLMNPQT")
"""Behind an amount these are units of another kind, or magnitudes: ``12k``, ``5M``."""


def _meanings() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {code: {code} for code in ACTIVE}
    for signs, codes in _SEVERAL.items():
        for sign in signs.split():
            found.setdefault(sign, set()).update(codes.split())
    for code, signs in _ONE.items():
        for sign in signs.split():
            found.setdefault(sign, set()).add(code)
    for sign in _WITH_STOP.split():
        found[f"{sign}."] = found[sign]
    return {sign: frozenset(codes) for sign, codes in found.items()}


MEANINGS = _meanings()
"""Sign, in capitals -> the codes that it may stand for."""
IN_FRONT = tuple(sorted(MEANINGS))
"""Signs that may stand before an amount."""
BEHIND = tuple(sign for sign in IN_FRONT if sign not in _IN_FRONT_ONLY)
"""Signs that may stand after one."""
PAIRS = tuple(sorted(f"{sign}:{code}" for sign, codes in MEANINGS.items() for code in codes))
"""``SIGN:CODE`` of all that go together."""
CODE_LIKE = "^[A-Z]{3}$"
"""What looks like a code may be one that was withdrawn: it names another currency."""
