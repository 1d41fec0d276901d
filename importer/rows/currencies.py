"""ISO 4217 currency codes: which are active, their minor units, and what a wrong one meant. Pure.

Source: ISO 4217 list one (active codes, funds, metals, ``XTS`` and ``XXX``) as of 1 January 2026.
"""

from __future__ import annotations

import difflib


def _codes(text: str) -> tuple[str, ...]:
    return tuple(text.split())


AS_OF = "2026-01-01"
"""The date of the list: after amendment 179; Bulgaria has the euro."""

ACTIVE = frozenset(
    _codes("""
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD
    CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP
    GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR
    KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN
    MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD
    SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX
    USD USN UYI UYU UYW UZS VED VES VND VUV WST XAD XAF XAG XAU XBA XBB XBC XBD XCD XCG XDR XOF XPD
    XPF XPT XSU XTS XUA XXX YER ZAR ZMW ZWG
    """)
)
"""The 178 codes that ``currency`` may have."""

_EXPONENTS: dict[str, int | None] = {
    **dict.fromkeys(
        _codes("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"), 0
    ),
    **dict.fromkeys(_codes("BHD IQD JOD KWD LYD OMR TND"), 3),
    **dict.fromkeys(_codes("CLF UYW"), 4),
    # "N.A." in list one: metals, bond market units, accounting units, tests, no currency.
    **dict.fromkeys(_codes("XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX")),
}

_WITHDRAWN = {
    "ANG": "XCG",
    "BGN": "EUR",
    "BYR": "BYN",
    "CUC": "CUP",
    "EEK": "EUR",
    "GHC": "GHS",
    "HRK": "EUR",
    "LTL": "EUR",
    "LVL": "EUR",
    "MRO": "MRU",
    "MZM": "MZN",
    "ROL": "RON",
    "SKK": "EUR",
    "SLL": "SLE",
    "STD": "STN",
    "TRL": "TRY",
    "VEB": "VES",
    "VEF": "VES",
    "ZMK": "ZMW",
    "ZWD": "ZWG",
    "ZWL": "ZWG",
}
"""Codes that were active once, and what replaced them."""

_COMMON = {
    "$": "USD",
    "DOLLAR": "USD",
    "DOLLARS": "USD",
    "EU": "EUR",
    "EURO": "EUR",
    "EUROS": "EUR",
    "KSH": "KES",
    "NAIRA": "NGN",
    "NTD": "TWD",
    "POUND": "GBP",
    "POUNDS": "GBP",
    "PULA": "BWP",
    "R": "ZAR",
    "RAND": "ZAR",
    "RANDS": "ZAR",
    "RMB": "CNY",
    "RUR": "RUB",
    "STG": "GBP",
    "STERLING": "GBP",
    "UK": "GBP",
    "US": "USD",
    "US$": "USD",
    "USD$": "USD",
    "YEN": "JPY",
    "YUAN": "CNY",
    "ZA": "ZAR",
    "ZAR.": "ZAR",
    "£": "GBP",
    "¥": "JPY",
    "€": "EUR",
}
"""What people write in place of a code."""


def minor_units(code: str) -> int | None:
    """Decimal digits of the minor unit (ZAR 2, JPY 0, KWD 3, CLF 4).

    None where the code has no minor unit (metals, ``XXX``) or is not active.
    """
    return _EXPONENTS.get(code, 2) if code in ACTIVE else None


def meant(text: str) -> str:
    """The active code that ``text`` most likely means; "" where none is near."""
    upper = text.strip().upper()
    if upper in ACTIVE:
        return upper
    known = _COMMON.get(upper) or _WITHDRAWN.get(upper)
    if known:
        return known
    letters = "".join(one for one in upper if "A" <= one <= "Z")
    if letters in ACTIVE:
        return letters
    if not 2 <= len(letters) <= len(upper) <= 6:  # noqa: PLR2004 - longer is no mistyped code
        return ""
    return next(iter(difflib.get_close_matches(letters, sorted(ACTIVE), n=1, cutoff=0.65)), "")


def is_known(text: str) -> bool:
    """Whether ``text`` is a code, in any case, or one of the words people write in place of one."""
    upper = text.strip().upper()
    return upper in ACTIVE or upper in _COMMON or upper in _WITHDRAWN


def is_withdrawn(text: str) -> bool:
    """Whether ``text`` is a code that was active once: what replaced it has another value."""
    return text.strip().upper() in _WITHDRAWN


def currency_hint(text: str) -> str:
    """What to write in place of a code that is not active."""
    code = meant(text)
    if not code:
        return "write the three capital letters of ISO 4217, for example ZAR"
    if text.upper() == code:
        return f"write it in capitals: {code}"
    if text.upper() in _WITHDRAWN:
        return f"{text.upper()} was withdrawn; {code} replaced it, at another value"
    return f"did you mean {code}?"
