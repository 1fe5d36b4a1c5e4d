"""Secrets in addresses and texts: hidden whatever signs they are made of, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clvml.errors import InputError
from clvml.secrets import Secrets, hide_password, hide_secrets, is_secret_variable, secrets_of

MARK = "Marked-pw"
ADDRESSES = [
    f"postgres://ann:{MARK}@db/shop?table=o",
    f"postgresql+psycopg2://ann:{MARK}@db/shop",
    f"postgresql://db/shop?user=ann&PassWord={MARK}&table=x",
    f"postgresql://ann:{MARK}/x@y:z%40?#@db/shop?table=orders",
    f"postgresql://ann:{MARK} with blanks@db/shop",
    f"postgresql://ann:it's {MARK}@db/shop",
    f"postgresql://ann:@{MARK}@@db/shop",
    f"postgresql://ann:{MARK}@db/shop?query=select '@' from t",
    f"mongodb://ann:{MARK}@h1:1,h2:2/db",
    f"mongodb+srv://ann:{MARK}@h/db",
    f"s3://AKIAX:{MARK}/x+y@bucket/k.csv",
    f"sqlite://user:{MARK}@/x.db",
    f"sqlite:///user:{MARK}@x.db?table=t",
    f"sqlite:////a/user:{MARK}@x.db?table=t",
    f"duckdb:///x.db?password={MARK}&table=t",
    f"mysql://ann:{MARK}@host:3306/db",
    f"http://ann:{MARK}@127.0.0.1:5000/a?b=c",
    f"http://ann:12/{MARK}@127.0.0.1:5000/",
    f"https://{MARK}@host/x",
    f"https://host/x?sig={MARK}&se=1",
    f"https://host/x?X-Amz-Signature={MARK}",
    f"https://host/x?token={MARK}#a",
    f"https://host:1/#access_token={MARK}",
    f"sc://host:15002/;token={MARK};user_id=a",
    f"gs://b/x?access_key={MARK}",
    f"az://acc:{MARK}@cont/x",
    f"redis://:{MARK}@h:6379",
    f"snowflake://u:{MARK}@acct/db?warehouse=w",
    f"databricks://token:{MARK}@h?http_path=x",
    f"mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BUID%3Da%3BPWD%3D{MARK}%3B",
    f"jdbc:postgresql://h/db?user=a&password={MARK}",
    f"jdbc:sqlserver://h;user=x;password={MARK};enc=1",
    f"file://u:{MARK}@h/x",
]
TEXTS = [
    f"host=db user=ann password={MARK} dbname=x",
    f"host=db password='{MARK}'",
    f"{{'url': 'x', 'password': '{MARK}'}}",
    f'{{"token": "{MARK}"}}',
    f"Authorization: Bearer {MARK}xxxx",
    f"AWS_SECRET_ACCESS_KEY={MARK}",
    f"DefaultEndpointsProtocol=https;AccountName=x;AccountKey={MARK}==;EndpointSuffix=core",
]
HARMLESS = [
    "http://127.0.0.1:5000/#/models/shop@champion",
    "https://host/path?email=a@b.com",
    "http://[::1]:5000/x",
    "models:/shop@champion",
    "--model=models:/our-shop@champion",
    "sqlite:///a@b.db?table=t",
    "sqlite:///mlflow.db",
    "duckdb:///C:/me@x.db?table=t",
    "postgresql://ann@db/x?table=t",
    "postgresql://db/shop?query=select * from a where b = 'x&y'",
    "abfss://container@account.dfs.core.windows.net/x",
    "--columns customer_id=token_id,amount=key",
    "column 'password': not a number in 3 rows",
    "data/orders.csv",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_address_shows_its_secret(address):
    shown = hide_password(address)
    assert MARK not in shown
    assert "***" in shown
    assert hide_password(shown) == shown
    for text in (
        address,
        f"'{address}' is wrong; mend it",
        f"cannot read {address}, which",
        f"[{address!r}, 'x']",
    ):
        if " with blanks" not in address and "it's" not in address:
            assert MARK not in hide_secrets(text)
            assert MARK not in str(InputError(text))
        known = Secrets()
        known.learn(address)
        assert MARK not in known.hide(text)


@pytest.mark.parametrize("text", TEXTS)
def test_no_text_shows_a_secret(text):
    assert MARK not in hide_secrets(text)
    assert any(MARK in secret for secret in secrets_of(text)) or "Bearer" in text


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_stays(text):
    assert hide_password(text) == text
    assert hide_secrets(text) == text
    assert hide_secrets(f"'{text}' is read") == f"'{text}' is read"
    known = Secrets()
    known.learn(text)
    assert known.hide(text) == text


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=6).filter(
        lambda text: text.strip("*.,-0123456789")
    )
)
def test_a_password_of_any_signs_is_hidden_where_the_whole_address_is_known(password):
    address = f"postgresql://ann:{password}@db.example/shop"
    if "?query=" not in password and "?table=" not in password and "&query=" not in password:
        assert hide_password(address) == "postgresql://ann:***@db.example/shop"


def test_a_known_secret_is_hidden_in_the_forms_in_which_libraries_show_it():
    known = Secrets()
    known.learn('mysql://ann:Sw%2Frd "x"/fish@db/shop')
    for text in (
        'Access denied: Sw%2Frd "x"/fish',
        'decoded Sw/rd "x"/fish',
        'as JSON Sw/rd \\"x\\"/fish',
        "port 'Sw%2Frd' is not a number",
    ):
        assert "Sw" not in known.hide(text), text


def test_a_known_secret_is_not_found_inside_other_words_and_numbers():
    known = Secrets()
    known.learn("postgresql://postgres:postgres@localhost/db", "postgresql://ann:2024@localhost/db")
    assert known.hide("postgresql is 2024-06-30 20240") == "postgresql is 2024-06-30 20240"


def test_variables_that_hold_secrets_are_known_by_their_names():
    secret = ["MLFLOW_TRACKING_PASSWORD", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "GITHUB_TOKEN", "API_KEY"]
    other = ["PATH", "HOME", "KEYBOARD_LAYOUT", "PASSAGE", "MLFLOW_TRACKING_URI"]
    assert all(map(is_secret_variable, secret))
    assert not any(map(is_secret_variable, other))


def test_long_texts_are_searched_in_no_time():
    for text in (
        "a" * 10**6 + "=",
        "'http://" * 10**4,
        "&a=" * 10**5,
        "http://a:b" * 10**4,
        '"token": "' * 10**3,
    ):
        hide_secrets(text)
