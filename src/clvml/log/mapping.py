"""Which input column is which of ours, and a proposal where the configuration does not fit."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache

from clvml.config import ColumnsConfig
from clvml.errors import InputError, first_of
from clvml.log.values.calendar_words import PARTS_OF_DATES
from clvml.storage.sql import identifier

# Usual names, most telling first, written without case and punctuation.
_SYNONYMS = {
    "customer_id": "customerid customer customerno customernumber custid cust clientid client userid "
    "user visitorid buyerid buyer shopperid shopper householdkey householdid "
    "household memberid member contactid accountid account personid email "
    "kundennr kundennummer kundenid kundencode kunde kdnr kundenkarte kundenkartennr käufer debitor debitorennr "
    "debitorennummer comptetiers codetiers tiers "
    "nrklienta numerklienta idklienta klient zákazník vevő клиент контрагент покупатель "
    "numéroclient idclient codeclient idcliente cliente klantnummer klant klantid "
    "clientnumber clientno clientref clientcode loyaltyid loyaltynumber loyaltycard customerloyaltyid "
    "customercode customerref customerreference accountreference accountref accountcode accountno accountnumber "
    "soldtoparty soldto buyeremail customeremail emailbilling billingemail emailaddress absenderemailadresse"
    " contactemail auftraggeber cusid"
    " compauxnum cardcode kundnr kundnummer kundenr kundenummer asiakas asiakasnumero müşteri müşterino"
    " donorid donoremail buyeruserid buyerusername nutzernamedeskäufers companyid associatedcompany"
    " 顧客id 顧客番号 顧客コード 会員id 会員番号 お客様番号 得意先コード 客户编号 客户id 用户id 会员id"
    " 고객번호 회원번호 customername clientname contactname buyername consumername kundenname nomclient"
    " selltocustomerno billtocustomerno debiteurcode debiteur kupujący nomduclient raisonsociale nombredelcliente"
    " العميل رقمالعميل guestid guestno guestnumber guestname gastnr gastid gastnummer gastname verkandebnr debnr"
    " nutzername benutzername username kontakt kontaktnr kontaktname contact namezahlungsbeteiligter"
    " beguenstigterzahlungspflichtiger begünstigterzahlungspflichtiger 注文者メールアドレス adhérent donateur acheteur"
    " kundenemail kundenmail emailclient emailduclient consumentnaam",
    "order_id": "orderid orderno ordernumber order invoiceid invoiceno invoice transactionid "
    "transactionno transaction basketid receiptid receiptno receiptnumber receipt purchaseid saleid "
    "auftragsnr auftragsnummer bestellnr bestellnummer rechnungsnr rechnungsnummer belegnr belegnummer "
    "auftrag bestellung rechnung beleg belegfeld1 bon bonnr bonnummer orderreference "
    "billingdocument nrzamówienia numerzamówienia transaktionscode transaktionsnummer invoicenumber "
    "numérocommande commande numérofacture facture pedido factura ordine fattura ordernummer factuurnummer"
    " numeroordine numerofattura"
    " documentnumber documentno docno siparişnumarası номерзаказа numérodefacture nºderecibo"
    " docnum pieceref faktura fakturanr fakturanummer bestelnummer númerodopedido siparişno"
    " 注文番号 注文id 受注番号 订单编号 订单号 订单id 주문번호 رقمالطلب"
    " bestellid auftragsid bestellungsnummer vorgangsnummer kassenbon nticket numéroticket numérodeticket",
    "order_date": "orderdate invoicedate transactiondate purchasedate saledate orderts ordertime "
    "ordertimestamp orderedat createdat purchasedat date datetime timestamp "
    "closedate dateordered datecreated createddate createdon time day buydate ts eventtime "
    "bestelldatum auftragsdatum rechnungsdatum kaufdatum belegdatum buchungsdatum datum datecommande datedecommande"
    " datepièce datedepièce "
    "billingdate postingdate paidat дата "
    "datefacture dateachat datepedido fechapedido fecha dataordine data besteldatum factuurdatum"
    " docdate ecrituredate fakturadatum fakturadato verkauftam donatedat siparistarihi sipariştarihi tarih"
    " 注文日 注文日時 受注日 受注日時 購入日 購入日時 売上日 日付 下单时间 订单日期 订单时间 日期 주문일 주문일시"
    " dateissued issuedate datedefacture fechafactura datazakupu датазаказа"
    " تاريخالطلب التاريخ buchungstag valutadatum wertstellung valuta capturedate abgabedatum verkaufdatum verkaufsdatum"
    " buchdat datasprzedaży bookedon bookingdate arrival arrivaldate checkin checkindate anreise anreisedatum"
    " datedarrivée llegada datevente datedevente",
    "amount": "amount orderamount lineamount linetotal itemtotal totalamount total ordertotal totalprice "
    "salesvalue sales saleamount revenue netsales netrevenue turnover spend value "
    "sum grandtotal invoicetotal gross net amountpaid totalpaid paidamount "
    "ordervalue monetaryvalue paymentvalue payment netamount netamt price "
    "umsatz umsatzohnesollhabenkz nettoumsatz betrag gesamtbetrag rechnungsbetrag summe gesamtpreis "
    "endbetrag bruttobetrag brutto nettobetrag netto gesamt nettowert warenwert montant "
    "montantttc montantht chiffredaffaires ca "
    "importe importo totale bedrag omzet netvalue kwota wartość wartośćbrutto"
    " totalfactura totalfacture totalefattura totaleriga valortotal částka összeg сумма"
    " grosstotal totalgross doctotal beløb bruttobeløb belopp totalt zeilensumme zeilensummebrutto tutar toplamtutar"
    " totalpricewithvat totaalbedrag totalconiva faturalanacaktutar суммазаказа"
    " 合計金額 総合計 合計 請求金額 お支払金額 売上金額 金額 总金额 订单金额 实付金额 金额"
    " 결제금액 주문금액 المبلغ totalttc totalht betragbrutto betragnetto umsatzbrutto umsatznetto"
    " gesamtbetragderbestellung bestellwert betrinhw orderlinestotal orderlinessubtotal"
    " prixtotal caht cattc totalcommande totaldelacommande montantdelacommande gesamtsumme",
    "product_id": "productid product stockcode sku itemid item articleid article materialid material ean upc "
    "artikelnr artikelnummer artikelid artikel produktnr produktnummer produktid produkt codearticle codeproduit "
    "idproduit produit códigoproducto idproducto producto artículo codiceprodotto prodotto codicearticolo articolo "
    "artikelcode artnr productnummer 商品コード 商品番号 商品id 商品编号 商品编码",
    "quantity": "quantity qty units count pieces numberofitems lineitemquantity quantityordered quantitypurchased "
    "qtyordered menge anzahl stückzahl quantité quantite cantidad quantità quantidade "
    "unitssold qtysold quantitysold itemquantity qtyshipped ilość množství aantal antal количество 数量 個数 "
    "qté qte quantitécommandée stück anz planquantity seats",
    "currency": "currency currencycode währung devise valuta moneda moeda waluta 通貨 币种",
}
_UNIT_PRICES = (
    "unitprice itemprice priceperunit lineitemprice pricepaidperunit price unitcost einzelpreis stückpreis preis"
    " vkbrutto vknetto vkpreis soldfor verkauftfür"
    " prixunitaire prix preciounitario precio prezzounitario prezzo cenajednostkowa cena stukprijs prijs цена"
)
# What a customer owes, and what takes it back, in columns of their own.
ACCOUNT_SIDES = (("debit", "credit"), ("débit", "crédit"), ("soll", "haben"), ("debe", "haber"), ("dare", "avere"),
    ("debet", "credit"))  # fmt: skip
_LONGER_THAN_DAYS = " ".join((*PARTS_OF_DATES[:2], "week quarter woche quartal"))
_REQUIRED = ("customer_id", "order_date", "amount")
# What else a column holds that is called nearly as such columns are.
_ELSE = {
    "customer_id": "(?:type|typ$|group|gruppe|segment|status|store|shop|filiale|since|seit|date|datum|class|categor"
    "|tax|vat|city|stadt|country|land|region|gender|age$|note|versand)(?!.*(?:customer|client|kunde))",
    "order_date": "birth|geburt|due|fällig|échéance|deliver|liefer|ship|expir|ablauf|updat|modif|signup|regist|since",
    "amount": "tax|vat|mwst|steuer|tva|due|offen|open|discount|rabatt|remise|ship|versand|freight|fracht|porto|fee"
    "|gebühr|tips?$|weight|gewicht|items|count|cost|kosten|refund|erstatt|balance|saldo|points|punkte",
}
_IN_CURRENCY = re.compile(
    r"(?<=[\w.])[\s_\[(]+(?:in[\s_]+)?(eur|usd|gbp|chf|pln|czk|dkk|sek|nok|huf)o?[\s\])]*$"
)
_TAXED = re.compile(
    r"(?<=\w)[\s_\[(]+(?:(?:inc|incl|inkl|ink|ex|excl|exkl)[\s._]+(?:vat|tax|gst|btw|mwst|ust|moms)|cents?)[\s.\])]*$"
)

# What says of an id or a number that it is one, before or behind what it is of: N° de commande, Auftrag Nr.
_NUMBER = re.compile(
    r"^(?:n[°º]|(?:no?|nr|num|n[uú]m[eé]ro|id|identifiant|c[oó]di(?:ce|go)|code|r[eé]f(?:[eé]rence)?)(?![^\W_]))[\s._-]*"
    r"(?:(?:de la|de l|d[aeou]|del|della|d)[\s'’]+)?|[\s._-]+(?:n[°ºor]|id|code|ref|number|nummer)\.?$"
)


def map_columns(
    columns: ColumnsConfig,
    available: Sequence[str],
    origin: str,
    computed: Collection[str] = (),
    likeliest: Mapping[str, str] | None = None,
) -> dict[str, int]:
    """Return ``{our name: position of the input column}`` for the mapped columns.

    ``origin`` is what the input is called in errors; ``computed`` are our names that are expressions and no columns;
    ``likeliest`` is the mapping that an error proposes, by default that of the names alone.

    Raises
    ------
    InputError
        A mapped column is absent. The message lists the input's columns and proposes a complete mapping.
    """
    mapped = {ours: theirs for ours, theirs in columns.mapped().items() if ours not in computed}
    absent = {ours: theirs for ours, theirs in mapped.items() if theirs not in available}
    if not absent:
        return {ours: list(available).index(theirs) for ours, theirs in mapped.items()}
    wrong = ", ".join(f"{ours}: {theirs}" for ours, theirs in absent.items())
    message = f"'{origin}' has no column for {wrong} (data.columns). Its columns: {first_of(available)}."
    if any(re.fullmatch(r"[-+]?[\d.,:/ -]*\d", name) for name in available):
        raise InputError(f"{message} The first line must hold column names, and it looks like data.")
    if len(available) == 1:
        raise InputError(
            f"{message} It is a single column: export it with a comma, a semicolon, a tab or a bar between the columns,"
            " and without quotes around whole lines."
        )
    proposal = propose_columns(mapped, available) if likeliest is None else likeliest
    if proposal:
        words = ", ".join(f"{ours}: {theirs}" for ours, theirs in proposal.items())
        message += f" Did you mean columns: {{{words}}}?"
    unknown = [ours for ours in _REQUIRED if ours not in proposal]
    if "amount" in unknown and any(map(is_unit_price, available)):
        product = propose_product(available, None)
        message += " No column holds the money of a line; it may be quantity times price"
        message += f": amount: '{product}'." if product else ", as in amount: 'Quantity * Price'."
    elif unknown:
        message += f" Nothing looks like {', '.join(unknown)}: name the right column in data.columns."
        if "order_date" in unknown:
            message += (
                " One row per purchase is needed, with its date, or one per subscription (docs/subscriptions.md); what"
                " is known of customers beside that goes into data.attributes."
            )
    if "order_date" in unknown and any(plain(name) in _LONGER_THAN_DAYS.split() for name in available):
        message += (
            " A date needs day, month and year in one column, such as 2024-01-31: join those that hold them."
        )
    raise InputError(message)


def propose_columns(
    mapped: dict[str, str],
    available: Sequence[str],
    may_be: Callable[[str, str], bool] = lambda ours, theirs: True,
) -> dict[str, str]:
    """Return the likeliest ``{our name: input column}``, each input column used once.

    Names are compared without case and punctuation: first with the mapped name, then with the usual names of
    such a column, then by likeness. Optional columns are proposed only where they are mapped or their name is
    a usual one. ``may_be`` says of our name and a column whether what the column holds can be that.

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
        if ours not in proposal and theirs not in proposal.values() and may_be(ours, theirs):
            proposal[ours] = theirs
    return {ours: proposal[ours] for ours in ColumnsConfig.model_fields if ours in proposal}


def _likeness(ours: str, configured: str | None, theirs: str) -> float:
    """Return how well a column fits: above 3 as configured, 2-3 a usual name, 0-1 alike, 0 not at all."""
    name = plain(theirs)
    if configured is not None and theirs == configured:
        return 5.0
    if configured is not None and name and name == plain(configured):
        return 4.0
    if name == "id":
        # Of nothing else that looks like a customer, it is the customer's.
        return 0.7 if ours == "customer_id" else 0.0
    usual = _SYNONYMS[ours].split()
    if (place := _place(ours, theirs)) is not None:
        return 3.0 - place / len(usual)
    if ours not in _REQUIRED and configured is None:
        return 0.0
    # Debit is almost a debitor, and an amount almost an account.
    candidates = [] if name in _usual_names() or re.search(_ELSE.get(ours, "$^"), name) else usual
    candidates = [*candidates, *([plain(configured)] if configured else [])]
    best = max((difflib.SequenceMatcher(None, name, each).ratio() for each in candidates), default=0.0)
    # Storno and Customer No are alike by three quarters.
    return best if best > 0.75 else 0.0


def _place(ours: str, name: str) -> int | None:
    """Return where a column's name stands among the usual names of ours; None where it does not."""
    usual = _SYNONYMS[ours].split()
    spellings = (name, _NUMBER.sub("", name.casefold())) if ours.endswith("_id") else (name,)
    return next((usual.index(plain(each)) for each in spellings if plain(each) in usual), None)


@cache
def _usual_names() -> frozenset[str]:
    """Return all names that say for sure what a column is."""
    sides = (side for pair in ACCOUNT_SIDES for side in pair)
    return frozenset(" ".join([*_SYNONYMS.values(), _UNIT_PRICES, _LONGER_THAN_DAYS, *sides]).split())


def propose_product(available: Sequence[str], amount: str | None) -> str | None:
    """Return quantity times price as an expression, where no column holds the money of a line but the price of a unit.

    >>> propose_product(["Invoice", "Quantity", "Unit Price"], None)
    'Quantity * "Unit Price"'
    """
    price = next((name for name in available if is_unit_price(name)), None)
    quantity = next((name for name in available if is_usual("quantity", name)), None)
    if price is None or quantity is None or amount not in (None, price):
        return None
    return f"{written(quantity)} * {written(price)}"


def propose_difference(available: Sequence[str], amount: str | None) -> str | None:
    """Return debit less credit as an expression, where they stand in two columns and no column is called an amount.

    >>> propose_difference(["Pièce", "Débit", "Crédit"], "Pièce")
    'Débit - Crédit'
    """
    names = {plain(name): name for name in available}
    for debit, credit in ACCOUNT_SIDES:
        if debit in names and credit in names and not (amount and is_usual("amount", amount)):
            return f"{written(names[debit])} - {written(names[credit])}"
    return None


def is_unit_price(name: str) -> bool:
    """Return whether a column is called as the price of one unit is."""
    return plain(name) in _UNIT_PRICES.split()


def written(name: str) -> str:
    """Return a column's name as an expression takes it."""
    return name if re.fullmatch(r"[^\W\d]\w*", name) else identifier(name)


def is_usual(ours: str, name: str) -> bool:
    """Return whether a column is called as such columns usually are.

    >>> is_usual("quantity", "Qty"), is_usual("customer_id", "Customer ID")
    (True, True)
    """
    return _place(ours, name) is not None


def currency_in_name(name: str) -> str:
    """Return the code of a currency that stands behind a name, empty where none does.

    >>> currency_in_name("Betrag in Euro"), currency_in_name("total_usd"), currency_in_name("Total")
    ('EUR', 'USD', '')
    """
    found = _IN_CURRENCY.search(name.casefold())
    return found[1].upper() if found else ""


def plain(name: str) -> str:
    """Return a name without case, punctuation and the currency or the words on taxes or cents behind it.

    >>> plain("Betrag in EUR"), plain("amount_usd"), plain("Umsatz inkl. MwSt. [CHF]"), plain("EUR")
    ('betrag', 'amount', 'umsatz', 'eur')
    """
    bare = _TAXED.sub("", _IN_CURRENCY.sub("", name.casefold()))
    return re.sub(r"[\W_]+", "", bare)
