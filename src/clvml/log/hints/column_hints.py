"""What the columns that are not used say: a status, a refunded amount, a quantity beside a price, a currency.

They are for whoever sets a log up, because they read the file again; `clvml.log.quality` has what every reading warns
of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from clvml.config import DataConfig, read_preset
from clvml.log.finding import Finding
from clvml.log.hints.credit_notes import PAID_WITH, ByValue, credit_findings, is_credit
from clvml.log.hints.discounts import discount_findings
from clvml.log.hints.line_totals import order_total_findings, running_total_findings, total_findings
from clvml.log.hints.raw_columns import SAMPLE_ROWS, RawColumns
from clvml.log.mapping import is_unit_price, is_usual, plain, written
from clvml.log.presets import fit_preset, recognise
from clvml.log.purchase_log import PurchaseLog
from clvml.log.quality import QualityReport
from clvml.log.readers.parts import Part
from clvml.log.rows.derived import bind_formulas
from clvml.storage.sql import MONEY, literal

_MOST_VALUES = 30
# How words begin that say of a line that it was not bought, without case and punctuation.
_NOT_BOUGHT = re.compile(
    r"(?:^|[\W_]|wc)(?:fail|declin|den(?:y|ied)|reject|refused?|error|void|cancel|expir|pending|unpaid|not paid|"
    r"abandon|incomplete|draft|trash|requires|blocked|on[ -]hold|revers|chargeback|dispute lost|storn|"
    r"abgebroch|fehlgeschlag|abgelehn|gesperrt|nicht bezahlt|unbezahlt|offen|widerruf|annul|échou|echou|refus|"
    r"en attente|impay|cancelad|fallid|rechazad|pendiente|anulad|geannul|mislukt|in attesa|anulow|"
    r"ausstehend|nieopłac|odrzuc|zrušen|отмен)"
)
# Tags and types that say so; a pregnancy test is bought, and what is paid with a gift card is a purchase.
_APART = re.compile(
    r"(?:^|[,;|])\s*tests?\s*(?:$|[,;|])|"
    r"(?:^|[\W_])(?:test[ _-]?(?:order|bestellung|kauf)|gift[ _-]?cards?|geschenkgutschein|geschenkkarte|"
    r"carte[ _-]cadeau|tarjeta[ _-]regalo|carta[ _-]regalo|cadeaubon)(?:$|[\W_])"
)
_TAG_NAMES = re.compile(r"\b(?:tags?|labels?|schlagw(?:ort|örter)|étiquettes?|etiquetas?)\b", re.IGNORECASE)
_REFUNDED = re.compile(
    r"(?:^|[\W_]|wc)(?:refund|returned|credit ?note|erstattet|retour|gutschrift|rückerstatt|rembours|avoir|reembols|"
    r"devol|rimbors|reso$|terugbetaald|zwrot)"
)
_PARTLY = re.compile(r"partial|teilweise|partiel|parcial|parzial")
_BOUGHT = re.compile(
    r"(?:^|[\W_]|wc)(?:paid|complet|succe|processing|fulfil|captur|settled|shipped|deliver|received|partial|closed|sale|"
    r"order|purchase|invoice|bezahlt|abgeschlossen|versendet|versandt|geliefert|erledigt|verkauf|rechnung|pay[ée]|termin|"
    r"vente|facture|pagad|pagat|entregad|venta|consegnat|betaald|zakończ|opłac|zaplac)"
)
_LONGEST_STATUS = 40
_REFUND_NAMES = re.compile(r"refund|erstatt|rembours|reembols|rimbors", re.IGNORECASE)
_NO_MONEY = re.compile(r"date|datum|reason|status|(^|[ _-])(id|at|by|on)$|grund|currency", re.IGNORECASE)
_SPLIT_ORDERS = 20
# DuckDB chokes on a query of very many columns, and each query reads the file again.
_AT_ONCE, _MOST_COLUMNS = 50, 300
# A column of yes and no that marks lines as not bought.
_MARK_NAMES = re.compile(
    r"^(?:is|ist)?[\W_]*(?:storn(?:o|iert|ierung)|cancel(?:l?ed|lation)?|refund(?:ed)?|returned|erstattet|void(?:ed)?|deleted|annul(?:l?ed|é|lato)?|"
    r"gelöscht|test(?:[\W_]?(?:order|bestellung|mode))?)(?:[\W_]*(?:flag|kz|kennzeichen))?[\W_]*$",
    re.IGNORECASE,
)
_YES, _NO = (
    {"true", "t", "yes", "y", "1", "ja", "j", "oui", "x"},
    {"false", "f", "no", "n", "0", "nein", "non"},
)
_STATES = re.compile(r"stat[eou]|zustand|état|etat", re.IGNORECASE)
_STATUS_NAMES = re.compile(r"stat[eou]|zustand|état|etat|type?\b|\bart\b", re.IGNORECASE)


def column_findings(log: PurchaseLog, data: DataConfig, parts: list[Part]) -> Iterator[Finding]:
    """Yield what the columns of the parts say that are not used for the log that was read of them."""
    fitted, names = fit_preset(data, parts[0].columns, parts[0].name)
    formulas = bind_formulas(fitted, names)
    used = {*fitted.columns.mapped().values(), *formulas.operands}
    file = RawColumns(log.connection, parts, names, frozenset(used))
    amount = fitted.columns.amount if "amount" not in formulas.computed else None
    yield from _preset(data, parts[0].columns)
    free = sorted(
        (name for name in file.names if name not in file.used),
        key=lambda name: not _STATUS_NAMES.search(name),
    )
    few = list(_few_values(file, free[:_MOST_COLUMNS]))
    if fitted.where is None:
        yield from _status(file, amount, few, log.quality.refund_line_share > 0)
    if amount is not None:
        documents = [(name, words) for name, words in few if not _STATES.search(name)]
        order = fitted.columns.order_id
        if order in file.names and fitted.amount_per == "line" and fitted.where is None:
            free_names = [name for name, _ in few]
            yield from total_findings(
                file.run, lambda name: _lines(file, order, amount, name), free_names, _yaml
            )
        yield from credit_findings(amount, documents, lambda name: _by_value(file, name, amount), _yaml)
        yield from _refunds(file, amount)
        # What a preset maps is what its export means.
        if data.preset is None or amount != read_preset(data.preset).data["columns"]["amount"]:
            yield from _unit_price(file, amount)
    if fitted.amount_per == "line" and data.preset is None:
        yield from discount_findings(file, amount, _yaml)
    if fitted.columns.currency is None and data.currency is None:
        yield from _currency(file)
    yield from _empty(log, fitted)
    yield from order_total_findings(log, fitted)
    yield from running_total_findings(log)
    yield from _other_customers(file, log.quality)


def _preset(data: DataConfig, columns: tuple[str, ...]) -> Iterator[Finding]:
    if data.preset is None:
        known = recognise(columns)
        if known is not None:
            about = read_preset(known).about
            yield Finding(
                "known-export", f"the header is that of {about}; data.preset: {known} brings how it is read"
            )
        return
    preset = read_preset(data.preset)
    if "timezone" in preset.asks and "timezone" not in data.model_fields_set:
        yield Finding(
            "timezone-not-set",
            "days are counted in UTC; data.timezone: Europe/Berlin or the like counts them where the shop is",
        )
    for note in preset.notes:
        yield Finding(f"about-{data.preset}", " ".join(note.split()))


def _status(
    file: RawColumns, amount: str | None, few: list[tuple[str, list[str]]], has_refunds: bool
) -> Iterator[Finding]:
    candidates = []
    for name, words in few:
        # What has a line of its own is taken off, and not left out.
        if (amount is not None or has_refunds) and not _STATES.search(name):
            words = [word for word in words if not is_credit(word)]
        if _is_mark(name, words):
            candidates.append(((False, True, False), -file.names.index(name), name, True))
        elif any(_is_unbought(word, refunds=True, name=name) for word in words):
            # The status of a payment tells more than that of a parcel.
            rank = (
                any(_is_bought(word) for word in words),
                not re.search(r"fulfil|ship|deliver|line", name, re.I),
                "status" in name.lower(),
            )
            # A single word among others, such as a product, is not a status.
            if rank[0] or _STATUS_NAMES.search(name) or _TAG_NAMES.search(name):
                candidates.append((rank, -file.names.index(name), name, False))
    if not candidates:
        return
    _, _, name, marks = max(candidates)
    by_value = _by_value(file, name, amount)
    told_apart = any(_is_refund(file, other) for other in file.names)
    # Refunds that are negative come off by themselves.
    bad = [
        row
        for row in by_value
        if row[0] is not None
        and (row[0].casefold() in _YES if marks else _is_unbought(row[0], refunds=not told_apart, name=name))
        and (row[2] is None or row[2] > 0 or not _REFUNDED.search(row[0].casefold()))
        and (amount is None or _STATES.search(name) or not is_credit(row[0]))
    ]
    if not bad:
        return
    rows = sum(row[1] for row in bad)
    listed = ", ".join(f"{value} ({count:,})" for value, count, *_ in by_value[:6] if value is not None)
    column = written(name)
    condition = f"{column} not in ({', '.join(literal(row[0] or '') for row in bad)})"
    if any(row[0] is None for row in by_value):
        condition = f"{column} is null or {condition}"
    yield Finding(
        "status-column",
        f"column '{name}' looks like a status: {listed}; {rows:,} lines seem to be no purchases, and all count."
        f" data.where: {_yaml(condition)} leaves them out",
        rows,
        float(sum(row[2] or 0 for row in bad)) if amount is not None else None,
    )


def _by_value(file: RawColumns, name: str, amount: str | None) -> ByValue:
    """Return each value of a column, the most frequent first: its lines, their money, and how many are negative."""
    money = "NULL" if amount is None else file.number(amount)
    needed = {f"c{file.names.index(column)}" for column in (name, *([amount] if amount else []))}
    return file.run(
        f"SELECT value, count(*), sum(money::{MONEY}), count(*) FILTER (money < 0) FROM (SELECT {file.cell(name)}"
        f" AS value, {money} AS money FROM {file.rows(', '.join(sorted(needed)))}) GROUP BY value ORDER BY 2 DESC, 1"
    )


def _lines(file: RawColumns, order: str, amount: str, name: str | None) -> str:
    """Return the relation of order number, money and the cell of a column of all lines."""
    needed = sorted({f"c{file.names.index(column)}" for column in (order, amount, *([name] if name else []))})
    value = file.cell(name) if name else "NULL"
    return (
        f"(SELECT {file.cell(order)} AS order_id, {file.number(amount)}::{MONEY} AS amount, {value} AS value"
        f" FROM {file.rows(', '.join(needed))} WHERE {file.cell(order)} IS NOT NULL)"
    )


def _few_values(file: RawColumns, names: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the columns that hold few different short texts, with these."""
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        cells = [f"c{file.names.index(name)}" for name in some]
        values = ", ".join(f"list(DISTINCT nullif(trim({cell}::VARCHAR), ''))" for cell in cells)
        found = file.run(f"SELECT {values} FROM {file.rows(', '.join(cells), SAMPLE_ROWS)}")[0]
        for name, texts in zip(some, found, strict=True):
            words = [text for text in texts or () if text]
            if 0 < len(words) <= _MOST_VALUES and max(map(len, words)) <= _LONGEST_STATUS:
                yield name, words


def _is_mark(name: str, words: list[str]) -> bool:
    """Return whether a column marks lines that were not bought: its name says it, and its values are yes and no."""
    told = {word.casefold() for word in words}
    return bool(_MARK_NAMES.search(name)) and bool(told & _YES) and told <= _YES | _NO


def _is_unbought(word: str, refunds: bool, name: str = "") -> bool:
    word = word.casefold()
    if _APART.search(word) and not PAID_WITH.search(name):
        return True
    return bool(_NOT_BOUGHT.search(word) or (refunds and _REFUNDED.search(word) and not _PARTLY.search(word)))


def _is_bought(word: str) -> bool:
    return bool(_BOUGHT.search(word.casefold())) and not _is_unbought(word, refunds=True)


def _refunds(file: RawColumns, amount: str) -> Iterator[Finding]:
    if re.search(r"\bnet\b|netto", amount, re.IGNORECASE):
        return
    names = [name for name in file.names if name not in file.used and _is_refund(file, name)]
    for name in sorted(names, key=len)[:1]:
        cell = f"c{file.names.index(name)}"
        rows, money = file.run(
            f"SELECT count(*), sum(money::{MONEY}) FROM (SELECT {file.number(name)} AS money FROM {file.rows(cell)})"
            " WHERE money <> 0"
        )[0]
        if rows:
            sign = "-" if money > 0 else "+"
            yield Finding(
                "refunded-amount",
                f"column '{name}' holds refunds of {float(abs(money)):,.2f} in {rows:,} lines, which are not taken off;"
                f" data.columns.amount: {_yaml(f'{written(amount)} {sign} {written(name)}')} takes them off",
                rows,
                float(money),
            )


def _is_refund(file: RawColumns, name: str) -> bool:
    return bool(_REFUND_NAMES.search(name)) and not _NO_MONEY.search(name)


def _unit_price(file: RawColumns, amount: str) -> Iterator[Finding]:
    quantity = next((name for name in file.names if is_usual("quantity", name)), None)
    if quantity is None or not is_unit_price(amount):
        return
    cell = f"c{file.names.index(quantity)}"
    rows = file.run(
        f"SELECT count(*) FROM (SELECT {file.number(quantity)} AS number FROM {file.rows(cell)}) WHERE number <> 1"
    )[0][0]
    product = _yaml(f"{written(quantity)} * {written(amount)}")
    if rows:
        yield Finding(
            "price-without-quantity",
            f"column '{amount}' looks like the price of one unit, and {rows:,} lines are of another number of units"
            f" than one; data.columns.amount: {product} is the money of a line",
            rows,
        )


def _currency(file: RawColumns) -> Iterator[Finding]:
    names = [
        name
        for name in file.names
        if name not in file.used
        and (is_usual("currency", name) or plain(name).endswith(("currency", "währung", "devise")))
    ]
    for name in sorted(names, key=len)[:1]:
        cell, text = f"c{file.names.index(name)}", file.cell(name)
        found = file.run(
            f"SELECT upper({text}) AS value, count(*) FROM {file.rows(cell)} WHERE {text} IS NOT NULL"
            " GROUP BY 1 ORDER BY 2 DESC, 1"
        )
        if 1 < len(found) <= _MOST_VALUES:
            listed = ", ".join(f"{value} ({rows:,})" for value, rows in found[:5])
            yield Finding(
                "currency-not-mapped",
                f"column '{name}' holds several currencies, {listed}, and amounts are added up as they are;"
                f" data.columns.currency: {name} with data.currency: {found[0][0]} takes the lines in that one",
                sum(rows for _, rows in found[1:]),
            )


def _empty(log: PurchaseLog, data: DataConfig) -> Iterator[Finding]:
    optional = [name for name in ("order_id", "product_id", "quantity") if name in log.columns]
    if not optional:
        return
    counts = log.connection.execute(
        f"SELECT {', '.join(f'count({name})' for name in optional)} FROM {log.table}"
    ).fetchall()[0]
    for name, count in zip(optional, counts, strict=True):
        if count == 0:
            theirs = data.columns.mapped()[name]
            yield Finding(
                "empty-column",
                f"column '{theirs}' ({name}) is empty in all lines of the log; leave data.columns.{name} out, or name"
                " another column",
                log.quality.rows_out,
            )


def _other_customers(file: RawColumns, quality: QualityReport) -> Iterator[Finding]:
    """Yield a column that repeats where the customer id never does."""
    if quality.customers < max(_SPLIT_ORDERS, quality.rows_out):
        return
    names = [
        name
        for name in file.names
        if name not in file.used and (is_usual("customer_id", name) or "email" in plain(name))
    ]
    for name in names:
        cell = file.cell(name)
        rows, values = file.run(
            f"SELECT count({cell}), count(DISTINCT {cell}) FROM {file.rows(f'c{file.names.index(name)}')}"
        )[0]
        if 1 < values < 0.95 * rows:
            yield Finding(
                "customer-never-returns",
                f"no customer id comes twice, and column '{name}' does ({values:,} values in {rows:,} lines);"
                f" data.columns.customer_id: {name} if that is the customer",
                quality.rows_out,
                quality.money_out,
            )
            return


def _yaml(text: str) -> str:
    r"""Return a text as it is quoted in the configuration.

    >>> _yaml("Status = 'Paid'"), _yaml('"Paid at" is null')
    ('"Status = \'Paid\'"', '\'"Paid at" is null\'')
    """
    if '"' in text or "\\" in text:
        return "'" + text.replace("'", "''") + "'"
    return f'"{text}"'
