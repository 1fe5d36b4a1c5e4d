"""Whether a table is one of subscriptions, and which of its columns is which of ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from clvml.errors import InputError
from clvml.log.hints.raw_columns import RawColumns
from clvml.log.mapping import is_usual, plain, propose_columns
from clvml.log.subscriptions import NO_END
from clvml.log.table import days_of
from clvml.log.values.numbers import sure_currency_of
from clvml.storage.sql import literal

# Usual names, most telling first, written as those of `clvml.log.mapping`.
_USUAL = {
    "customer_id": "subscriberid subscriber memberid memberno membernumber member mitgliedsnr mitgliedsnummer"
    " mitgliednr mitglied abonnentennr abonnent abonnéid abonné numéroabonné numérodabonné adhérent numéroadhérent"
    " abonado socio lidnummer abonnentennummer nadhérent nabonné nºsocio codicecliente",
    "start": "start startdate subscriptionstart subscriptionstartdate contractstart startedat started begin begindate"
    " began begun signupdate activatedat activationdate subscribedat joindate joined joinedat membersince validfrom"
    " vertragsbeginn abobeginn beginn beginndatum startdatum eintritt eintrittsdatum gültigab"
    " datededébut datedébut début datededebut datedebut datedadhésion datesouscription datedesouscription"
    " fechadeinicio fechainicio fechaalta inicio datainizio inizio begindatum ingangsdatum"
    " datecreated createdat created",
    "end": "end enddate subscriptionend subscriptionenddate contractend endedat ended terminatedat terminationdate"
    " cancelledat canceledat cancelled canceled cancellationdate canceldate churndate churnedat expiredat validto"
    " validuntil vertragsende aboende ende enddatum austritt austrittsdatum gültigbis kündigungsdatum gekündigtzum"
    " gekündigtam datedefin datefin fin datederésiliation daterésiliation résiliation fechadefin fechafin fechabaja"
    " datafine fine einddatum opzegdatum",
    "price": "mrr monthlyprice pricepermonth monthlyfee monatsbeitrag monatspreis prixmensuel cuotamensual"
    " price planprice recurringamount planamount amount subscriptionamount ordertotal total preis beitrag betrag gebühr"
    " grundgebühr prix montant cotisation tarifmensuel bezugspreis unitprice unitamount precio importe"
    " cuota prezzo importo canone prijs bedrag planunitprice",
    "period": "billingperiod billinginterval billingcycle billingfrequency billing period interval planinterval"
    " frequency cycle zahlweise zahlungsweise zahlungsturnus zahlungsintervall abrechnungsintervall"
    " abrechnungszeitraum turnus intervall zahlungsrhythmus périodicité périodedefacturation fréquence periodicidad"
    " frecuencia periodicità frequenza",
    "plan": "plan planname subscriptionplan product productname planid tier package membership membershiptype tarif"
    " tariff tarifname abo abonnement aboart vertragsart produkt formule offre produit piano suscripción",
}


# Most rentals, stays and loans are shorter [days].
_SHORTEST_DAYS = 14


def subscription_columns(
    names: Sequence[str], ended: Callable[[str, list[str]], str | None]
) -> dict[str, str]:
    """Return ``{our name: input column}`` of a table of subscriptions, empty where it looks like none.

    It has columns called as a customer, a start and an end are, and none as a day of purchase. A row that is only
    created may also be an order, so that it takes a price and, where nothing else is a start, a billing period.

    Parameters
    ----------
    names : sequence of str
        The columns.
    ended : callable
        Given the start and columns that are called as an end is, likeliest first, returns the first that holds ends
        (`end_of`).
    """
    plain_names = {name: plain(name).removesuffix("utc") for name in names}
    # A column that is called id and nothing else tells subscriptions apart.
    proposed = propose_columns({}, [name for name in names if plain_names[name] != "id"])
    found = {
        ours: name
        for ours, name in proposed.items()
        if ours == "customer_id" and is_usual("customer_id", name)
    }
    ends: list[str] = []
    for ours, words in _USUAL.items():
        usual = words.split()
        free = [name for name in names if plain_names[name] in usual and name not in found.values()]
        likely = sorted(free, key=lambda name: usual.index(plain_names[name]))
        if ours == "end":
            ends = likely
        elif likely and ours not in found:
            found[ours] = likely[0]
    if not ends or not {"customer_id", "start"} <= found.keys():
        return {}
    days = [name for name in names if is_usual("order_date", name)]
    # Rentals and vouchers are bought on a day of their own, which a row that is only created has not.
    bought = any("created" not in plain_names[name] for name in days if name != found["start"])
    if bought or ("price" not in found and days):
        return {}
    # Orders are created and cancelled, too.
    if "created" in plain_names[found["start"]] and "period" not in found:
        return {}
    end = ended(found["start"], ends)
    return found | {"end": end} if end else {}


def end_of(raw: RawColumns, start: str, names: Sequence[str]) -> str | None:
    """Return the first of these columns that has days in some cells and nothing in others, as of what runs.

    None does where half of what began at ``start`` ended within two weeks, as rentals do.
    """
    for name in names:
        cell = f"coalesce({raw.cell(name)}, '')"
        held = f"regexp_matches({cell}, '[1-9]') AND NOT regexp_full_match({cell}, {literal(NO_END)})"
        table = raw.table(held=held)
        if raw.run(f"SELECT bool_or(held), bool_and(held) FROM {table}") == [(True, False)]:
            sample = raw.sample(f"{raw.cell(start)} AS first, {cell} AS last, {held} AS held")
            pairs = raw.run(f"SELECT first, last FROM {sample} WHERE held")
            return None if _are_short(pairs) else name
    return None


def _are_short(pairs: list[tuple[str, str]]) -> bool:
    try:
        first, last = (days_of(pd.Series(texts, dtype="string"), "") for texts in zip(*pairs, strict=True))
    except (InputError, ValueError):
        # Reading says what is wrong with the dates.
        return False
    days = (last - first)[~np.isnat(last - first)]
    return bool(days.size) and bool(np.median(days.astype(int)) < _SHORTEST_DAYS)


def currencies_of(raw: RawColumns, price: str) -> str | None:
    """Return the currencies that prices, or a column of currencies beside them, say, None where none does.

    Several are listed, as in EUR, USD.
    """
    beside = [name for name in raw.names if is_usual("currency", name)]
    told = {code for text in _texts(raw, price) if (code := sure_currency_of(text))}
    told |= {text.upper() for name in beside[:1] for text in _texts(raw, name)}
    return ", ".join(sorted(told)) or None


def _texts(raw: RawColumns, name: str) -> list[str]:
    cells = raw.sample(f"{raw.cell(name)} AS text")
    return [text for (text,) in raw.run(f"SELECT DISTINCT text FROM {cells} WHERE text IS NOT NULL")]
