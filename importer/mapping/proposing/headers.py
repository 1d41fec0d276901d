"""What a column's name says it holds, in eight languages. Pure.

English, German, French, Spanish, Dutch, Portuguese, Afrikaans and Italian, as exports name them.
A name is folded first: no accents, no case, only letters and digits; ``ß`` is ``ss``.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING, Literal

from importer.rows.currencies import ACTIVE

if TYPE_CHECKING:
    from collections.abc import Iterable

Role = Literal[
    "reference",
    "first_name",
    "last_name",
    "full_name",
    "company",
    "email",
    "phone",
    "currency",
    "balance",
    "debit",
    "credit",
    "country",
    "status",
    "kind",
    "personal_id",
    "date",
    "address",
    "total",
]
"""What a column can be; ``kind`` is a customer's group or type, ``total`` a label of a line."""


def _listed(text: str) -> frozenset[str]:
    return frozenset(text.split())


# One line of names a language, in the order of the docstring; a language may have none.
_NAMES: dict[Role, str] = {
    "reference": """
        customer id|customer no|customer nr|customer number|customer code|customer ref|client id
        |client no|client number|client code|account no|account number|account code|account id
        |account ref|external reference|external id|contact id|card code|a c|reference|reference no
        |member no|member number
        |cust no|cust nr|cust num|cust number|cust id|cust code|cus no|acc no|acc number|acct no
        |acct number|a c no|card id
        |membership number|debtor no|debtor number|debtor code|ucr|policy number|id|record id|code
        |kundennr|kundennummer|kunden nr|kunden id|kdnr|kd nr|debitor|debitorennr|debitorennummer
        |mitgliedsnummer|mitgliedsnr|vertragsnummer|referenz|referenznummer
        |numero client|n client|no client|code client|id client|reference client|numero de client
        |numero de cliente|n cliente|no cliente|codigo|codigo cliente|codigo de cliente|id cliente
        |num cliente|cod cliente|referencia
        |klantnummer|klantnr|klant nr|klantcode|klant id|debiteurnummer|debiteurnr|relatienummer
        |lidnummer|referentie
        |numero do cliente|codigo do cliente|id do cliente|matricula|referencia do cliente
        |codice cliente|cod cliente|numero cliente|id cliente|matricola|codice|riferimento
        |klientnommer|klient nr|klientkode|rekeningnommer|lidnommer|verwysing|kliente nommer
    """,
    "first_name": """
        first name|firstname|first names|given name|givenname|given names|forename|forenames
        |name first|vorname|vornamen|rufname|prenom|prenoms|nombre|nombres|nombre de pila
        |primer nombre|voornaam|voornamen|primeiro nome|nomes
        |voornaam klient|billing first name
    """,
    "last_name": """
        last name|lastname|surname|surnames|last names|family name|familyname|name last
        |nachname|familienname|zuname|nom de famille|apellido|apellidos|primer apellido
        |achternaam|familienaam|sobrenome|apelido|ultimo nome|van|billing last name
    """,
    "full_name": """
        name|full name|fullname|customer name|client name|contact name|contactname|display name
        |customer|account name|debtor name|account holder|payer name|cust name|cus name|cusnam
        |customer description|client description|account description|debtor description
        |kunde|kundenname|bezeichnung|nom|nom complet|nom du client|nombre completo
        |nombre del cliente|cliente|klantnaam|naam|volledige naam|nome|nome completo
        |nome do cliente|klient|klientnaam|volle naam
    """,
    "company": """
        company|company name|business name|organisation|organization|trading name|legal name
        |firma|firmenname|unternehmen|societe|raison sociale|entreprise|empresa|razon social
        |ragione sociale|denominazione|azienda|ditta|nombre fiscal|nombre comercial|denominacion
        |bedrijf|bedrijfsnaam|razao social|maatskappy|besigheid|default address company
    """,
    "email": """
        email|e mail|email address|e mail address|mail|user email|primary email|billing email
        |emailadresse|e mail adresse|mailadresse|courriel|adresse email|adresse e mail|adresse mail
        |correo|correo electronico|email cliente|emailadres|e mailadres|mailadres
        |endereco de email|correio eletronico|epos|e pos|eposadres
    """,
    "phone": """
        phone|phone number|telephone|tel|tel no|tel nr|mobile|mobile number|mobile phone
        |mobile phone number|cell|cell no|cell number|cellphone|contact number|msisdn|home phone
        |business phone|billing phone|mobilephone|mobilenumber|phonenumber|phn|cellular|tel cell
        |mob|mob no|cell phone|cus phn
        |telefon|telefonnummer|telefonnr|handy|handynummer|mobil|mobilfunk|mobiltelefon|mobilnummer|festnetz
        |numero de telephone|portable|tel portable|telephone portable|gsm
        |telefono|numero de telefono|movil|celular|telefono movil
        |telefoon|telefoonnummer|mobiel|mobielnummer|gsm nummer
        |telefone|telemovel|celular numero|numero de telefone
        |selfoon|selfoonnommer|sel|telefoonnommer|foon
    """,
    "currency": """
        currency|currency code|ccy|cur|curr|currency iso code|currencyisocode
        |wahrung|waehrung|wahrungscode|devise|monnaie|code devise|moneda|divisa|codigo moneda
        |valuta|munteenheid|valutacode|moeda|geldeenheid
    """,
    "balance": """
        balance|balance due|amount due|amount owed|amount owing|amount outstanding|outstanding
        |outstanding balance|account balance|current balance|closing balance|open balance|due
        |arrears|owing|receivable|total receivable|accounts receivable|amount receivable
        |outstanding receivable|outstanding receivable amount|bal|bal amt|cur bal|acc bal
        |amt due|amt owing|amt outstanding|total due|total owing|total outstanding
        |outstanding amount|balance outstanding|balance owing
        |saldo|kontostand|offener betrag|offen|offener saldo|offene posten|forderung|restbetrag
        |solde|solde du|montant du|montant a payer|encours|reste a payer
        |saldo pendiente|importe pendiente|importe|deuda|monto adeudado|monto
        |openstaand|openstaand saldo|openstaand bedrag|verschuldigd bedrag|te betalen
        |valor em aberto|saldo devedor|valor devido|montante em divida
        |uitstaande bedrag|uitstaande|bedrag verskuldig|rekeningsaldo
    """,
    "debit": """
        debit|debits|dr|debit amount|debit balance|total debit|amount debit
        |dare|soll|sollsaldo|soll betrag|debit solde|solde debiteur|debe|saldo deudor|debito|debitos
        |debet|debetsaldo|debetbedrag|debiet
    """,
    "credit": """
        credit|credits|cr|credit amount|credit balance|total credit|amount credit
        |avere|haben|habensaldo|haben betrag|solde crediteur|haber|saldo acreedor|credito|creditos
        |creditsaldo|creditbedrag|krediet|kredietsaldo
    """,
    "country": """
        country|country code|country region|billing country|billing country code|mailing country
        |mailingcountry|country iso|pocountry|default address country code|customer country
        |land|landercode|laendercode|landerkennzeichen|staat|lkz|pays|code pays|pais|codigo pais
        |landcode|landkode
    """,
    "status": """
        status|state|customer status|account status|active|is active|contact status|enabled
        |is enabled
        |kundenstatus|aktiv|statut|etat|actif|estado|activo|actief|situacao|ativo|aktief
    """,
    "kind": """
        type|customer type|group|customer group|segment|category|tier|plan|class|tag|tags
        |kundengruppe|kundentyp|typ|gruppe|kategorie|branche|groupe|categorie|type client|tipo
        |grupo|categoria|tipo de cliente|klanttype|klantgroep|soort|tipo cliente|grupo de clientes
        |klienttipe|groep|kategorie klient
    """,
    "personal_id": """
        passport|passport no|passport number|id number|identity number|national id|ssn
        |social security number|sa id|sa id number|sa identification number|identification number
        |tax id|tax number|vat number|drivers licence|date of birth|birth date|dob|bank account
        |bank account number|iban
        |ausweisnummer|personalausweis|reisepass|passnummer|sozialversicherungsnummer|steuernummer
        |steuer id|ust id|geburtsdatum|geburtstag
        |numero de passeport|passeport|numero de securite sociale|date de naissance|nir
        |dni|nie|nif|pasaporte|numero de pasaporte|cedula|curp|rfc|fecha de nacimiento
        |bsn|burgerservicenummer|paspoortnummer|geboortedatum|btw nummer
        |cpf|cnpj|rg|passaporte|numero do passaporte|data de nascimento
        |paspoort|paspoortnommer|id nommer|identiteitsnommer|geboortedatum klient
    """,
    "date": """
        date|due date|created|created at|created utc|created date|last invoice|last order|since
        |start date|sign up|datum|angelegt am|erstellt am|seit|kunde seit|falligkeit|fallig am
        |letzte rechnung|date creation|date d echeance|echeance|fecha|fecha de alta|vencimiento
        |vervaldatum|aangemaakt|klant sinds|data|data de vencimento|data de cadastro
        |verval datum|skepdatum
    """,
    "address": """
        address|street|city|town|zip|zip code|postal code|postcode|state province|suburb|region
        |strasse|str|plz|postleitzahl|ort|hausnummer|adresse|anschrift|rue|ville|code postal
        |calle|direccion|ciudad|codigo postal|straat|adres|plaats|woonplaats|huisnummer
        |rua|endereco|cidade|cep|straatadres|stad|poskode|voorstad
        |salutation|title|anrede|titel|civilite|tratamiento|aanhef|saudacao|aanspreekvorm
        |website|fax|faxnumber|notes|note|notiz|bemerkung|comment|comments|description
    """,
    "total": """
        total|totals|grand total|sum|subtotal|sub total|summe|gesamt|gesamtsumme|zwischensumme
        |somme|total general|sous total|suma|total geral|soma|totaal|subtotaal|eindtotaal|som
        |totale|groottotaal|subtotale|records|record count|anzahl|end of file|eof
    """,
}

OWED = _listed("""
    amountdue amountowed amountowing amountoutstanding outstanding outstandingbalance balancedue
    openbalance due arrears owing receivable totalreceivable accountsreceivable amountreceivable
    outstandingreceivable outstandingreceivableamount amtdue amtowing amtoutstanding totaldue
    totalowing totaloutstanding outstandingamount balanceoutstanding balanceowing offenerbetrag
    offen offenersaldo
    offeneposten forderung restbetrag soldedu montantdu montantapayer resteapayer encours
    saldopendiente
    importependiente deuda montoadeudado openstaand openstaandsaldo openstaandbedrag
    verschuldigdbedrag tebetalen valoremaberto saldodevedor valordevido montanteemdivida
    uitstaandebedrag uitstaande bedragverskuldig
""")
"""Folded names of amounts that say themselves that the customer owes what is positive."""

_INITIALS = _listed("initial initials inits voorletter voorletters iniciales iniciais iniziali")
"""Folded names of what stands for a first name where there is none: ``T. Mokoena``."""
_TO = _listed("bill sold ship")
_CENTS = _listed("cent cents pence centavos centimes centesimi centimos")
"""Folded words that say that an amount counts minor units: ``balance_cents``."""
_MOBILE = _listed(
    "mobile cell cellphone cellular handy mobil movil celular gsm selfoon sel telemovel"
)
"""Folded words that make a phone number one that takes messages."""
_ALSO = _listed("""
    secondary second alternative alternate alt other additional extra work home private business
    personal mobile office main primary zweite zweites weitere privat geschaftlich dienstlich
    autre second secondaire professionnel otro otra segundo secundario trabajo casa andere tweede
    werk thuis prive outro outra trabalho ander tweede huis
""")
"""Folded words that make a second address or number of the same customer's."""

ELSEWHERE = _listed("""
    invoice invoices order orders payment payments transaction receipt document bill quote ticket
    statement product products item items sku project job plan file user login sales rep salesman
    salesperson consultant agent broker manager owner supplier vendor bank branch store shop site
    employee staff department referrer referred emergency kin driver technician creator modified
    rechnung rechnungs auftrag auftrags bestell bestellung beleg zahlung zahlungs artikel produkt
    projekt datei vertreter berater betreuer verkaufer sachbearbeiter filiale lieferant mitarbeiter
    kontoinhaber facture commande paiement produit fournisseur vendeur commercial banque employe
    conseiller agence factura pedido pago producto proveedor vendedor banco empleado gestor asesor
    sucursal factuur bestelling betaling verkoper vertegenwoordiger leverancier medewerker filiaal
    fatura pagamento produto fornecedor funcionario gerente loja faktuur betaling verkoopspersoon
    verskaffer tak
""")
"""Folded words that make a name about something else than the customer: ``Invoice Reference``."""

_CUSTOMERS = _listed("""
    customer customers client clients crm record account debtor debitor member subscriber contact
    user person company patient tenant student pupil policyholder own our my internal external
    unique main master
    kunde kunden mitglied mitglieds kontakt eigene unsere interne externe compte abonne adherent
    interne externe cliente clientes cuenta socio abonado interno externo klant klanten lid eigen
    extern intern socio assinante conta klient kliente lede
""")
"""Folded words that make ``Reference`` or ``Code`` the customer's own, unlike ``PO Reference``."""
_GENERIC = _listed("""
    reference referenceno code recordid referenz referenznummer referencia referentie verwysing
    matricula
""")
"""Folded names of references that may be of anything."""
_ASKED = 0.3
"""The weight of a reference that must be asked about."""

STALE = _listed("""
    opening previous prior last initial former old brought starting begin beginning historic
    anfang anfangs eroffnung eroffnungs vorjahr vorjahres vorher vortrag alter alt initiale initial
    precedent precedente ancien ancienne inicial anterior apertura vorige vorig begin oud oude
    openings beginsaldo anfangsbestand anfangssaldo eroffnungssaldo vorige aanvang aanvangs
""")
"""Folded words that make an amount one of the past: ``Opening Balance``."""

INACTIVE = _listed("""
    inactive inaktiv inactif inactivo inactief inativo onaktief closed geschlossen gekundigt
    archived archiviert disabled gesperrt cancelled canceled deleted geloscht ferme cerrado
    gesloten encerrado gesluit terminated lapsed churned former ehemalig dormant no nein non
    false 0 n
""")
"""Folded values of a status column that say that the customer has left."""

LEFT = _listed("""
    inactive isinactive disabled isdisabled deleted isdeleted archived isarchived blocked isblocked
    closed isclosed inaktiv geloscht gesperrt archiviert inactif archive bloque inactivo eliminado
    bloqueado inactief verwijderd geblokkeerd inativo excluido onaktief
""")
"""Folded names of columns in which a yes says that the customer has left."""
YES = _listed("yes y true t 1 ja j wahr oui o vrai si s verdadero sim verdadeiro waar x")

_OF_THE_CUSTOMER: frozenset[Role] = frozenset(
    ("reference", "first_name", "last_name", "full_name", "company", "email", "phone", "balance")
)
_NO_DECOMPOSITION = str.maketrans({"ß": "ss", "ø": "o", "æ": "ae", "œ": "oe", "ł": "l"})
_PART = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def fold(text: str) -> str:
    """Letters and digits only, without accents and case: ``E-Mail`` is ``email``."""
    return "".join(_words(text))


def roles(name: str) -> dict[Role, float]:
    """What a column's name may mean, with a weight from 0 to 1.

    1 where the whole name is known, 0.6 where it only ends with a known name (``Billing Email``)
    or says whose it is besides (``Person - Email - Work``), and 0.5 where it begins with one
    (``Saldo EUR``), both if it is about the customer; 0.3 for a reference of anything
    (``PO Reference``), 0.1 for an amount of the past.
    """
    words = _without_bill_to(_words(name))
    if not words:
        return {}
    whole = "".join(words)
    found: dict[Role, float] = {"first_name": 0.5} if whole in _INITIALS else {}
    elsewhere = not ELSEWHERE.isdisjoint(words)
    ends = ["".join(words[cut:]) for cut in range(1, len(words))]
    ends += _without_owner(words)
    for role in _NAMES:
        known = _folded(role)
        if whole in known:
            found[role] = 1.0
        elif elsewhere and role in _OF_THE_CUSTOMER:
            continue
        elif _known_part(ends, known):
            found[role] = 0.6
        elif _known_part(("".join(words[:cut]) for cut in range(1, len(words))), known):
            found[role] = 0.5
    if found.get("reference", 1.0) < 1.0 and not _is_the_customers(words):
        found["reference"] = _ASKED
    if "balance" in found and not STALE.isdisjoint((*words, whole)):
        found["balance"] = 0.1
    if found.get("personal_id") == 1.0:
        # "sa_identification_number" is no reference, whatever else its name resembles.
        return {"personal_id": 1.0}
    return found


def _without_bill_to(words: list[str]) -> list[str]:
    """``Bill To: Mobile Phone`` is the customer's, and not of a bill."""
    return words[2:] if words[1:2] == ["to"] and words[0] in _TO else words


def _without_owner(words: list[str]) -> tuple[str, ...]:
    """``email`` for ``Person - Email - Work``, ``customerid`` for ``customers.id``."""
    owner = words[0].removesuffix("s")
    if owner not in _CUSTOMERS:
        return ()
    return owner + "".join(words[1:]), "".join(word for word in words[1:] if word not in _ALSO)


def is_further(name: str, role: Role) -> bool:
    """Whether a column holds one more address or number of a customer: ``Work Tel``, ``Email 2``.

    Any other word may make it somebody else's: ``Teacher Email``.
    """
    own = [word for word in _words(name) if not word.isdigit() and word not in _ALSO]
    return "".join(own) in _folded(role) or "".join(_words(name)) in _folded(role)


def counts_cents(name: str) -> bool:
    """Whether a column's name says that its amounts are minor units: ``balance_cents``."""
    words = _words(name)
    return "per" not in words and not _CENTS.isdisjoint(words)


def is_mobile(name: str) -> bool:
    """Whether a column's name says that its numbers are of mobile phones: ``Cell No``."""
    return not _MOBILE.isdisjoint(_words(name))


_ALSO_WORDS = _listed("ALL BAM BOB COP CUP DOP GEL MAD MOP PEN RON SOS TOP TRY")
"""Codes that stand in names as words, too: ``ALL accounts``."""


def currencies_in(name: str) -> frozenset[str]:
    """The ISO 4217 codes that a column's name holds, in capitals: ``Saldo EUR``."""
    return ACTIVE & set(re.findall(r"[A-Z]+", name)) - _ALSO_WORDS


def _is_the_customers(words: list[str]) -> bool:
    """Whether a name that ends or begins like a reference says whose it is."""
    if {"currency", "country"} & set(words):
        return False
    rest = [word for word in words if word not in _GENERIC and word not in {"no", "nr", "number"}]
    said = tuple(one for one in _folded("reference") - _GENERIC if len(one) > 2)  # noqa: PLR2004
    if "".join(words).endswith(said):
        return True
    return not rest or not _CUSTOMERS.isdisjoint(rest)


def _known_part(parts: Iterable[str], known: frozenset[str]) -> bool:
    # "id" or "no" alone says nothing.
    return any(len(part) > 2 and part in known for part in parts)  # noqa: PLR2004


def _words(text: str) -> list[str]:
    spaced = _CAMEL.sub(" ", text.strip())
    plain = unicodedata.normalize("NFKD", spaced.casefold().translate(_NO_DECOMPOSITION))
    return _PART.findall("".join(sign for sign in plain if not unicodedata.combining(sign)))


@cache
def _folded(role: Role) -> frozenset[str]:
    return frozenset("".join(_words(name)) for name in _NAMES[role].replace("\n", " ").split("|"))
