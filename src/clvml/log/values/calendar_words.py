"""Words in dates: months and weekdays in the languages of common exports, and names of time zones."""

from __future__ import annotations

from zoneinfo import available_timezones

MONTHS = (
    "january jan januar jänner jän janvier janv enero ene gennaio gen januari janeiro январь января янв",
    "february feb februar feber februari février fevrier févr fevr fév fev febrero febbraio fevereiro февраль"
    " февраля февр фев",
    "march mar märz maerz mär mrz mars marzo maart mrt março marco март марта мар",
    "april apr avril avr abril abr aprile апрель апреля апр",
    "may mai mayo maggio mag mei maio май мая",
    "june jun juni juin junio giugno giu junho июнь июня июн",
    "july jul juli juillet juil julio luglio lug julho июль июля июл",
    "august aug août aout aoû agosto ago augustus август августа авг",
    "september sep sept septembre septiembre settembre set setembro сентябрь сентября сент сен",
    "october oct oktober okt octobre octubre ottobre ott outubro out октябрь октября окт",
    "november nov novembre noviembre novembro ноябрь ноября нояб ноя",
    "december dec dezember dez décembre decembre déc diciembre dic dicembre dezembro декабрь декабря дек",
)
"""By month, in lower case."""

PARTS_OF_DATES = (
    "year jahr année annee año anno ano jaar rok år 年",
    "month monat mois mes mese mês maand miesiąc měsíc måned månad 月",
    "day tag jour día dia giorno dag dzień den 日",
)
"""What a year, a month and a day are called, in lower case."""

SHORT_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

# Without "mar", which is March as well.
WEEKDAYS = (
    "monday mon montag mo lundi lun lunes lunedì maandag ma tuesday tue tues dienstag di mardi martes martedì dinsdag"
    " wednesday wed mittwoch mi mercredi mer miércoles mié mercoledì woensdag wo thursday thu thur thurs donnerstag do"
    " jeudi jeu jueves jue giovedì gio donderdag friday fri freitag fr vendredi ven viernes vie venerdì vrijdag vr"
    " saturday sat samstag sonnabend sa samedi sam sábado sáb sabato sab zaterdag za sunday sun sonntag so dimanche dim"
    " domingo dom domenica zondag zo"
)

# Minutes east of UTC. The first are of RFC 2822; names that several countries use otherwise (IST, BST) are left out.
_BY_MINUTES = {
    -480: "pst",
    -420: "mst pdt",
    -360: "cst mdt",
    -300: "est cdt",
    -240: "edt",
    0: "z utc gmt wet",
    60: "cet mez west",
    120: "cest mesz eet",
    180: "eest msk",
    540: "jst kst",
    600: "aest",
    660: "aedt",
    720: "nzst",
    780: "nzdt",
}
ZONE_MINUTES = {name: minutes for minutes, names in _BY_MINUTES.items() for name in names.split()}


def named_zones() -> dict[str, str]:
    """Return the zones of the IANA database by their names in lower case, those with a slash."""
    return {zone.lower(): zone for zone in available_timezones() if "/" in zone}
