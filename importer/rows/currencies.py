"""ISO 4217 currency codes: which are active, their minor units, and what a wrong one meant. Pure.

Source: ISO 4217 list one (active codes, funds, metals, ``XTS`` and ``XXX``) as of 1 January 2026
(after amendment 179: Bulgaria has the euro).
"""

from __future__ import annotations


def _codes(text: str) -> tuple[str, ...]:
    return tuple(text.split())


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

_WORDS = {
    "BOTSWANA PULA": "BWP",
    "BRITISH POUND": "GBP",
    "BRITISH POUNDS": "GBP",
    "DOLLAR": "USD",
    "DOLLARS": "USD",
    "EU": "EUR",
    "EUROS": "EUR",
    "NAIRA": "NGN",
    "POUND": "GBP",
    "POUND STERLING": "GBP",
    "POUNDS": "GBP",
    "PULA": "BWP",
    "R": "ZAR",
    "RANDS": "ZAR",
    "RUR": "RUB",
    "SOUTH AFRICAN RAND": "ZAR",
    "SOUTH AFRICAN RANDS": "ZAR",
    "STERLING": "GBP",
    "UK": "GBP",
    "US": "USD",
    "US DOLLAR": "USD",
    "US DOLLARS": "USD",
    "YEN": "JPY",
    "YUAN": "CNY",
    "ZA": "ZAR",
    "ZAR.": "ZAR",
}
"""What people write in place of a code, beside signs."""
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
"""Signs and abbreviations, in capitals, and the codes that each may stand for; where they are
several, the likeliest stands first. Source: the Unicode CLDR (narrow and usual forms), and what
accounting programs print."""
_ALONE = frozenset("£₩")
"""Signs of several currencies of which one is meant nearly always: the others have their own."""
_OF_COUNTRY = {
    **dict.fromkeys(("DE", "AT", "NL", "FR", "ES", "PT", "BE", "IE", "IT", "FI"), "EUR"),
    "AU": "AUD",
    "BR": "BRL",
    "BW": "BWP",
    "CA": "CAD",
    "CH": "CHF",
    "GB": "GBP",
    "IN": "INR",
    "KE": "KES",
    "NA": "NAD",
    "NG": "NGN",
    "NZ": "NZD",
    "US": "USD",
    "ZA": "ZAR",
    "ZM": "ZMW",
}


def _signs() -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for signs, codes in _SEVERAL.items():
        for sign in signs.split():
            found.setdefault(sign, {}).update(dict.fromkeys(codes.split()))
    for code, signs in _ONE.items():
        for sign in signs.split():
            found.setdefault(sign, {})[code] = None
    return {sign: tuple(codes) for sign, codes in found.items()}


SIGNS = _signs()
"""Sign or abbreviation, in capitals -> the codes that it may stand for, the likeliest first."""


def sure_code(sign: str) -> str:
    """The one code that a sign in all amounts of a file stands for; "" where it may be another."""
    codes = SIGNS.get(sign.upper(), ())
    is_sign = not sign.isalpha() or len(sign) > 1
    return codes[0] if codes and is_sign and (len(codes) == 1 or sign in _ALONE) else ""


def code_of_country(country: str) -> str:
    """The currency of a country (ISO 3166), for a suggestion; "" for most."""
    return _OF_COUNTRY.get(country, "")


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
    known = _WORDS.get(upper) or _WITHDRAWN.get(upper) or _sign(upper)
    if known:
        return known
    letters = "".join(one for one in upper if "A" <= one <= "Z")
    if letters in ACTIVE:
        return letters
    if not 2 <= len(letters) <= len(upper) <= 6:  # noqa: PLR2004 - longer is no mistyped code
        return ""
    # Another letter in place of one makes another currency as often as not.
    near = [
        code
        for code in ACTIVE
        if sorted(code) == sorted(letters) or code in letters or code.startswith(letters)
    ]
    return near[0] if len(near) == 1 else ""


def _sign(upper: str) -> str:
    """The likeliest code of a sign; a single letter may be anything."""
    return (
        SIGNS[upper][0]
        if upper in SIGNS and (len(upper) > 1 or not upper.isascii() or upper == "$")
        else ""
    )


def is_known(text: str) -> bool:
    """Whether ``text`` is a code, in any case, or one of the words people write in place of one."""
    upper = text.strip().upper()
    return upper in ACTIVE or upper in _WORDS or upper in _WITHDRAWN or bool(_sign(upper))


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
