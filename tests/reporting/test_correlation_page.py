import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from nascence.benchmarks.correlation import judge, oriented
from nascence.benchmarks.judging import Judgement
from nascence.reporting.correlation_page import HEAD, SINGLE_DRAWS, cells, correlation_page, scatter, single_draws


def judgement(count=400, left_out=0):
    random = np.random.default_rng(0)
    accuracy = 90 + random.normal(size=count)
    columns = {
        "good": (accuracy + random.normal(size=count), True),
        "<b>bad</b>": (random.normal(size=count), False),
        "constant": (np.full(count, np.nan), True),
    }
    draws = {"good": accuracy + random.normal(size=(2, count)), "constant": np.zeros((2, count))}
    return Judgement(
        table="mine.csv",
        column="accuracy",
        space="toy",
        count=count,
        left_out=left_out,
        settings={"seed": 7, "draws": 2, "data": {"name": "few"}},
        rows=judge(columns, accuracy, params=accuracy, draws=draws, resamples=5),
        truth=accuracy,
        values={name: oriented(values, larger) for name, (values, larger) in columns.items()},
    )


def test_the_page_stands_alone_and_says_everything():
    one = judgement(left_out=3)
    page = correlation_page(one)
    body = ElementTree.fromstring(page[page.index("<body>") : page.index("</html>")])
    table = body.find(".//table")
    assert [th.text or "" for th in table.findall(".//th")] == list(HEAD)
    rows = [[td.text or "" for td in tr.findall("td")] for tr in table.findall("tbody/tr")]
    assert rows == [cells(row) for row in one.rows]
    assert len(body.findall(".//{http://www.w3.org/2000/svg}svg")) == 3
    text = "".join(body.itertext())
    for said in ("400 architectures", "3 scored architectures have no number", "seed 7", "draws 2", "few", "mine.csv"):
        assert said in text
    assert "<b>" not in page
    assert not re.search(r"(src|href)=|url\(|@import|https?://(?!www\.w3\.org/2000/svg)", page)
    assert "prefers-color-scheme: dark" in page
    title, drawn = single_draws(one)
    assert title.endswith("over 2 draws")
    assert [row[0] for row in drawn] == ["good", "constant"]
    assert re.fullmatch(r"0\.\d{3} ± 0\.\d{3}", drawn[0][1])
    assert drawn[1][1] == "–"
    second = body.findall(".//table")[1]
    assert [[td.text for td in tr.findall("td")] for tr in second.findall("tbody/tr")] == drawn
    assert [th.text for th in second.findall(".//th")] == ["score", *SINGLE_DRAWS]


def test_without_several_draws_there_is_no_second_table():
    one = judgement()
    rows = [{**row, "single_draws": None} for row in one.rows]
    assert correlation_page(replace(one, rows=rows)).count("<table>") == 1


def test_cells():
    (row,) = [row for row in judgement().rows if row["score"] == "good"]
    shown = dict(zip(HEAD, cells(row), strict=True))
    assert len(cells(row)) == len(HEAD)
    assert shown["Kendall"] == f"{row['kendall']:.3f}"
    low, high = row["kendall_interval"]
    assert cells(row)[2] == f"{low:.3f} to {high:.3f}"
    assert shown["top 10"] == f"{row['best_ranked']['10']['mean']:.2f}"
    (constant,) = [row for row in judgement().rows if row["score"] == "constant"]
    assert cells(constant)[1:4] == ["–", "", "–"]
    (down,) = [row for row in judgement(50).rows if row["score"].startswith("<b>")]
    assert cells(down)[0].endswith("(smaller is better)")
    assert cells(down)[-2:] == ["–", "–"]  # there are not 100


def points(drawing):
    return {tuple(map(int, at)) for at in re.findall(r"M(\d+) (\d+)h0", drawing)}


def test_a_scatter_plot_has_every_point_in_the_frame():
    one = judgement(30)
    drawing = scatter(one.rows[0], one.values["good"], one)
    found = points(drawing)
    assert 25 <= len(found) <= 30
    assert all(40 <= x <= 340 and 20 <= y <= 220 for x, y in found)
    best = min(found, key=lambda at: at[1])
    assert best[1] == pytest.approx(26, abs=2)  # the best accuracy is at the top
    ElementTree.fromstring(drawing)


def test_its_size_does_not_grow_with_the_number_of_points():
    random, count = np.random.default_rng(1), 200_000
    many = replace(judgement(100), truth=random.uniform(size=count))
    assert len(scatter(many.rows[0], random.normal(size=count), many)) < 200_000
    assert "undefined" in scatter({"score": "s", "kendall": None}, random.normal(size=count), many)
