"""Rules over scored columns: what they match, what they may not hold."""

import os
import re
import subprocess
import sys

import pandas as pd
import pytest

from clvml.errors import InputError
from clvml.scores.rules import matches

SCORES = pd.DataFrame(
    {
        "customer_id": pd.array(["a", "b", "c"], dtype="string"),
        "p_churn": [0.1, 0.5, 0.9],
        "clv": [100.0, 50.0, 0.0],
        "segment": pd.array(["VIP", "lost", None], dtype="string"),
        "Select": [1, 2, 3],
        "Läden": [1, 2, 3],
    }
)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("p_churn >= 0.5", [False, True, True]),
        ("p_churn < 0.5 or clv = 0", [True, False, True]),
        ("segment in ('VIP', 'lost')", [True, True, False]),
        # What is missing is neither.
        ("segment <> 'VIP'", [False, True, False]),
        ("segment is null", [False, False, True]),
        ("not (segment is null)", [True, True, False]),
        ("segment like 'V%'", [True, False, False]),
        ("clv * p_churn between 10 and 30", [True, True, False]),
        ('"Select" = 2', [False, True, False]),
        ('"Läden" = 2', [False, True, False]),
        ("true", [True, True, True]),
        ("1 = 2", [False, False, False]),
    ],
)
def test_rows_that_a_rule_holds_for(rule, expected):
    assert matches(SCORES, rule, "mail").tolist() == expected


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("p_chrun > 0.5", "mail: the scores have no column 'p_chrun' (did you mean 'p_churn'?)"),
        ("segment > 0.5", "mail: the rule 'segment > 0.5' cannot be worked out"),
    ],
)
def test_a_rule_that_does_not_fit_the_scores_is_refused(rule, said):
    with pytest.raises(InputError, match=re.escape(said)):
        matches(SCORES, rule, "mail")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_process_ends():
    code = """
import os, sys, pandas as pd
from clvml.scores.rules import matches
table = pd.DataFrame({"a": [1, 2]})
matches(table, "a > 1", "rule")
child = os.fork()
if not child:
    matches(table, 'a > 1', 'rule')
    sys.exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
