"""Words of many languages that tell which lines are no purchases: in the cells of a column, and in its name.

Words are compared in lower case, names as they are.
"""

from __future__ import annotations

import re

from clvml.log.mapping import ACCOUNT_SIDES

# How words begin that say of a line that it was not bought, without case and punctuation.
_NOT_BOUGHT = re.compile(
    r"(?:^|[\W_]|wc)(?:fail|declin|den(?:y|ied)|reject|refused?|error|void|cancel|expir|pending|unpaid|not paid|"
    r"abandon|incomplete|draft|trash|requires|blocked|on[ -]hold|revers|chargeback|dispute lost|storn|"
    r"abgebroch|fehlgeschlag|abgelehn|gesperrt|nicht bezahlt|unbezahlt|offen|widerruf|annul|échou|echou|refus|"
    r"en attente|impay|cancelad|fallid|rechazad|pendiente|anulad|geannul|mislukt|in attesa|anulow|"
    r"ausstehend|nieopłac|odrzuc|zrušen|отмен|awaiting payment|quotation|devis|closed lost|recusad|i\u0307?ptal|"
    r"makuler|avbrut|entwurf|brouillon|borrador|erreur)"
)
# Tags and types that say so; a pregnancy test is bought, and what is paid with a gift card is a purchase.
_APART = re.compile(
    r"(?:^|[,;|])\s*tests?\s*(?:$|[,;|])|"
    r"(?:^|[\W_])(?:test[ _-]?(?:order|bestellung|kauf)|gift[ _-]?cards?|geschenkgutschein|geschenkkarte|"
    r"carte[ _-]cadeau|tarjeta[ _-]regalo|carta[ _-]regalo|cadeaubon)(?:$|[\W_])"
)
TAG_NAMES = re.compile(r"\b(?:tags?|labels?|schlagw(?:ort|örter)|étiquettes?|etiquetas?)\b", re.IGNORECASE)
REFUNDED = re.compile(
    r"(?:^|[\W_]|wc)(?:refund|returned|credit ?note|erstattet|retour|gutschrift|rückerstatt|rembours|avoir|reembols|"
    r"devol|rimbors|reso$|terugbetaald|zwrot)"
)
_PARTLY = re.compile(r"partial|teilweise|partiel|parcial|parzial")
_BOUGHT = re.compile(
    r"(?:^|[\W_]|wc)(?:paid|complet|succe|processing|fulfil|captur|settled|shipped|deliver|received|partial|closed|sale|"
    r"order|purchase|invoice|bezahlt|abgeschlossen|versendet|versandt|geliefert|erledigt|verkauf|rechnung|pay[ée]|termin|"
    r"vente|facture|pagad|pagat|entregad|venta|consegnat|betaald|zakończ|opłac|zaplac)"
)
_REFUND_NAMES = re.compile(r"refund|erstatt|rembours|reembols|rimbors", re.IGNORECASE)
_NO_MONEY = re.compile(r"date|datum|reason|status|(^|[ _-])(id|at|by|on)$|grund|currency", re.IGNORECASE)
# A column of yes and no that marks lines as not bought.
_MARK_NAMES = re.compile(
    r"^(?:is|ist)?[\W_]*(?:storn(?:o|iert|ierung)|cancel(?:l?ed|lation)?|refund(?:ed)?|returned|erstattet|void(?:ed)?|deleted|annul(?:l?ed|é|lato)?|makulerad|annulleret|"
    r"gelöscht|test(?:[\W_]?(?:order|bestellung|mode))?)(?:[\W_]*(?:flag|kz|kennzeichen))?[\W_]*$",
    re.IGNORECASE,
)
YES, _NO = (
    {"true", "t", "yes", "y", "1", "ja", "j", "oui", "x"},
    {"false", "f", "no", "n", "0", "nein", "non", "nej"},
)
STATES = re.compile(r"stat[eou]|stage|zustand|état|etat|étape|durum|статус", re.IGNORECASE)
STATUS_NAMES = re.compile(rf"{STATES.pattern}|type?\b|\bart\b", re.IGNORECASE)
# Of deals those are purchases that were won: the others are lost or open.
_WON = re.compile(r"\bwon\b|gewonnen|gagn[ée]|ganad[ao]")
# A document of its own that takes money back; what was refunded later is a status of the sale.
_CREDIT = re.compile(
    r"(?<![\w-])(?:credit[ _-]?(?:note|memo)|(?:full |partial )?refund|sales[ _-]return|return|gutschrift|"
    r"rechnungskorrektur|storno[ _-]?(?:rechnung|beleg)|retoure|rückgabe|erstattung|avoir|facture d.avoir|"
    r"remboursement|retour|abono|nota de (?:crédito|credito|abono)|(?:factura )?rectificativa|reembolso|devolución|"
    r"nota di credito|reso|rimborso|credit(?:nota|factuur)|terugbetaling|kreditnota|korekta|zwrot|dobropis|возврат)"
    r"(?:e?s|en|n)?(?![\w-])"
)
# Which side of an account a line is on: the customer's debt first.
SIDES = (*ACCOUNT_SIDES, ("s", "h"), ("d", "c"), ("dr", "cr"), ("+", "-"))
SIDE_NAMES = re.compile(
    r"soll|haben|debit|débit|credit|crédit|kennz|vorzeichen|sign|sens|indicator|\+|beleg|vorgang|docu?m?|pi[eè]ce|"
    r"\b(?:s|d)/?(?:h|c)\b|\b(?:dr|cr|kz|art|tipo|type?)\b",
    re.IGNORECASE,
)
# Columns that say how was paid: by credit or debit card, or with a gift card.
PAID_WITH = re.compile(
    r"pay|zahl|paiement|pago|tender|method|metod|\b(?:card|karte|carte|tarjeta|carta)\b", re.IGNORECASE
)
# Codes of documents, and those of the sales that stand beside them.
CODES = {"sc": "si", "cn": "inv", "crn": "inv", "gu": "re", "gs": "re", "av": "fa", "nc": "fa", "cm": "in"}


def is_credit(word: str) -> bool:
    """Return whether a kind of document is one that takes money back.

    >>> is_credit("Credit note"), is_credit("Gutschrift"), is_credit("refunded")
    (True, True, False)
    """
    return bool(_CREDIT.search(word.casefold()))


def is_mark(name: str, words: list[str]) -> bool:
    """Return whether a column marks lines that were not bought: its name says it, and its values are yes and no."""
    told = {word.casefold() for word in words}
    return bool(_MARK_NAMES.search(name)) and bool(told & YES) and told <= YES | _NO


def is_unbought(word: str, name: str, *, refunds: bool = True) -> bool:
    """Return whether a word in the column ``name`` says that a line is no purchase, or with ``refunds`` a refund."""
    word = word.casefold()
    if _APART.search(word) and not PAID_WITH.search(name):
        return True
    if word == "open" and "payment" in name.casefold():
        return True
    return bool(_NOT_BOUGHT.search(word) or (refunds and REFUNDED.search(word) and not _PARTLY.search(word)))


def is_won(word: str) -> bool:
    """Return whether a stage says that a deal was won.

    >>> is_won("Closed Won (Sales)"), is_won("Closed Lost")
    (True, False)
    """
    return bool(_WON.search(word.casefold()))


def is_bought(word: str) -> bool:
    """Return whether a word says that a line is a purchase."""
    return bool(_BOUGHT.search(word.casefold())) and not is_unbought(word, "")


def is_refund(name: str) -> bool:
    """Return whether a column is called as one of refunded money is."""
    return bool(_REFUND_NAMES.search(name)) and not _NO_MONEY.search(name)
