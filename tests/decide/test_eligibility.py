"""Whom an action may go to: rules, opt-outs, past contacts, and files that are at fault."""

import re
from datetime import date

import pandas as pd
import pytest
from tests.decide.conftest import playbook_of, scored

from clvml.decide.eligibility import eligible, read_customers
from clvml.errors import InputError

SCORES = scored(
    customer_id=list("abcd"), p_churn=[0.1, 0.4, 0.6, 0.9], segment=["VIP", "VIP", "lost", "regular"]
)
AS_OF, TODAY = date(2024, 7, 1), date(2024, 7, 10)


def may(book, opt_outs=None, contacts=None):
    opt_outs = None if opt_outs is None else pd.DataFrame(opt_outs, dtype="string")
    contacts = None if contacts is None else pd.DataFrame(contacts, dtype="string")
    return eligible(SCORES, book, opt_outs, contacts, AS_OF, TODAY)


def test_rules_and_segments_both_hold():
    book = playbook_of(mail={"segments": ["VIP", "lost"], "where": "p_churn > 0.3"}, call={})
    assert may(book).allowed.tolist() == [[False, True, True, False], [True] * 4]


def test_rules_that_fit_nobody_are_said():
    book = playbook_of(mail={"where": "segment = 'vip'"}, call={"where": "segment = 'VIP'"})
    (note,) = may(book).notes
    assert note.startswith("playbook, actions.mail: nobody fits its where and segments")


def test_an_opt_out_counts_for_its_channel_or_for_all():
    book = playbook_of(mail={}, call={"channel": "phone"})
    found = may(book, {"customer_id": ["a", "b", "c"], "channel": ["Email", "phone", None]})
    assert found.allowed.tolist() == [[False, True, False, True], [True, False, False, True]]
    assert found.why.tolist() == ["", "", "opted out", ""]
    assert may(book, {"customer_id": ["a"]}).why.tolist() == ["opted out", "", "", ""]


def test_customers_rest_after_their_last_contact():
    book = playbook_of(mail={"rest_days": 30}, call={"rest_days": 0})
    past = {
        "customer_id": ["a", "a", "b", "c"],
        "contact_date": ["2024-01-01", "2024-06-02", "2024-06-01", "2024-07-05T09:30:00"],
    }
    # 29 days, 30 days, and a contact after the scores.
    assert may(book, contacts=past).allowed[0].tolist() == [False, True, False, True]
    alone = may(playbook_of(mail={"rest_days": 30}), contacts=past)
    assert alone.why.tolist() == ["contacted lately", "", "contacted lately", ""]


def test_rest_days_without_past_contacts_are_said_to_have_no_effect():
    assert "rest_days have no effect" in may(playbook_of(mail={"rest_days": 30})).notes[0]


def test_ids_that_are_not_scored_are_said():
    notes = may(playbook_of(mail={}), {"customer_id": ["0a", "0b"]}).notes
    assert notes == [
        "opt-outs: none of 2 customers are among the scored ones; '0a' is not: see whether both files write ids alike"
    ]


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ({"segments": ["VIPs"]}, "playbook, actions.mail: unknown segment 'VIPs' (did you mean 'VIP'?)"),
        (
            {"where": "p_chrun > 1"},
            "playbook, actions.mail: the scores have no column 'p_chrun' (did you mean",
        ),
        ({"where": "segment > 1"}, "playbook, actions.mail: the rule 'segment > 1' cannot be worked out"),
    ],
)
def test_a_playbook_that_does_not_fit_the_scores_is_refused(action, said):
    with pytest.raises(InputError, match=re.escape(said)):
        may(playbook_of(mail=action))


def test_a_column_of_the_control_group_that_is_not_there_is_refused():
    with pytest.raises(InputError, match=re.escape("control.unit: the scores have no column 'household'")):
        may(playbook_of(unit="household", mail={}))


@pytest.mark.parametrize(
    ("day", "said"),
    [
        ("2024-07-11", "1 are dated after today, such as customer 'a' on 2024-07-11"),
        ("11/07/2024", "contact_date holds '11/07/2024', and nothing in it tells day, month and year apart"),
        ("soon", "contact_date of customer 'a' is 'soon'; give dates as YYYY-MM-DD"),
        (None, "contact_date of customer 'a' is nothing"),
    ],
)
def test_contacts_that_cannot_have_been_are_refused(day, said):
    with pytest.raises(InputError, match=re.escape(said)):
        may(playbook_of(mail={}), contacts={"customer_id": ["a"], "contact_date": [day]})


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("o.csv", None, "opt-outs file '{}' does not exist"),
        ("o.csv", "", "is empty"),
        ("o.pdf", "customer_id\na\n", "which is not supported"),
        ("o.csv", "customer\na\n", "has no column 'customer_id' (did you mean 'customer'?)"),
        ("o.csv", "customer_id,channel\na,x\n,x\n", "1 rows have no customer_id"),
    ],
)
def test_files_that_are_at_fault_are_refused(tmp_path, name, content, said):
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=re.escape(said.format(path))):
        read_customers(str(path), ["customer_id"], "opt-outs")


def test_ids_keep_their_zeros(tmp_path):
    (tmp_path / "o.csv").write_text("customer_id\n007 \nNA\n")
    assert read_customers(str(tmp_path / "o.csv"), ["customer_id"], "opt-outs")["customer_id"].tolist() == [
        "007",
        "NA",
    ]


def test_channels_are_compared_as_people_write_them():
    """An opt-out of "E-Mail" is one of "email", and one that keeps nobody out is said."""
    scores = scored(3)
    book = playbook_of(mail={"channel": "email"})
    who = scores["customer_id"].tolist()
    outs = pd.DataFrame({"customer_id": who[:2], "channel": ["E-Mail ", "emial"]}, dtype="string")
    may = eligible(scores, book, outs, None, date(2024, 7, 1), date(2024, 7, 1))
    assert may.allowed[0].tolist() == [False, True, True]
    (note,) = may.notes
    assert "1 are of a channel that no action has, such as 'emial' (did you mean 'email'?)" in note
