"""Whether people are found by name and address: pairs found against pairs known, on people who are made up.

    python benchmarks/likeness.py [PEOPLE]

Half of the people have two records. In the second, names are turned about, shortened or misspelled, some have
moved, and some addresses are misspelled; a fifth of the people are family of others, at the same address.
"""

from __future__ import annotations

import random
import sys
import time

import duckdb
import pandas as pd

from clvml.log.matching.likeness import alike_pairs, written_field_sql

FIRST = (
    "anna maria peter paul julia thomas laura stefan sarah"
    " michael lena jan eva markus nina david lisa felix marie max"
)
LAST = (
    "muller schmidt schneider fischer weber meyer wagner becker schulz hoffmann koch bauer richter klein wolf neumann"
    " schwarz zimmermann braun kruger hartmann lange werner krause lehmann kohler maier konig huber kaiser fuchs peters"
)
STREETS = "bahnhofstrasse hauptstrasse gartenweg schulstrasse lindenallee bergstrasse kirchgasse ringstrasse muhlweg"
FIELDS = ("name", "address", "postcode")


def misspelled(text: str, draw: random.Random) -> str:
    """Return a text with two letters turned, one lost, or one twice."""
    at = draw.randrange(1, max(len(text) - 1, 2))
    kinds = (
        text[:at] + text[at + 1 : at + 2] + text[at : at + 1] + text[at + 2 :],
        text[:at] + text[at + 1 :],
        text[:at] + text[at] + text[at:],
    )
    return draw.choice(kinds)


def people(number: int, seed: int = 1) -> pd.DataFrame:
    """Return records of people: ``person`` (the truth), ``name``, ``address``, ``postcode``."""
    draw = random.Random(seed)
    first, last, streets = FIRST.split(), LAST.split(), STREETS.split()
    # Family names are many, most of them rare.
    last = [*last, *(f"{a}{b}" for a in last for b in ("mann", "hof", "er", "stein", "bach"))]
    rows = []
    place = None
    for person in range(number):
        given = draw.choice(first)
        if place is None or given == rows[-1][1].split()[0].lower() or draw.random() > 0.2:
            place = (
                draw.choice(last),
                f"{draw.choice(streets)} {draw.randint(1, 120)}",
                f"{draw.randint(10, 99)}{draw.randint(0, 30):03d}",
            )
        family, street, code = place
        rows.append((person, f"{given} {family}", street, code))
        if draw.random() < 0.5:
            name = f"{given} {family}"
            if draw.random() < 0.3:
                name = misspelled(name, draw)
            if draw.random() < 0.3:
                name = ", ".join(reversed(name.split(" ", 1)))
            elif draw.random() < 0.1:
                name = f"{given[0]}. {family}"
            if draw.random() < 0.1:
                street, code = (
                    f"{draw.choice(streets)} {draw.randint(1, 120)}",
                    f"{draw.randint(10, 99)}{draw.randint(0, 30):03d}",
                )
            elif draw.random() < 0.3:
                street = misspelled(street, draw)
            rows.append((person, name.title(), street, None if draw.random() < 0.05 else code))
    return pd.DataFrame(rows, columns=["person", *FIELDS]).sample(
        frac=1, random_state=seed, ignore_index=True
    )


def found(records: pd.DataFrame, threshold: float) -> tuple[float, float]:
    """Return precision and recall of the pairs that are found from a probability on."""
    with duckdb.connect() as connection:
        connection.register("records", records.reset_index(names="node"))
        written = ", ".join(f"{written_field_sql(field, field)} AS {field}" for field in FIELDS)
        connection.execute(f"CREATE TABLE people AS SELECT node, person, {written} FROM records")
        connection.execute("CREATE TABLE compared AS SELECT node, name, address, postcode FROM people")
        alike_pairs(connection, "compared", FIELDS, threshold, "pairs")
        right, all_found = connection.execute(
            "SELECT count(*) FILTER (one.person = other.person), count(*) FROM pairs"
            " JOIN people AS one ON one.node = a JOIN people AS other ON other.node = b"
        ).fetchall()[0]
        (true,) = connection.execute(
            "SELECT sum(n * (n - 1) / 2) FROM (SELECT count(*) AS n FROM people GROUP BY person)"
        ).fetchall()[0]
    return right / max(all_found, 1), right / true


def main(number: int) -> None:
    records = people(number)
    print(f"{len(records):,} records of {number:,} people")
    print("threshold  precision  recall  seconds")
    for threshold in (0.5, 0.8, 0.9, 0.95, 0.99, 0.999):
        start = time.perf_counter()
        precision, recall = found(records, threshold)
        print(f"{threshold:9}  {precision:9.1%}  {recall:6.1%}  {time.perf_counter() - start:7.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
