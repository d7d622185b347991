"""Prints results/README.md: a table of every fit that `chreode benchmark` left in results/TABLE/parts, beside published figures.

    python3 benches/results/table.py > benches/results/README.md

The command's own table is of rows that all have as many seeds, and it runs what is missing first; this one takes what is there, and says
what is not.

Of one seed a figure stands alone, of several it is their mean ± their standard deviation; where one seed's is beyond 1 and three times
the median, the median, and the worst in brackets.
"""

import json
from math import inf
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


def figures(results: list[dict], key: str) -> list[float]:
    """Those of the fits that were measured; what is not finite is null in JSON."""
    return [inf if result[key] is None else result[key] for result in results if key in result]


def goes_anywhere(values: list[float]) -> bool:
    """As `Statistic` of src/bin/chreode/benchmark.rs has it."""
    return max(values) == inf or max(values) > max(3 * median(values), 1.0)


def middle(values: list[float]) -> float:
    return median(values) if goes_anywhere(values) else mean(values)


def cell(values: list[float]) -> str:
    if goes_anywhere(values):
        return f"{number(median(values))} (worst {number(max(values))})"
    return number(mean(values)) + (f" ± {number(stdev(values))}" if len(values) > 1 else "")


def published(row: dict) -> str:
    told = row.get("published", {})
    w1 = told.get("mean_w1", mean(told["w1"]) if "w1" in told else None)
    return " / ".join("—" if value is None else number(value) for value in (w1, told.get("rme"), told.get("hold_one_out")))


def results_of(table: str, row: dict) -> list[dict]:
    parts = sorted((HERE / table / "parts").glob(f"{table}-{row['name']}-[0-9]*.json"))
    return [json.loads(part.read_text())["result"] for part in parts]


def rows(table: str) -> tuple[list[str], list[str]]:
    """The lines of a table, and the rows that have not been run."""
    lines, missing = [], []
    for row in TABLES[table]["rows"]:
        results = results_of(table, row)
        if not results:
            missing.append(row["name"])
            continue
        cells = []
        for key, _ in COLUMNS:
            values = figures(results, key)
            absent = not values or "rme" in key and not results[0]["grows"]
            cells.append("—" if absent else cell(values))
        seconds = round(median(result["cpu_seconds"] for result in results))
        lines.append(" | ".join(["", row["name"], published(row), *cells, str(len(results)), str(seconds), ""]).strip())
    return lines, missing


def at_each_time(table: str) -> list[str]:
    """The lines of W1 in sample at each time, means over the seeds (medians where one goes anywhere), beside those published."""
    lines = []
    for row in TABLES[table]["rows"]:
        results, told = results_of(table, row), row.get("published", {}).get("w1")
        if results and told:
            whole = goes_anywhere(figures(results, "mean_w1"))
            times = [number((median if whole else mean)(values)) for values in zip(*(result["w1"] for result in results))]
            lines.append(f"| {row['name']} | {' '.join(times)} | {' '.join(map(number, told))} |")
    return lines


def missed(table: str) -> list[str]:
    """What is worse than published by more than a twentieth, in words."""
    found = []
    for row in TABLES[table]["rows"]:
        results, told = results_of(table, row), dict(row.get("published", {}))
        if "w1" in told:
            told.setdefault("mean_w1", mean(told["w1"]))
        for key, name in COLUMNS:
            values = figures(results, key)
            if key in told and values and middle(values) > 1.05 * told[key] + 0.001:
                found.append(f"{row['name']} {name} {number(middle(values))} ({number(told[key])})")
    return found


def floors(table: str) -> str:
    """What no recipe has to do with: how far two halves of the data are apart, and where nothing moves."""
    all_of = [result for row in TABLES[table]["rows"] for result in results_of(table, row)]

    def of(key: str) -> str:
        return number(mean(figures(all_of, key)))

    told = f"Two halves of the data are {of('floor_w1')} apart (W1, mean over times: the sampling floor, a held-out ratio of 1); if nothing moves"
    told += f" W1 to held-out cells is {of('nothing_moves_w1')}, a ratio of {of('nothing_moves_ratio')}"
    inner = any("mid_points_w1" in result for result in all_of)
    return told + (f"; mid-points of the coupling of the neighbouring times are {of('mid_points_w1')} from times left out." if inner else ".")


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
            print(floors(table) + "\n")
            if misses := missed(table):
                print(f"Worse than published, which is in brackets: {'; '.join(misses)}. Why: [../README.md](../README.md#what-is-missed).\n")
            if times := at_each_time(table):
                print("W1 in sample at each time:\n\n| row | here | published |\n| --- | --- | --- |\n" + "\n".join(times) + "\n")
        if missing:
            print(f"Not run: {', '.join(missing)}.\n")


main()
