"""What systems export, in several languages: each file holds the same purchases, and all are found without a word."""

from datetime import datetime, timedelta

import pytest

from clvml.log import read_purchase_log
from clvml.workflows import assume_config

LINES = 40
WEEKDAYS = ("lun", "mar", "mer", "jeu", "ven", "sam", "dim")
MONEY = sum(10 + n * 1.25 + (1000 if n % 9 == 0 else 0) for n in range(LINES))


def _us(money):
    return f"{money:,.2f}"


def _de(money, thousands="."):
    return _us(money).replace(",", "#").replace(".", ",").replace("#", thousands)


def _table(header, cells, sep=",", above="", below=""):
    """Return a file of all purchases; ``cells`` is given a purchase's number, customer, time and amount."""
    lines = [
        sep.join(map(str, cells(n, n * 7 % 9, datetime(2024, 1, 3, 9, 5) + timedelta(3 * n, 999 * n), money)))
        for n in range(LINES)
        for money in [10 + n * 1.25 + (1000 if n % 9 == 0 else 0)]
    ]
    return f"{above}{header}\n" + "\n".join(lines) + f"\n{below}"


EXPORTS = {
    "Lightspeed": _table(
        "Date,Sale ID,Customer,Item,Qty,Discount,Subtotal,Tax,Total",
        lambda n, who, at, money: [f"{at:%m/%d/%Y %I:%M %p}", n, who, "Bike", 1, "$0.00", f'"${_us(money)}"', "$0.00",
                                   f'"${_us(money)}"'],
    ),
    "PrestaShop": _table(
        "ID;Référence;Livraison;Client;Total;Paiement;Date",
        lambda n, who, at, money: [n, f"XK{n}", "France", f"Nom {who}", _de(money, "\u202f") + " €", "Carte",
                                   f"{at:%d/%m/%Y %H:%M:%S}"],
        ";",
    ),
    "eBay": _table(
        "Sales Record Number,Order Number,Buyer Email,Item Title,Quantity,Total Price,Sale Date",
        lambda n, who, at, money: [n, f"27-{n}", f"{who}@x.us", '"Cup, blue"', 1, f'"${_us(money)}"', f"{at:%b-%d-%y}"],
        above="\n", below="\n40,record(s) downloaded,from 1 Jan 2024\nSeller ID : shop\n",
    ),
    "PayPal": "\ufeff" + _table(
        "Datum,Uhrzeit,Zeitzone,Typ,Währung,Brutto,Netto,Absender E-Mail-Adresse,Transaktionscode",
        lambda n, who, at, money: [f"{at:%d.%m.%Y}", f"{at:%H:%M}", "Europe/Berlin", "Kauf", "EUR", f'"{_de(money)}"',
                                   f'"{_de(money - 1)}"', f"{who}@x.de", f"T{n}"],
    ),
    "Sage": _table(
        "Journal\tDate de pièce\tN° de pièce\tCompte tiers\tDébit\tCrédit",
        lambda n, who, at, money: ["VE", f"{at:%d/%m/%Y}", f"F{n}", f"C{who}", _de(money, "\u00a0"), ""],
        "\t",
    ).encode("cp1252"),
    "SAP": _table(
        "|Auftraggeber|Fakturadatum|Fakt.Nr.|   Nettowert|Währg|",
        lambda n, who, at, money: [f"|{who:010}", f"{at:%d.%m.%Y}  ", n, f"{_de(money):>12}", "EUR  |"],
        "|", above=f"Umsatzliste        Seite 1\n\n{'-' * 60}\n", below=f"{'-' * 60}\n|*|||{_de(MONEY):>12}|EUR  |\n",
    ),
    "Zettle": _table(
        "Datum,Tid,Kvittonummer,Kund,Produkt,Antal,Summa (SEK)",
        lambda n, who, at, money: [f"{at:%Y-%m-%d}", f"{at:%H:%M}", n, who, "Kaffe", 1, f'"{_de(money, " ")}"'],
    ),
    "Wix": _table(
        "Order number,Date created,Time,Contact email,Item,Qty,Total,Currency",
        lambda n, who, at, money: [n, f'"{at:%b %d, %Y}"', f"{at:%I:%M %p}", f"{who}@x.com", "Mug", 1, money, "USD"],
    ),
    "Salesforce": _table(
        "Account Name,Opportunity Name,Close Date,Amount Currency,Amount",
        lambda n, who, at, money: [f'"Firm {who}"', n, f"{at.month}/{at.day}/{at:%Y}", "USD", f'"{money:.2f}"'],
        below='\n"Grand Totals (40 records)"\n"Copyright (c) 2024, all rights reserved."\n',
    ),
    "Dynamics": _table(
        "(Do Not Modify) Invoice,Invoice ID,Customer,Total Amount,Created On",
        lambda n, who, at, money: [f"9f{n}", n, f"Firm {who}", f'"{_us(money)}"', f"{at:%m/%d/%Y %I:%M %p}"],
    ),
    "an accountant's UTF-16": _table(
        "Debitor\tBuchungsdatum\tBelegnr\tBetrag",
        lambda n, who, at, money: [f"{who:010}", f"{at:%d.%m.%Y}", n, _de(money)],
        "\t",
    ).encode("utf-16"),
    "Brazil": _table(
        "Pedido;Cliente;Data do pedido;Valor total",
        lambda n, who, at, money: [n, who, f"{at:%d/%m/%Y}", f"R$ {_de(money)}"],
        ";",
    ),
    "1C": _table(
        "Дата;Номер;Контрагент;Количество;Сумма",
        lambda n, who, at, money: [f"{at:%d.%m.%Y %H:%M}", n, f"ООО {who}", 1, _de(money, " ")],
        ";", below=f"Итого;;;{LINES};{_de(MONEY, ' ')}\n",
    ).encode("cp1251"),
    "Poland": _table(
        "Nr zamówienia;Data;Klient;Wartość brutto;Waluta",
        lambda n, who, at, money: [n, f"{at:%d-%m-%Y}", f"Firma {who}", f'"{_de(money, " ")} zł"', "PLN"],
        ";",
    ).encode("cp1250"),
    "the Netherlands": _table(
        "Factuurnummer;Factuurdatum;Klantnummer;Omschrijving;Bedrag incl. BTW",
        lambda n, who, at, money: [n, f"{at:%d-%m-%Y}", who, "Fiets", f"€ {_de(money)}"],
        ";",
    ),
    "Switzerland": _table(
        "Rechnung;Kunde;Datum;Betrag CHF",
        lambda n, who, at, money: [n, who, f"{at:%d.%m.%Y}", _us(money).replace(",", "’")],
        ";",
    ),
    "Italy": _table(
        "Numero ordine;Data ordine;Codice cliente;Quantità;Prezzo unitario;Totale riga",
        lambda n, who, at, money: [n, f"{at:%d/%m/%Y}", who, 2, _de(money), _de(money)],
        ";",
    ),
    "Spain": _table(
        "Factura;Fecha;Cliente;Base imponible;IVA;Total factura",
        lambda n, who, at, money: [n, f"{at:%d/%m/%Y}", who, _de(money / 1.21), "21%", f"{_de(money)} €"],
        ";", below=f"TOTAL;;;;;{_de(MONEY)} €\n",
    ),
    "Hotel": _table(
        "Reservation No;Guest ID;Guest Name;Booked on;Arrival;Departure;Nights;Room Rate;Total Amount",
        lambda n, who, at, money: [n, f"G{who}", f"Name {who}", f"{at:%d.%m.%Y}", f"{at:%d.%m.%Y}", f"{at:%d.%m.%Y}", 3,
                                   _de(money / 3), _de(money)],
        ";",
    ),
    "pharmacy": _table(
        "Kd-Nr;Abgabedatum;PZN;Bezeichnung;Menge;VK-Preis;Zuzahlung;Gesamt",
        lambda n, who, at, money: [f"{who:06}", f"{at:%d.%m.%y}", 1000 + n, "Salbe", 1, _de(money), "5,00", _de(money)],
        ";",
    ),
    "sevDesk": _table(
        "Rechnungsnummer;Rechnungsdatum;Kundennummer;Betrag (netto);Betrag (brutto);Bezahlt am",
        lambda n, who, at, money: [f"RE-{n}", f"{at:%d.%m.%Y}", who, _de(money / 1.19), _de(money), f"{at:%d.%m.%Y}"],
        ";",
    ),
    "Cegid": _table(
        "Code tiers;Raison sociale;Date pièce;Numéro pièce;Total HT;Total TTC",
        lambda n, who, at, money: [f"C{who}", f"Société {who}", f"{at:%d/%m/%Y}", f"FA{n}", _de(money / 1.2, " "),
                                   _de(money, "\u202f")],
        ";",
    ),
    "Etsy": _table(
        "Verkauf Datum,Bestellnummer,Nutzername,Anzahl der Artikel,Bestellwert,Gesamtbetrag der Bestellung",
        lambda n, who, at, money: [f"{at:%d.%m.%y}", n, f"user{who}", 1, f'"{_de(money + 2)}"', f'"{_de(money)}"'],
    ),
    "bank": _table(
        "Auftragskonto;Buchungstag;Valutadatum;Verwendungszweck;Beguenstigter/Zahlungspflichtiger;Betrag;Info",
        lambda n, who, at, money: ["DE1", f"{at:%d.%m.%y}", f"{at:%d.%m.%y}", f"RE {n}", f"Kunde {who}", _de(money, ""),
                                   "gebucht"],
        ";",
    ).encode("cp1252"),
    "SAP of a debtor": _table(
        "Debitor\tBuch.dat.\tBeleg\tBetr. in HW",
        lambda n, who, at, money: [100000 + who, f"{at:%d.%m.%Y}", n, _de(money)],
        "\t",
    ),
    "Navision": _table(
        "Verk. an Deb.-Nr.;Buchungsdatum;Belegnr.;Betrag inkl. MwSt.;Betrag",
        lambda n, who, at, money: [f"D{who:05}", f"{at:%d.%m.%y}", f"VR{n}", _de(money), _de(money / 1.19)],
        ";",
    ),
    "Klarna": _table(
        "Bestelldatum;Referenz;Kunden-E-Mail;Bruttobetrag;Gebühren;Netto",
        lambda n, who, at, money: [f"{at:%Y-%m-%dT%H:%M:%S}.000Z", n, f"{who}@x.de", _de(money), "-1,00",
                                   _de(money - 1)],
        ";",
    ),
    "till with weekdays": _table(
        "Date;Ticket;Carte client;Montant TTC",
        lambda n, who, at, money: [f"{WEEKDAYS[at.weekday()]}. {at:%d/%m/%Y}", n,
                                   f"K{who}", _de(money)],
        ";", below=f"Z-Bericht 1;;;{_de(MONEY)}\n",
    ),
    "lines that end in a semicolon": _table(
        "Kunde;Datum;Betrag",
        lambda n, who, at, money: [who, f"{at:%d.%m.%Y}", _de(money) + ";"],
        ";",
    ),
}  # fmt: skip


@pytest.mark.parametrize("system", EXPORTS)
def test_exports_are_read_as_they_are(tmp_path, system):
    path, text = tmp_path / "export.txt", EXPORTS[system]
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    quality = read_purchase_log(assume_config(str(path)).data, now=datetime(2025, 1, 1)).quality
    assert (quality.rows_out, quality.money_out, quality.customers) == (LINES, MONEY, 9)
    assert (str(quality.first_day), str(quality.last_day)) == ("2024-01-03", "2024-04-29")
