"""Target lists: whom they hold, under which names, and nothing that was not asked for."""

import re

import pandas as pd
import pytest
from tests.decide.conftest import playbook_of, scored

from clvml.decide.lists import presets, target_lists
from clvml.decide.plan import make_plan
from clvml.errors import InputError
from clvml.storage.files import write_table

BOOK = playbook_of(
    share=0.5,
    mail={"contact_cost": 0.1, "where": "p_churn < 0.6"},
    call={"contact_cost": 0.1, "where": "p_churn >= 0.6", "channel": "phone"},
)
PLAN = make_plan(scored(200), BOOK, None).table
CONTACTS = pd.DataFrame(
    {
        "customer_id": scored(200)["customer_id"],
        "email": [f"c{number}@shop.example" for number in range(200)],
        "phone": [f"+44 (20) 7{number:06d}" for number in range(200)],
        "first_name": "=1+1",
        "birthday": "1990-01-01",
    },
    dtype="string",
)


def test_lists_hold_the_treated_and_only_what_was_asked_for():
    lists, notes = target_lists(PLAN, CONTACTS)
    assert list(lists["mail"].columns) == ["customer_id", "campaign", "action", "email"]
    assert list(lists["call"].columns) == ["customer_id", "campaign", "action", "phone"]
    treated = PLAN[PLAN["group"] == "treated"]
    assert sorted(pd.concat(lists.values())["customer_id"]) == sorted(treated["customer_id"])
    assert notes == []


@pytest.mark.parametrize(
    ("preset", "header"),
    [
        ("generic", ["customer_id", "campaign", "action", "email", "first_name"]),
        ("klaviyo", ["Email", "customer_id", "campaign", "action", "First Name"]),
        ("mailchimp", ["Email Address", "customer_id", "campaign", "Tags", "First Name"]),
        ("brevo", ["EMAIL", "EXT_ID", "CAMPAIGN", "ACTION", "FIRSTNAME"]),
        ("hubspot", ["Email", "customer_id", "campaign", "action", "First Name"]),
    ],
)
def test_columns_are_named_as_the_tool_names_them(preset, header):
    lists, _ = target_lists(PLAN, CONTACTS, preset, ["first_name"])
    assert list(lists["mail"].columns) == header


def test_every_preset_is_tried():
    assert presets() == ["brevo", "generic", "hubspot", "klaviyo", "mailchimp"]


def test_a_list_in_a_spreadsheet_runs_nothing_and_dials(tmp_path):
    lists, _ = target_lists(PLAN, CONTACTS, fields=["first_name"])
    write_table(lists["call"], tmp_path / "call.csv")
    line = (tmp_path / "call.csv").read_text().splitlines()[1]
    assert re.fullmatch(r"C\d+,spring,call,\+44207\d{6},'=1\+1", line)


def test_phone_numbers_get_their_country_code():
    national = CONTACTS.assign(phone=[f"020 7{number:06d}" for number in range(200)])
    kept, notes = target_lists(PLAN, national)
    assert kept["call"]["phone"].str.startswith("020 7").all()
    told = f"list 'call': phone numbers without a country code: {len(kept['call'])}; tools refuse them: write them as"
    assert [note.startswith(told) for note in notes] == [True]
    known, notes = target_lists(PLAN, national.assign(country="gb"))
    assert known["call"]["phone"].str.fullmatch(r"\+44207\d{6}").all()
    assert list(known["call"].columns) == ["customer_id", "campaign", "action", "phone"]
    assert notes == []


def test_without_contacts_a_list_holds_ids():
    lists, _ = target_lists(PLAN)
    assert list(lists["mail"].columns) == ["customer_id", "campaign", "action"]


def test_who_cannot_be_reached_and_who_shares_an_address_is_counted():
    treated = PLAN.loc[(PLAN["group"] == "treated") & (PLAN["action"] == "mail"), "customer_id"].tolist()
    email = CONTACTS.set_index("customer_id")["email"].copy()
    email[treated[0]] = pd.NA
    email[treated[1]] = email[treated[2]].upper()
    missing = CONTACTS.assign(email=email.to_numpy())
    missing = missing[missing["customer_id"] != treated[3]]
    lists, notes = target_lists(PLAN, missing)
    assert len(lists["mail"]) == len(treated) - 3
    assert notes == [
        f"list 'mail' leaves out 2 of {len(treated)}: no email",
        f"list 'mail' leaves out 1 of {len(treated)}: the email of another",
    ]


@pytest.mark.parametrize(
    ("contacts", "keys", "said"),
    [
        (CONTACTS, {"preset": "klavio"}, "unknown preset 'klavio' (did you mean 'klaviyo'?)"),
        (
            CONTACTS,
            {"fields": ["firstname"]},
            "contacts have no column 'firstname' (did you mean 'first_name'?)",
        ),
        (CONTACTS.drop(columns="phone"), {}, "no column 'phone', which the list of 'call' (phone) needs"),
        (pd.concat([CONTACTS, CONTACTS[:1]]), {}, "contacts hold customer 'C000000' twice"),
        (None, {"fields": ["email"]}, "no contacts are given"),
    ],
)
def test_lists_that_cannot_be_made_are_refused(contacts, keys, said):
    with pytest.raises(InputError, match=re.escape(said)):
        target_lists(PLAN, contacts, **keys)
