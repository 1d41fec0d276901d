"""Proposes name, e-mail and phone. Pure."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import phonenumbers
import polars as pl

from importer.mapping.phone import to_e164
from importer.mapping.proposing.countries import region_of
from importer.mapping.proposing.headers import fold, is_further, is_mobile
from importer.mapping.proposing.parts import BY_VALUES, SURE, share_within
from importer.mapping.proposing.proposal import Choice, Question, Suggestion, most_of
from importer.rows.text import shown

if TYPE_CHECKING:
    from importer.mapping.proposing.facts import ColumnFacts
    from importer.mapping.proposing.headers import Role
    from importer.mapping.proposing.parts import Parts
    from importer.mapping.proposing.proposal import Answers, Confidence

TRIED_NUMBERS = 60
"""Different numbers that regions are tried with."""
_TRIED_REGIONS = (
    *("ZA", "DE", "GB", "US", "FR", "NL", "ES", "PT", "BR", "CH", "AT", "BE", "IE", "IT", "AU"),
    *("NZ", "CA", "NA", "BW", "KE", "NG", "GH", "ZW", "ZM", "MZ", "SE", "NO", "DK", "FI", "PL"),
    *("IN", "MX", "AR", "CL", "CO"),
)
_SHOWN_REGIONS = 4
_COUNTRY_CELLS = 0.5
"""The share of cells whose country must be known; the others are pointed out."""
_MOST_COUNTRIES = 300
_ONE = "a text that stands there once"
_FIRM_SHARE = 0.8
_WHOLE = 0.5
"""Where so many last names hold the first name too, they are whole names."""
_SLIPS = 0.02
_NAMED_ALONE = 0.8
"""A column of whole names that is filled so often may be what the customer is called."""


def propose_name(parts: Parts, answers: Answers) -> Choice | Question | None:
    """One column, or first and last name; a firm stands in where people have no name."""
    key = ("fields", "name")
    if answers.name is not None:
        entry = {"template" if "{" in answers.name else "column": answers.name}
        return Choice(key, entry, "medium", "you chose it")
    first, last = parts.best("first_name"), parts.best("last_name")
    firm, whole = parts.best("company"), parts.best("full_name")
    if first and last and not any(sign in first.name + last.name for sign in "{}"):
        return _of_two(parts, first, last, firm)
    if whole and firm and whole.filled < parts.facts.records:
        columns = [whole.name, firm.name]
        reason = "its name says so; the firm's name is used where it is empty"
        return Choice(key, {"columns": columns}, "medium", reason)
    found = whole or firm or last
    if found is None:
        return None
    rivals = parts.rivals("full_name", whole) if whole else []
    if whole and firm and firm.filled and not _same(parts, whole, firm):
        if "contact" in fold(whole.name) and firm.filled >= _FIRM_SHARE * parts.facts.records:
            return _firm_or_person(firm, whole)
        rivals.append(firm)
    listed = ", ".join(shown(one.name) for one in rivals)
    warnings = (f"it may as well be {listed}; look which one Moment is to show",) if rivals else ()
    sure = whole is not None and not rivals
    confidence = parts.confidence("full_name", whole) if whole and sure else "medium"
    return Choice(key, {"column": found.name}, confidence, "its name says so", warnings)


def _same(parts: Parts, one: ColumnFacts, other: ColumnFacts) -> bool:
    return parts.facts.sample[one.name].equals(parts.facts.sample[other.name])


def _firm_or_person(firm: ColumnFacts, person: ColumnFacts) -> Question:
    return Question(
        "name",
        f"Is the customer called by {shown(firm.name)} or by {shown(person.name)}?",
        "both are filled, and Moment shows one name",
        '--name "COLUMN"',
        (
            Suggestion(firm.name, "the firm is the customer"),
            Suggestion(person.name, "the person is the customer"),
        ),
    )


def _of_two(
    parts: Parts, first: ColumnFacts, last: ColumnFacts, firm: ColumnFacts | None
) -> Choice | Question:
    key = ("fields", "name")
    within = share_within(parts, first, last)
    if within >= _WHOLE:
        reason = f"it holds the first name too, which stands in {shown(first.name)} again"
        return Choice(key, {"column": last.name}, "medium", reason)
    names = [first.name, last.name]
    if within > _SLIPS:
        return _which_name(names, within)
    reason = "first and last name stand in two columns"
    if firm and _fills_gaps(parts, firm, first):
        names.insert(0, firm.name)
        reason += f"; {shown(firm.name)} is filled where they are empty"
    whole = parts.best("full_name")
    if (
        whole
        and whole.filled > _NAMED_ALONE * parts.facts.records
        and not _is_of(parts, whole, names)
    ):
        look = f"it may as well be {shown(whole.name)}; look which one Moment is to show"
        return Choice(key, {"template": _template(names)}, "medium", reason, (look,))
    return Choice(key, {"template": _template(names)}, "high", reason)


def _is_of(parts: Parts, whole: ColumnFacts, names: list[str]) -> bool:
    """Whether mostly a name is the words of the two columns, in any order: ``Dlamini, Ruth``."""
    rows = parts.facts.sample.select(whole.name, *names).head(TRIED_NUMBERS).iter_rows()
    same = [set(_WORD.findall(row[0])) == set(_WORD.findall(" ".join(row[1:]))) for row in rows]
    return 2 * sum(same) > len(same)


_WORD = re.compile(r"\w+")


def _template(names: list[str]) -> str:
    return " ".join("{" + name + "}" for name in names)


def _which_name(names: list[str], within: float) -> Question:
    first, last = names
    return Question(
        "name",
        f"Does {shown(last)} hold the last name, or the whole name?",
        f"in {within:.0%} of the records it holds what stands in {shown(first)} too",
        '--name "COLUMN", or --name "{FIRST} {LAST}"',
        (
            Suggestion(last, "the whole name stands there"),
            Suggestion(_template(names), "the last name stands there"),
        ),
    )


def _fills_gaps(parts: Parts, firm: ColumnFacts, first: ColumnFacts) -> bool:
    """Whether the firm's cells are mostly those where the person's are empty."""
    sample = parts.facts.sample
    firms = sample[firm.name] != ""
    alone = firms & (sample[first.name] == "")
    return bool(firms.any()) and int(alone.sum()) >= _FIRM_SHARE * int(firms.sum())


def propose_email(parts: Parts) -> Choice | None:
    """The e-mail columns, the surest first; domains are written as Moment takes them."""
    found, warnings = _named(parts, "email")
    if not found:
        return None
    entry: dict[str, Any] = _column_or_columns(found)
    if any(one.shapes["uppercase_domain"] for one in found):
        entry["lowercase_domain"] = True
    if any(one.shapes["other_domain"] for one in found):
        entry["punycode"] = True
    best = found[0]
    reason = most_of(best.shapes["email"], best.sampled, "e-mail addresses")
    instead = ('on_invalid = "drop"  # keeps a customer whose address Moment would refuse',)
    confidence = _confidence(parts, "email", found)
    return Choice(("fields", "email"), entry, confidence, reason, warnings, instead)


def _named(parts: Parts, role: Role) -> tuple[list[ColumnFacts], tuple[str, ...]]:
    """The columns of one customer's addresses or numbers, the surest first; what to look at.

    A further column may be somebody else's (a teacher, an account manager), so only one whose name
    says the same as a whole is taken; one whose values alone look so stands only for want of any.
    """
    found = sorted(
        parts.all(role),
        # Moment writes to mobile phones: of two numbers of one customer theirs comes first.
        key=lambda one: (-parts.weight(role, one), not is_mobile(one.name), -one.filled),
    )
    named = [one for one in found if parts.weight(role, one) > BY_VALUES and one.filled]
    if not named:
        return found[:1], ()
    taken = [named[0], *(one for one in named[1:] if is_further(one.name, role))]
    others = ", ".join(shown(one.name) for one in named if one not in taken)
    warnings = (f"{others} may be the customer's as well, or somebody else's",) if others else ()
    return taken, warnings


def _confidence(parts: Parts, role: Role, taken: list[ColumnFacts]) -> Confidence:
    rivals = [one for one in parts.rivals(role, taken[0]) if one not in taken]
    return "medium" if rivals or parts.weight(role, taken[0]) < SURE else "high"


def propose_phone(parts: Parts, answers: Answers) -> tuple[Choice | None, Question | None]:
    """All phone columns, and how their national numbers become international."""
    found, warnings = _named(parts, "phone")
    if not found:
        return None, None
    entry: dict[str, Any] = _column_or_columns(found)
    numbers = pl.concat([parts.facts.sample[one.name].alias("number") for one in found])
    numbers = numbers.filter(numbers != "").unique(maintain_order=True)
    national = numbers.filter(
        ~numbers.str.contains(r"^['\x{200b}-\x{200f}\x{202a}-\x{202e}]*[\s(]*(?:\+|00)")
    )
    country, regions, unknown = _country_column(parts)
    region = answers.region or _region_of_file(parts.facts.layout.name)
    reason = "its name says so, and its values are numbers to dial"
    if country is not None:
        entry["region_column"] = country.name
        if regions:
            entry["regions"] = regions
        if unknown:
            listed = ", ".join(dict.fromkeys(unknown[:_SHOWN_REGIONS]))
            look = (
                f"in {shown(country.name)} nobody can tell what {listed} means; add it to regions"
            )
            warnings = (*warnings, look)
        reason += f"; {shown(country.name)} says in which country each number is national"
        if region:
            entry["region"] = region
        return _phone(parts, entry, reason, warnings), None
    if region:
        entry["region"] = region
        reason += "" if answers.region else f"; the file's name begins with the country, {region}"
        return _phone(parts, entry, reason, warnings), None
    if not len(national):
        if _all_e164(numbers):
            return _phone(parts, entry, f"{reason}, all international", warnings), None
        # Any region does, as an international number says its own; theirs reads best.
        entry["region"] = _region_of(numbers)
        return _phone(parts, entry, f"{reason}, all international", warnings), None
    return _phone(parts, entry, reason, warnings), _which_region(national)


def _phone(parts: Parts, entry: dict[str, Any], reason: str, warnings: tuple[str, ...]) -> Choice:
    found, _ = _named(parts, "phone")
    return Choice(
        ("fields", "phone"),
        entry,
        _confidence(parts, "phone", found),
        reason,
        warnings,
        ('on_invalid = "drop"  # keeps a customer whose number cannot be dialled',),
    )


def _all_e164(numbers: pl.Series) -> bool:
    return bool(numbers.str.contains(r"^\+[1-9]\d{1,14}$").all())


def _region_of(international: pl.Series) -> str:
    """The country of the first number that has one; ZA where none has."""
    for text in international.head(TRIED_NUMBERS).str.strip_chars("'\u202a\u202c\u202d"):
        try:
            number = phonenumbers.parse(text.replace("00", "+", 1) if text[0] == "0" else text)
        except phonenumbers.NumberParseException:
            continue
        region = phonenumbers.region_code_for_number(number)
        if region in phonenumbers.SUPPORTED_REGIONS:
            return str(region)
    return "ZA"


def _country_column(parts: Parts) -> tuple[ColumnFacts | None, dict[str, str], list[str]]:
    """The column of countries, what the names in it mean, and those that mean nothing.

    Only one most of whose cells are known: codes, or names in any language.
    """
    for column in parts.all("country"):
        cells = parts.facts.sample[column.name]
        cells = cells.filter(cells != "")
        texts = cells.unique(maintain_order=True)
        if not 0 < len(texts) <= _MOST_COUNTRIES:
            continue
        means = {text: region_of(text) for text in texts}
        known = cells.is_in([text for text, code in means.items() if code]).sum()
        if known >= _COUNTRY_CELLS * len(cells):
            names = {text: code for text, code in means.items() if code and code != text.upper()}
            # A text that stands there once may be of a shifted record: somebody's name.
            often = set(cells.filter(cells.is_duplicated()))
            odd = [text for text, code in means.items() if not code]
            return column, names, [shown(text) if text in often else _ONE for text in odd]
    return None, {}, []


def _region_of_file(name: str) -> str | None:
    """The country that Moment's own names begin with.

    ``ZA_acme_moment_all-customers_2026-11-20.csv``, and ``ZA_acme_dailyfile_2026-11-20.csv``.
    """
    stem = PurePath(name).name
    country = stem.split("_")[0]
    is_moments = "_moment_" in stem or "_dailyfile_" in stem
    return country if is_moments and country in phonenumbers.SUPPORTED_REGIONS else None


def _which_region(national: pl.Series) -> Question:
    tried = national.head(TRIED_NUMBERS)
    shares = []
    for region in _TRIED_REGIONS:
        valid = len(tried) - len(to_e164(tried, region).errors)
        shares.append((valid / len(tried), region))
    shares.sort(key=lambda one: -one[0])
    # Where all fit no country is meant: what is typed is an example.
    best = shares[0][1] if shares[0][0] > shares[1][0] else "COUNTRY"
    return Question(
        "region",
        "In which country are the phone numbers without a country code?",
        f"{len(national):,} different numbers are written as people of one country dial them,"
        " and no column says which",
        f"--region {best}",
        tuple(
            Suggestion(region, f"{share:.0%} of the numbers exist there")
            for share, region in shares[:_SHOWN_REGIONS]
            if share
        ),
    )


def _column_or_columns(found: list[ColumnFacts]) -> dict[str, Any]:
    names = [one.name for one in found]
    return {"column": names[0]} if len(names) == 1 else {"columns": names}
