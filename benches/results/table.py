"""Prints results/README.md: a table of every fit that `chreode benchmark` left in results/TABLE/parts, beside published figures.

    python3 benches/results/table.py > benches/results/README.md

The command's own table is of rows that all have as many seeds, and it runs what is missing first; this one takes what is there, and says
what is not.

Of one seed a figure stands alone, of several it is their mean ± their standard deviation; where one seed's is beyond 1 and three times
the median, the median, and the worst in brackets.
"""

import json
from pathlib import Path
from statistics import mean, median, stdev

HERE = Path(__file__).parent
TABLES = json.loads((HERE / "../../src/bin/chreode/benchmark/tables.json").read_text())
COLUMNS = [
    ("mean_w1", "W1 in sample"),
    ("rme", "RME"),
    ("ratio", "held-out ratio"),
    ("energy", "energy"),
    ("held_out_rme", "held-out RME"),
    ("hold_one_out", "hold-one-out W1"),
]


def number(value: float) -> str:
    """To three digits behind the point, or two of them all."""
    text = f"{value:.3f}" if abs(value) < 100 else f"{value:.2g}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def cell(values: list[float]) -> str:
    if max(values) > max(3 * median(values), 1.0):
        return f"{number(median(values))} (worst {number(max(values))})"
    return number(mean(values)) + (f" ± {number(stdev(values))}" if len(values) > 1 else "")


def published(row: dict) -> str:
    told = row.get("published", {})
    w1 = told.get("mean_w1", mean(told["w1"]) if "w1" in told else None)
    return " / ".join("—" if value is None else number(value) for value in (w1, told.get("rme"), told.get("hold_one_out")))


def rows(table: str) -> tuple[list[str], list[str]]:
    """The lines of a table, and the rows that have not been run."""
    lines, missing = [], []
    for row in TABLES[table]["rows"]:
        parts = sorted((HERE / table / "parts").glob(f"{table}-{row['name']}-[0-9]*.json"))
        results = [json.loads(part.read_text())["result"] for part in parts]
        if not results:
            missing.append(row["name"])
            continue
        cells = []
        for key, _ in COLUMNS:
            values = [result[key] for result in results if result.get(key) is not None]
            absent = not values or "rme" in key and not results[0]["grows"]
            cells.append("—" if absent else cell(values))
        seconds = round(median(result["cpu_seconds"] for result in results))
        lines.append(" | ".join(["", row["name"], published(row), *cells, str(len(results)), str(seconds), ""]).strip())
    return lines, missing


def main() -> None:
    print("# What `chreode benchmark` came to\n")
    print("By `python3 benches/results/table.py`; what each column is, and of which day and machine the rows are, tells")
    print("[../README.md](../README.md#beside-what-is-not-printed). Published are W1 in sample, RME and hold-one-out W1.\n")
    for table, told in TABLES.items():
        found, missing = rows(table)
        head = ["row", "published", *(name for _, name in COLUMNS), "seeds", "CPU s"]
        print(f"## {table}\n\n{told['about']}\n")
        if found:
            print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}")
            print("\n".join(found) + "\n")
        if missing:
            print(f"Not run: {', '.join(missing)}.\n")


main()
