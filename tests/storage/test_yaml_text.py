"""YAML within bounds: hostile text costs a message, not memory, time or the stack."""

import re
import time
from datetime import date

import pytest
import yaml

from clvml.config import parse_config, read_config, read_keys
from clvml.errors import InputError
from clvml.storage.yaml_text import parse_yaml

LAUGHS = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
)
MERGES = "\n".join(
    ["m0: &m0 {x: 1}"] + [f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 10)}]}}" for n in range(1, 12)]
)
HOSTILE = {
    "deep brackets": "[" * 30_000 + "]" * 30_000,
    "deep braces": "{a: " * 30_000,
    "deep brackets, not closed": "seed: " + "[" * 30_000,
    "deep dashes": "- " * 30_000 + "x",
    "deep questions": "? " * 30_000 + "x",
    "deep blanks": "\n".join(" " * n + f"k{n}:" for n in range(400)),
    "laughs": LAUGHS,
    "merged laughs": MERGES,
    "itself": "a: &a [*a]",
    "itself in a mapping": "a: &a {b: *a}",
    "digits": "seed: " + "9" * 100_000,
    "hexadecimal": "seed: 0x" + "f" * 100_000,
    "sexagesimal": "seed: 1" + ":59" * 30_000,
    "decimals": "seed: 1." + "9" * 100_000,
    "no date": "a: 2024-99-99",
    "no time": "a: 2024-01-01 99:99:99",
    "tag": "a: !!python/object/apply:os.system [ls]",
    "unhashable": "? [a]\n: b",
    "tabs": "\ta: 1",
    "control": "a: \x07",
    "two documents": "a: 1\n---\nb: 2",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_one_error_at_once(tmp_path, text):
    started = time.process_time()
    with pytest.raises(yaml.YAMLError):
        parse_yaml(text)
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as refused:
        read_config(path)
    assert str(refused.value).startswith(f"configuration '{path}' is not valid YAML: ")
    assert len(str(refused.value)) < 1000
    with pytest.raises(InputError):
        read_config(path.with_name("none.yaml"), ["seed=" + text])
    assert time.process_time() - started < 10


def test_what_people_write_is_read():
    text = "base: &base {a: 1, b: [x, 2024-01-31, 1.5e-3, yes]}\nother:\n  <<: *base\n  a: 2\nnone:\n"
    base = {"a": 1, "b": ["x", date(2024, 1, 31), 0.0015, True]}
    assert parse_yaml(text) == {"base": base, "other": base | {"a": 2}, "none": None}
    assert parse_yaml("") is None
    assert parse_yaml("\"[[[[\": '{{'") == {"[[[[": "{{"}


@pytest.mark.parametrize("source", ["/dev/zero", "/dev/full"])
def test_an_endless_file_is_read_to_one_megabyte(source):
    with pytest.raises(InputError, match="it is longer than 1 MB"):
        read_keys(source, "configuration", "give", "docs")


def test_a_long_file_is_refused(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("# " + "x" * 1_000_000)
    message = f"configuration '{path}' is not valid YAML: it is longer than 1 MB; correct it"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        read_config(path)


KEYS = {"data": {"source": "x.csv", "columns": {"customer_id": "a", "order_date": "b", "amount": "c"}}}


VALUES = {
    "huge": 10**30,
    "low": -(10**30),
    "digits": 10**5000,
    "float": 1e308,
    "inf": float("inf"),
    "nan": float("nan"),
    "text": "x" * 10**6,
    "list": [[]] * 1000,
    "keys": {"k" * 10**5: 1},
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize(
    "key",
    [
        *("windows.horizon_days", "windows.step_days", "windows.max_cutoffs", "windows.min_history_days"),
        *("model.n_estimators", "model.max_depth", "model.learning_rate", "model.min_child_weight"),
        *("model.n_jobs", "model.max_rows", "model.reg_lambda", "value.retention_cost", "value.horizon_days"),
        *("evaluation.folds", "evaluation.bootstrap_samples", "spark.sample_customers", "seed"),
    ],
)
def test_no_number_is_beyond_what_can_be_computed(key, value):
    raw = {**KEYS, "windows": {"horizon_days": 90}}
    *sections, last = key.split(".")
    inner = raw
    for section in sections:
        inner[section] = dict(inner.get(section, {}))
        inner = inner[section]
    inner[last] = value
    with pytest.raises(InputError) as refused:
        parse_config(raw)
    assert key in str(refused.value)
    assert len(str(refused.value)) < 1000


def test_many_problems_fit_on_a_screen():
    with pytest.raises(InputError, match=r"has 5000 problems:(\n.*){10}\n  - and 4990 more$"):
        parse_config({**KEYS, "windows": {"horizon_days": 90}, **{f"k{n}": 1 for n in range(5000)}})
