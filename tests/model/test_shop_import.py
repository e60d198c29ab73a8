"""A shop out of files like those of MovieLens and Online Retail, made here, and a recommender trained on it."""

import asyncio
import json
import subprocess
import sys
import zipfile
from random import Random

import pytest

from model.assistant import Assistant
from model.interactions import DataError, read_interactions
from model.shop import Shop
from model.shop_import import EVENTS, ITEMS, ImportProblem, import_shop
from model.types import Question

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"


def retail(rows):
    return "\n".join([HEADER, *rows]) + "\n"


@pytest.fixture
def sales(tmp_path):
    """Forty customers with four purchases each of six things; a return, a fee, a nameless buyer, and a thing of old."""
    rng, rows = Random(1), ["536000,90000,OLD CHINA CUP,1,1/2/2010 9:00,2.00,17000,France"]
    for number in range(160):
        for code in rng.sample(range(6), 2):
            title = ("RED MUG", "BLUE MUG", "TEA BAG", "GIFT BAG", "WALL CLOCK", "ALARM CLOCK")[code]
            rows.append(
                f"{536100 + number},1000{code},{title},2,{1 + number // 20}/3/2011 10:00,1.5,{17000 + number % 40},UK"
            )
    rows += [
        "C536300,10001,BLUE MUG,-1,8/4/2011 9:00,1.50,17001,UK",
        "536301,POST,POSTAGE,1,8/4/2011 9:00,18.00,17001,UK",
        "536302,10001,BLUE MUG,1,8/5/2011 9:00,1.75,,UK",
    ]
    path = tmp_path / "Online Retail.csv"
    path.write_text(retail(rows), encoding="latin-1")
    return path


def test_online_retail_becomes_a_shop_that_answers_and_suggests(sales, tmp_path):
    out = tmp_path / "gifts"
    done = import_shop("online-retail", sales, out)
    assert (done.products, done.in_stock, done.left_out) == (7, 6, 3)
    shop = Shop.load(out)
    blue = shop.product("10001")
    assert (blue.title("en"), blue.price_text("en"), blue.category) == ("Blue mug", "1.75 GBP", "mug")
    assert not shop.product("90000").in_stock
    assert shop.orders_of(1) and shop.orders_of(2)
    data = read_interactions(out / EVENTS, out / ITEMS)
    assert data.has_baskets and data.actions == ("buy",) and len(data.users) == 40
    assistant = Assistant.load("passages", out)
    answer = asyncio.run(assistant.answer(Question("How much is the blue mug?", "en", 3)))
    assert "1.75 GBP" in answer.text
    bought = {item.product_id for order in shop.orders_of(1) for item in order.items}
    suggested = asyncio.run(assistant.suggest("", "en", 1))
    assert all(product.product_id not in bought for product in suggested)


def test_one_command_imports_and_trains_what_the_shop_then_uses(sales, tmp_path):
    out = tmp_path / "gifts"
    command = [*(sys.executable, "-m", "bot.cli", "import", "online-retail", str(sales)), "--out", str(out)]
    ran = subprocess.run([*command, "--minutes", "0.02"], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["products"] == 7
    assistant = Assistant.load("passages", out)
    assert (
        assistant.advisor.suggester.history is not None and (out / "behaviour" / "model.safetensors").exists()
    )
    again = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert again.returncode == 2 and "holds a shop already" in again.stderr
    assert len(again.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("layout", ["latest", "1m", "100k"])
def test_every_layout_of_movielens_becomes_the_same_shop(layout, tmp_path):
    ratings = [("1", "7", "5", "900000001"), ("1", "8", "2", "900000002"), ("2", "7", "3", "900000003")]
    films = {"7": ("Tea Time (1999)", "Comedy"), "8": ("The Kettle (2001)", "Drama")}
    flags = {"Comedy": 5, "Drama": 8}
    if layout == "latest":
        tables = {
            "ratings.csv": "userId,movieId,rating,timestamp\n" + "\n".join(map(",".join, ratings)),
            "movies.csv": "movieId,title,genres\n"
            + "\n".join(f"{i},{title},{genre}" for i, (title, genre) in films.items()),
        }
    elif layout == "1m":
        tables = {
            "ratings.dat": "\n".join(map("::".join, ratings)),
            "movies.dat": "\n".join(f"{i}::{title}::{genre}" for i, (title, genre) in films.items()),
        }
    else:
        tables = {
            "u.data": "\n".join(map("\t".join, ratings)),
            "u.item": "\n".join(
                f"{i}|{title}|01-Jan-1999|||" + "|".join(str(int(n == flags[genre])) for n in range(19))
                for i, (title, genre) in films.items()
            ),
        }
    archive = tmp_path / "films.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name, text in tables.items():
            file.writestr(f"ml/{name}", text + "\n")
    import_shop("movielens", archive, tmp_path / "films")
    shop = Shop.load(tmp_path / "films")
    assert [(p.id, p.title("en"), p.category) for p in shop.products] == [
        ("7", "Tea Time (1999)", "Comedy"),
        ("8", "The Kettle (2001)", "Drama"),
    ]
    data = read_interactions(tmp_path / "films" / EVENTS)
    taken = [
        [(data.items[i], data.actions[a]) for i, a in zip(e.items, e.actions, strict=True)]
        for e in data.events
    ]
    assert taken == [[("7", "like"), ("8", "dislike")], [("7", "view")]]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("sales.csv", "InvoiceNo,StockCode,Quantity\n1,10000,1\n", "no column description"),
        ("sales.csv", retail(["1,10000,CUP,many,1/2/2010 9:00,2.0,17000,UK"]), "sales.csv:2: a row that cannot"),
        ("sales.csv", retail(["1,10000,CUP,1,yesterday,2.0,17000,UK"]), "sales.csv:2: a row that cannot"),
        ("sales.csv", retail(["1,10000,CUP,1,1/2/2010 9:00,2.0,,UK"]), "not one row tells"),
        ("sales.zip", "no zip", "no .zip that can be read"),
        ("sales.txt", "anything", "no .csv and no .xlsx"),
    ],
)  # fmt: skip
def test_what_is_no_online_retail_is_refused_in_one_line(name, text, told, tmp_path):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ImportProblem) as caught:
        import_shop("online-retail", path, tmp_path / "out")
    assert told in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_ratings_without_films_and_broken_ratings_are_refused(tmp_path):
    (tmp_path / "ratings.dat").write_text("1::7::five::900000001\n")
    with pytest.raises(ImportProblem, match=r"movies\.dat"):
        import_shop("movielens", tmp_path, tmp_path / "out")
    (tmp_path / "movies.dat").write_text("7::Tea Time::Comedy\n")
    with pytest.raises(DataError, match=":1: rating 'five'"):
        import_shop("movielens", tmp_path, tmp_path / "out")


def test_a_sheet_of_online_retail_is_read_too(tmp_path):
    openpyxl = pytest.importorskip("openpyxl", reason="the extra `evaluate` is not installed")
    from datetime import datetime

    book = openpyxl.Workbook()
    book.active.append(HEADER.split(","))
    book.active.append(["536365", 10001, "BLUE MUG", 6, datetime(2010, 12, 1, 8, 26), 2.55, 17850.0, "UK"])
    book.save(tmp_path / "Online Retail.xlsx")
    import_shop("online-retail", tmp_path / "Online Retail.xlsx", tmp_path / "out")
    assert (tmp_path / "out" / ITEMS).read_text().splitlines()[1] == "10001,Blue mug,mug,"
