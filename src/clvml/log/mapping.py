"""Which input column is which of ours, and a proposal where the configuration does not fit."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from clvml.config import ColumnsConfig
from clvml.errors import InputError

# Usual names, most telling first, written without case and punctuation.
_SYNONYMS = {
    "customer_id": "customerid customer customerno customernumber custid cust clientid client userid "
    "user visitorid buyerid buyer shopperid shopper householdkey householdid "
    "household memberid member contactid accountid account personid email",
    "order_id": "orderid orderno ordernumber order invoiceid invoiceno invoice transactionid "
    "transactionno transaction basketid receiptid receiptno receipt purchaseid saleid",
    "order_date": "orderdate invoicedate transactiondate purchasedate saledate orderts ordertime "
    "ordertimestamp orderedat createdat purchasedat date datetime timestamp time day",
    "amount": "amount orderamount lineamount totalamount total ordertotal linetotal totalprice "
    "salesvalue sales saleamount revenue netsales netrevenue turnover spend value "
    "ordervalue monetaryvalue paymentvalue payment price",
    "product_id": "productid product stockcode sku itemid item articleid article materialid material ean upc",
    "quantity": "quantity qty units count pieces numberofitems",
    "currency": "currency currencycode",
}
_UNIT_PRICES = ("price", "unitprice", "itemprice")
_REQUIRED = ("customer_id", "order_date", "amount")


def map_columns(columns: ColumnsConfig, available: Sequence[str], origin: str) -> dict[str, int]:
    """Return ``{our name: position of the input column}`` for the mapped columns.

    Parameters
    ----------
    columns : ColumnsConfig
        The mapping of the configuration.
    available : sequence of str
        Column names of the input.
    origin : str
        What the input is called in errors.

    Raises
    ------
    InputError
        A mapped column is absent. The message lists the input's columns and proposes a complete mapping.
    """
    mapped = columns.mapped()
    absent = {ours: theirs for ours, theirs in mapped.items() if theirs not in available}
    if not absent:
        return {ours: list(available).index(theirs) for ours, theirs in mapped.items()}
    wrong = ", ".join(f"{ours}: {theirs}" for ours, theirs in absent.items())
    message = f"'{origin}' has no column for {wrong} (data.columns). Its columns: {', '.join(available)}."
    if any(re.fullmatch(r"[-+]?[\d.,:/ -]*\d", name) for name in available):
        raise InputError(f"{message} The first line must hold column names, and it looks like data.")
    proposal = propose_columns(mapped, available)
    if proposal:
        words = ", ".join(f"{ours}: {theirs}" for ours, theirs in proposal.items())
        message += f" Did you mean columns: {{{words}}}?"
    unknown = [ours for ours in _REQUIRED if ours not in proposal]
    if "amount" in unknown and any(_plain(name) in _UNIT_PRICES for name in available):
        message += " No column holds the money of a line; if it is quantity times price, add such a column."
    elif unknown:
        message += f" Nothing looks like {', '.join(unknown)}: name the right column in data.columns."
    raise InputError(message)


def propose_columns(mapped: dict[str, str], available: Sequence[str]) -> dict[str, str]:
    """Return the likeliest ``{our name: input column}``, each input column used once.

    Names are compared without case and punctuation: first with the mapped name, then with the usual names of
    such a column, then by likeness. Optional columns are proposed only where they are mapped or their name is
    a usual one.

    >>> propose_columns({"customer_id": "customer_id"}, ["CustomerID", "Invoice Date", "Total"])
    {'customer_id': 'CustomerID', 'order_date': 'Invoice Date', 'amount': 'Total'}
    """
    fits = [
        (score, -position, ours, theirs)
        for ours in _SYNONYMS
        for position, theirs in enumerate(available)
        if (score := _likeness(ours, mapped.get(ours), theirs)) > 0
    ]
    proposal: dict[str, str] = {}
    for _, _, ours, theirs in sorted(fits, reverse=True):
        if ours not in proposal and theirs not in proposal.values():
            proposal[ours] = theirs
    return {ours: proposal[ours] for ours in ColumnsConfig.model_fields if ours in proposal}


def _likeness(ours: str, configured: str | None, theirs: str) -> float:
    """Return how well a column fits: above 3 as configured, 2-3 a usual name, 0-1 alike, 0 not at all."""
    name = _plain(theirs)
    if configured is not None and theirs == configured:
        return 5.0
    if configured is not None and name and name == _plain(configured):
        return 4.0
    usual = _SYNONYMS[ours].split()
    if name in usual:
        return 3.0 - usual.index(name) / len(usual)
    if ours not in _REQUIRED and configured is None:
        return 0.0
    candidates = [*usual, *([_plain(configured)] if configured else [])]
    best = max(difflib.SequenceMatcher(None, name, candidate).ratio() for candidate in candidates)
    return best if best >= 0.75 else 0.0


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())
