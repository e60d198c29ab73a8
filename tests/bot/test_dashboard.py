"""The dashboard of a running bot: over HTTP, in Chromium, and the links that the bot sends in the sandbox."""

import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession, CookieJar, web
from playwright.async_api import Browser, Page, expect

from bot.monitor.access import Access, Links
from bot.monitor.dashboard import SEAL_HEADER
from bot.web import serve
from tests.bot.conftest import ADMIN, TOKEN, Shop
from tests.bot.test_access import init_data
from tests.browser import chromium, needs_chromium
from tests.redis_proxy import RedisProxy
from workers.channel import PAUSED, WORKER_PREFIX

SECRET_WORDS = "where is my parcel with the diamond ring"

Open = Callable[..., Awaitable[Page]]

pytestmark = pytest.mark.timeout(180)


class Board:
    """A running bot with its dashboard's address."""

    def __init__(self, shop: Shop, url: str) -> None:
        self.shop = shop
        self.url = url
        self.links = Links(Access(TOKEN, {ADMIN}), url)

    async def enter(self, session: ClientSession) -> dict[str, Any]:
        """Sign in as the admin; the figures."""
        async with session.get(self.links.for_admin(ADMIN)) as response:
            assert response.status == 200
        return await self.figures(session)

    async def figures(self, session: ClientSession) -> dict[str, Any]:
        async with session.get(f"{self.url}/dashboard/figures") as response:
            assert response.status == 200, await response.text()
            figures: dict[str, Any] = await response.json()
            return figures


@pytest.fixture
async def board(idle_shop: Shop, unused_tcp_port: int) -> Board:
    await idle_shop.start_bot(http_port=unused_tcp_port)
    board = Board(idle_shop, f"http://127.0.0.1:{unused_tcp_port}")
    await idle_shop.until(lambda: idle_shop.redis.exists(idle_shop.names.outbox_leader))
    return board


@pytest.fixture
async def visitor() -> AsyncIterator[ClientSession]:
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
        yield session


# Who gets in


async def test_a_stranger_sees_how_to_get_in_and_nothing_else(board: Board, visitor: ClientSession) -> None:
    async with visitor.get(f"{board.url}/dashboard") as response:
        text = await response.text()
        assert response.status == 403
        assert "/dashboard</code> to the bot" in text and "私聊" in text
    for path in ("figures", "enter", "enter?pass=link.9.1.x.y", "enter?pass=%E5%AF%86"):
        async with visitor.get(f"{board.url}/dashboard/{path}") as response:
            assert response.status == 403 and "Set-Cookie" not in response.headers
    for path in ("act", "leave"):
        async with visitor.post(
            f"{board.url}/dashboard/{path}", json={"act": "pause", "queue": "bulk"}
        ) as response:
            assert response.status == 403
    assert not board.shop.redis.exists(PAUSED)


async def test_a_link_works_once_and_becomes_a_strict_cookie(board: Board, visitor: ClientSession) -> None:
    link = board.links.for_admin(ADMIN)
    async with visitor.head(link) as response:  # somebody looks at it first
        assert response.status == 405
    async with visitor.get(link) as response:
        assert response.status == 200
        cookie = response.headers["Set-Cookie"]
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path" not in cookie
        assert urlsplit(link).query not in await response.text()
        assert response.headers["Referrer-Policy"] == "no-referrer"
    async with visitor.get(f"{board.url}/dashboard") as response:
        assert response.status == 200 and "no-store" in response.headers["Cache-Control"]
    async with ClientSession() as another, another.get(link) as response:
        assert response.status == 403 and "Set-Cookie" not in response.headers


async def test_a_link_for_somebody_who_is_no_admin_opens_nothing(
    board: Board, visitor: ClientSession
) -> None:
    forged = Links(Access(TOKEN, {1}), board.url).for_admin(1)
    async with visitor.get(forged) as response:
        assert response.status == 403


async def test_behind_https_the_cookie_is_for_https_only(board: Board, visitor: ClientSession) -> None:
    proxied = {"X-Forwarded-Proto": "https"}
    async with visitor.get(board.links.for_admin(ADMIN), headers=proxied) as response:
        assert "Secure" in response.headers["Set-Cookie"]


async def test_the_mini_app_shows_figures_to_an_admin_whom_telegram_vouches_for(
    board: Board, visitor: ClientSession
) -> None:
    async with visitor.get(f"{board.url}/dashboard?app") as response:
        assert response.status == 200
        assert "frame-ancestors https://web.telegram.org" in response.headers["Content-Security-Policy"]
    now = int(time.time())
    for user_id, status in ((ADMIN, 200), (1, 403)):
        headers = {"Authorization": f"tma {init_data(user_id, at=now)}"}
        async with visitor.get(f"{board.url}/dashboard/figures", headers=headers) as response:
            assert response.status == status


# What it shows


@pytest.mark.parametrize("since", ["", "soon", "-1", "٣", "9" * 15, "9" * 5000])
async def test_whatever_moment_is_asked_for_the_figures_come(
    board: Board, visitor: ClientSession, since: str
) -> None:
    await board.enter(visitor)
    async with visitor.get(f"{board.url}/dashboard/figures", params={"since": since}) as response:
        assert response.status == 200 and "points" in await response.json()


async def test_the_figures_are_those_of_redis_and_hold_no_words_of_a_customer(
    board: Board, visitor: ClientSession
) -> None:
    shop = board.shop
    await shop.client.send(1, SECRET_WORDS)
    await shop.until(lambda: shop.inbox(1))
    shop.redis.sadd("rq:workers", "rq:worker:w1")
    figures_of_worker = {
        "name": "w1",
        "slots": 8,
        "in_flight": 2,
        "fill": 0.5,
        "jobs": 3,
        "steps_per_second": 9.5,
        "model": "builtin",
        "engine": {"prefix_share": 0.5},
    }
    shop.redis.set(WORKER_PREFIX + "w1", json.dumps(figures_of_worker))
    shop.redis.lpush(shop.names.alerts, json.dumps({"at": 1, "kind": "unknown", "entry": "e1"}))
    figures = await board.enter(visitor)
    assert figures["waiting"] == 1 and figures["is_delivered"]
    assert figures["queues"][0] == {
        "name": "support",
        "depth": 1,
        "in_flight": 0,
        "failed": 0,
        "paused": False,
    }
    assert figures["workers"] == [figures_of_worker]
    assert figures["counts"]["accepted"] == 1
    assert figures["alerts"] == [{"at": 1, "kind": "unknown", "entry": "e1"}]
    shown = json.dumps(figures, ensure_ascii=False)
    user = (await shop.client.get("state"))["users"][0]
    assert SECRET_WORDS not in shown and user["name"] not in shown


# What an admin may do


async def test_an_act_needs_the_pages_seal_and_is_written_down(board: Board, visitor: ClientSession) -> None:
    figures = await board.enter(visitor)
    order, url = {"act": "pause", "queue": "bulk"}, f"{board.url}/dashboard/act"
    for headers in ({}, {SEAL_HEADER: "0" * 64}):
        async with visitor.post(url, json=order, headers=headers) as response:
            assert response.status == 403
    sealed = {SEAL_HEADER: figures["seal"]}
    for wrong in ({"act": "drop", "queue": "bulk"}, {"act": "pause", "queue": "rq:all"}, {}, "x"):
        async with visitor.post(url, json=wrong, headers=sealed) as response:
            assert response.status == 400
    assert (await board.figures(visitor))["acts"] == []
    async with visitor.post(url, json=order, headers=sealed) as response:
        assert response.status == 200
    figures = await board.figures(visitor)
    assert [queue["paused"] for queue in figures["queues"]] == [False, False, True]
    (act,) = figures["acts"]
    assert (act["admin"], act["act"], act["queue"]) == (ADMIN, "pause", "bulk")


async def test_who_signs_out_is_out(board: Board, visitor: ClientSession) -> None:
    figures = await board.enter(visitor)
    async with visitor.post(
        f"{board.url}/dashboard/leave", headers={SEAL_HEADER: figures["seal"]}
    ) as response:
        assert response.status == 204
    async with visitor.get(f"{board.url}/dashboard") as response:
        assert response.status == 403


# In the chat


async def test_the_bot_sends_an_admin_a_link_and_a_customer_none(
    board: Board, visitor: ClientSession
) -> None:
    await board.shop.client.send(ADMIN, "/dashboard")
    text = (await board.shop.client.wait_for_reply(ADMIN))["text"]
    link = re.search(r"http://127\.0\.0\.1:\d+/dashboard/enter\S+", text)
    assert link
    async with visitor.get(link[0]) as response:
        assert response.status == 200
    await board.figures(visitor)
    await board.shop.client.send(1, "/dashboard")
    assert "/dashboard" not in (await board.shop.client.wait_for_reply(1))["text"]


async def test_with_a_public_address_the_links_are_buttons(idle_shop: Shop) -> None:
    await idle_shop.start_bot(http_public_url="https://shop.example/kefu/")
    await idle_shop.client.send(ADMIN, "/dashboard")
    reply = await idle_shop.client.wait_for_reply(ADMIN)
    assert "http" not in reply["text"]
    (here,), (browser,) = reply["buttons"]
    assert browser["url"].startswith("https://shop.example/kefu/dashboard/enter?pass=link.9.")
    assert here["url"] is None and here["data"] is None


async def test_an_admin_pauses_and_resumes_by_command(board: Board) -> None:
    client, redis = board.shop.client, board.shop.redis
    await client.send(ADMIN, "/pause support, bulk")
    assert "Paused: support, bulk" in (await client.wait_for_reply(ADMIN))["text"]
    assert redis.smembers(PAUSED) == {b"support", b"bulk"}
    await client.send(ADMIN, "/queues")
    assert (
        "support: 0 waiting, 0 in flight, 0 failed – paused" in (await client.wait_for_reply(ADMIN))["text"]
    )
    await client.send(ADMIN, "/pause everything")
    assert "no queue “everything”" in (await client.wait_for_reply(ADMIN))["text"]
    await client.send(1, "/resume")
    await client.wait_for_reply(1)
    assert redis.scard(PAUSED) == 2
    await client.send(ADMIN, "/resume")
    assert "Resumed: support, suggest, bulk" in (await client.wait_for_reply(ADMIN))["text"]
    assert not redis.exists(PAUSED)


# In a browser


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def open_board(browser: Browser, board: Board) -> AsyncIterator[Open]:
    """Opens the dashboard as the admin; the test fails if the page logs an error, such as a breach of its policy."""
    errors: list[str] = []

    async def open_board(width: int = 1280, height: int = 900, locale: str = "en-GB", **context: Any) -> Page:
        view = {"width": width, "height": height}
        page = await (await browser.new_context(viewport=view, locale=locale, **context)).new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        await page.goto(board.links.for_admin(ADMIN))
        await expect(page.locator("#board")).to_be_visible()
        return page

    yield open_board
    assert [error for error in errors if "net::ERR_" not in error and "403" not in error] == []


def add_hour(shop: Shop) -> None:
    now = int(time.time())
    for ago in range(3600, 0, -10):
        point = {
            "at": now - ago,
            "depth": ago // 400,
            "oldest": 90,
            "fill": 0.5,
            "answered": 3600 - ago,
        }
        shop.redis.lpush(shop.names.series, json.dumps(point))


@needs_chromium
async def test_the_page_shows_the_hour_and_follows_what_happens(board: Board, open_board: Open) -> None:
    add_hour(board.shop)
    page = await open_board()
    assert page.url == f"{board.url}/dashboard"
    await expect(page.locator("#verdict")).to_contain_text("Nobody waits.")
    await expect(page.locator("#verdict .bad")).to_contain_text("kefu worker")
    assert await page.locator(".chart").count() == 4
    line = await page.locator(".chart .line").first.get_attribute("d")
    assert line and line.count("L") > 300
    await board.shop.client.send(1, SECRET_WORDS)
    await expect(page.locator("[data-tile=waiting] .figure")).to_have_text("1")
    await expect(page.locator("#queues [data-name=support] [data-figure=depth]")).to_have_text("1")
    await expect(page).to_have_title("(1) kefu 客服")
    assert SECRET_WORDS not in await page.content()


@needs_chromium
async def test_a_link_on_another_site_leads_to_the_dashboard(
    board: Board, browser: Browser, unused_tcp_port_factory: Callable[[], int]
) -> None:
    """Telegram in a browser is another site: a strict cookie is not sent along a redirect that begins there."""
    link = f"<a href='{board.links.for_admin(ADMIN)}'>open</a>"

    async def show_link(request: web.Request) -> web.Response:
        return web.Response(text=link, content_type="text/html")

    other = web.Application()
    other.router.add_get("/", show_link)
    async with serve(other, "127.0.0.1", unused_tcp_port_factory()) as port:
        page = await browser.new_page()
        await page.goto(f"http://localhost:{port}/")
        await page.get_by_role("link").click()
        await expect(page.locator("#board")).to_be_visible()
        assert page.url == f"{board.url}/dashboard"
        await page.go_back()
        assert "pass=" not in page.url


@needs_chromium
async def test_a_queue_is_paused_and_resumed_by_keyboard(board: Board, open_board: Open) -> None:
    page = await open_board()
    row = page.locator("#queues [data-name=bulk]")
    await row.get_by_role("button", name="Pause: Bulk work").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_contain_text("Pause “Bulk work”?")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    assert not board.shop.redis.exists(PAUSED)
    await page.keyboard.press("Enter")
    await page.get_by_role("dialog").get_by_role("button", name="Pause").press("Enter")
    await expect(page.locator("#verdict")).to_contain_text("Paused: Bulk work.")
    await expect(page.locator("#acts")).to_contain_text("Admin 9 paused Bulk work")
    assert board.shop.redis.smembers(PAUSED) == {b"bulk"}
    await row.get_by_role("button", name="Resume: Bulk work").press("Enter")
    await expect(page.locator("#verdict")).not_to_contain_text("Paused")
    assert not board.shop.redis.exists(PAUSED)


@needs_chromium
async def test_a_chart_is_read_with_arrow_keys(board: Board, open_board: Open) -> None:
    add_hour(board.shop)
    page = await open_board()
    plot = page.get_by_role("slider", name="Longest wait, the last hour")
    await plot.focus()
    await page.keyboard.press("PageDown")
    await expect(plot.locator(".readout")).to_contain_text("1 min 30 s")
    await expect(plot).to_have_attribute("aria-valuetext", re.compile("1 min 30 s"))
    await page.keyboard.press("Escape")
    await expect(plot.locator(".readout")).to_be_hidden()


@needs_chromium
async def test_a_phone_in_chinese_needs_no_sideways_scrolling(board: Board, open_board: Open) -> None:
    page = await open_board(320, 640, "zh-CN", color_scheme="dark", has_touch=True, is_mobile=True)
    await expect(page.locator("#verdict")).to_contain_text("没有顾客在等待。")
    await expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    for _ in range(2):
        wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not await page.evaluate(wide)
        await page.get_by_role("button", name="EN", exact=True).click()
        await expect(page.locator("#verdict")).to_contain_text("Nobody waits.")


@needs_chromium
async def test_a_page_whose_session_ends_says_how_to_get_in_again(board: Board, open_board: Open) -> None:
    page = await open_board()
    await page.context.clear_cookies()
    await expect(page.locator("#refused")).to_contain_text("Write /dashboard to the bot")
    await expect(page.locator("#board")).to_be_hidden()


@needs_chromium
async def test_while_redis_is_away_the_page_says_so_and_comes_back(
    idle_shop: Shop, browser: Browser, unused_tcp_port: int
) -> None:
    with RedisProxy(idle_shop.settings.redis_url or "") as proxy:
        await idle_shop.start_bot(http_port=unused_tcp_port, redis_url=proxy.url)
        await idle_shop.until(lambda: idle_shop.redis.exists(idle_shop.names.outbox_leader))
        board = Board(idle_shop, f"http://127.0.0.1:{unused_tcp_port}")
        page = await browser.new_page()
        await page.goto(board.links.for_admin(ADMIN))
        await expect(page.locator("#connection")).to_have_text("Live")
        proxy.go_away()
        await expect(page.locator("#connection")).to_have_text("Redis does not answer, trying again …")
        proxy.come_back()
        await expect(page.locator("#connection")).to_have_text("Live")
        await idle_shop.stop_bots()


@needs_chromium
async def test_the_mini_app_works_without_a_cookie(board: Board, browser: Browser) -> None:
    page = await browser.new_page()
    data = (
        init_data(at=int(time.time()))
        .replace("%", "%25")
        .replace("&", "%26")
        .replace("=", "%3D")
        .replace("+", "%2B")
    )
    await page.goto(f"{board.url}/dashboard?app#tgWebAppData={data}&tgWebAppVersion=9.1")
    await expect(page.locator("#board")).to_be_visible()
    await expect(page.locator("#leave")).to_be_hidden()
    assert await page.context.cookies() == []
