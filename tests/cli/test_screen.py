"""What reaches a screen: no sign that a terminal would obey, no secret, no more than a screenful."""

import io
import json
import sys

import pytest

from clvml import cli
from clvml.cli import screen
from clvml.cli.printing import Meter, print_json, print_paragraph, progress
from clvml.cli.screen import LINE_WIDTH, MESSAGE_LINES, Screen, harmless, screenful, wrapped
from clvml.secrets import Secrets

OBEYED = "\x1b[2J\x1b]0;title\x07\r\x08\x7f\x9b\u202e\u2066\u2069\u200f\u2028\ufeff"


@pytest.fixture(autouse=True)
def no_secrets(monkeypatch):
    monkeypatch.setattr(screen, "secrets", Secrets())


class Terminal(io.StringIO):
    def isatty(self):
        return True


def lines_of(text: str) -> int:
    return sum(-(-max(len(line), 1) // LINE_WIDTH) for line in text.splitlines())


def run(monkeypatch, *words: object) -> int:
    monkeypatch.setattr("sys.argv", ["clvml", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


def test_signs_that_a_terminal_obeys_are_written_out():
    shown = harmless(f"a{OBEYED}b\tc\nd")
    assert not set(OBEYED) & set(shown) - set("[2J]0;title")
    assert shown.startswith(r"a\x1b[2J\x1b]0;title\x07\x0d\x08\x7f\x9b\u202e")
    assert shown.endswith("b\tc\nd")


@pytest.mark.parametrize(
    "words",
    [
        ["check", "DATA{}"],
        ["check", "orders.csv", "--set", "a.b{}=1"],
        ["score", "orders.csv", "--output", "x{}.csv", "--model", "m{}"],
        ["train", "--config", "c{}.yaml"],
        ["promote", "v{}"],
        ["sql", "--dialect", "d{}"],
        ["backtest", "--folds", "x{}"],
        ["{}"],
        ["check", "--no-such{}"],
        ["compare", "--by", "m{}"],
        ["monitor", "s{}.csv", "--data", "d"],
    ],
    ids=lambda words: words[0],
)
@pytest.mark.parametrize("hostile", [OBEYED, "x" * 100_000, "y\n" * 500], ids=["signs", "long", "lines"])
def test_every_command_answers_hostile_words_in_a_harmless_screenful(
    words, hostile, monkeypatch, capsys, tmp_path
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "orders.csv").write_text("customer_id,order_date,amount\n1,2024-01-01,5\n")
    assert run(monkeypatch, *(word.format(hostile) for word in words)) == 2
    out, err = capsys.readouterr()
    assert not set(OBEYED) & (set(out + err) - set("[2J]0;title"))
    assert lines_of(err) <= 2 * MESSAGE_LINES, "a usage line or progress, and the message"
    assert "Traceback" not in err


def test_headers_of_a_file_are_written_out_and_only_the_first_few_of_many(monkeypatch, capsys, tmp_path):
    path = tmp_path / "orders.csv"
    names = [f"column\x1b[31m{number}\u202e" for number in range(400)]
    path.write_text(",".join(names) + "\n" + ",".join("1" for _ in names) + "\n", encoding="utf-8")
    assert run(monkeypatch, "check", path) == 2
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert "\u202e" not in out + err
    assert lines_of(err) <= MESSAGE_LINES


def test_a_message_is_broken_into_lines_on_a_terminal_only():
    message = "Error: " + "word " * 100 + "\n  - " + "other " * 60
    assert wrapped(message, io.StringIO()) == message
    lines = wrapped(message, Terminal()).splitlines()
    assert max(map(len, lines)) <= LINE_WIDTH
    assert "    other" in lines[-1][:10]


def test_what_is_left_out_is_counted_and_the_remedy_stays():
    text = "Error: many columns: " + ", ".join(f"c{number}" for number in range(10_000)) + "; give --config"
    shown = screenful(text)
    assert lines_of(shown) <= MESSAGE_LINES + 1
    assert shown.startswith("Error: many columns: c0, c1")
    assert shown.endswith("; give --config")
    left_out = int(shown.partition(" ... (")[2].partition(" ")[0].replace(",", ""))
    assert len(shown) - len(f" ... ({left_out:,} characters are left out) ... ") + left_out == len(text)


def test_json_is_whole_and_holds_no_secret(monkeypatch, capsys):
    known = Secrets()
    known.learn("postgresql://ann:output@db/shop")
    monkeypatch.setattr("clvml.cli.printing.secrets", known)
    print_json({"output": "output is output", "bad": float("nan"), "signs": OBEYED, "n": 1.5})
    found = json.loads(capsys.readouterr().out)
    assert found == {"output": "*** is ***", "bad": None, "signs": OBEYED, "n": 1.5}


def test_a_stream_of_errors_keeps_progress_and_shortens_what_libraries_say(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", Screen(terminal, MESSAGE_LINES))
    progress("reading \x1b[1mx")
    print("w" * 50_000, file=sys.stderr)
    meter = Meter("customers")
    meter.shown -= 10
    meter(1, 2)
    said = terminal.getvalue()
    assert said.startswith("... reading \\x1b[1mx\n")
    assert "characters are left out" in said
    assert said.endswith("\x1b[K"), "our own sign, which clears the line"


@pytest.mark.parametrize("columns", ["60", "80", "200"])
def test_paragraphs_are_no_longer_than_a_screen(monkeypatch, capsys, columns):
    monkeypatch.setenv("COLUMNS", columns)
    print_paragraph("word " * 10_000)
    assert len(capsys.readouterr().out.splitlines()) <= MESSAGE_LINES + 2
