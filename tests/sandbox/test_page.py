"""The chat page in headless Chromium, on a real sandbox; the bot is raw calls over HTTP."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from bot.sandbox.client import SandboxClient
from bot.sandbox.server import Sandbox
from tests.browser import chromium, needs_chromium

MIA, WEI, AMIR, ADMIN = 1, 2, 3, 9
TOKEN = "42:secret"

Call = Callable[..., Awaitable[dict[str, Any]]]
Open = Callable[..., Awaitable[Page]]

pytestmark = [
    pytest.mark.timeout(180),
    needs_chromium,
]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def open_page(browser: Browser, sandbox: Sandbox) -> AsyncIterator[Open]:
    """Opens the chat page; the test fails if it logs an error, such as a breach of its content policy."""
    errors: list[str] = []

    async def open_page(
        width: int = 1400, height: int = 900, path: str = "/", locale: str = "en-GB", **context: Any
    ) -> Page:
        view = {"width": width, "height": height}
        page = await (await browser.new_context(viewport=view, locale=locale, **context)).new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        await page.goto(sandbox.url + path)
        await expect(page.locator("#connection")).not_to_be_empty()
        return page

    yield open_page
    # While a test restarts the sandbox, the browser reports the connections it could not make.
    assert [error for error in errors if "net::ERR_" not in error] == []


def chat(page: Page, user: int) -> Locator:
    return page.locator(f"[data-user='{user}']")


def keyboard(*rows: list[dict[str, str]]) -> dict[str, Any]:
    return {"inline_keyboard": list(rows)}


async def write(page: Page, user: int, text: str) -> None:
    field = chat(page, user).locator("textarea")
    await field.click()
    await field.press_sequentially(text)
    await field.press("Enter")


async def is_wider_than_its_window(page: Page) -> bool:
    return bool(
        await page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    )


async def test_a_draft_grows_in_place_and_becomes_the_message_once(
    open_page: Open, people: SandboxClient, call: Call
) -> None:
    page = await open_page()
    mia = chat(page, MIA)
    await write(page, MIA, "How long does delivery take?")
    await expect(mia.locator(".message.user")).to_have_count(1)
    await expect(mia.locator(".message.user .text")).to_have_text("How long does delivery take?")
    await call("sendChatAction", chat_id=MIA, action="typing")
    await expect(mia.locator(".typing")).to_be_visible()

    draft = mia.locator("[data-draft='7']")
    for text in ("Standard delivery", "Standard delivery takes 2 to 4"):
        await call("sendMessageDraft", chat_id=MIA, draft_id=7, text=text, can_stop=True)
        await expect(draft.locator(".text")).to_have_text(text)
    await expect(mia.locator(".typing")).to_be_hidden()
    await expect(draft).to_have_attribute("aria-busy", "true")
    await draft.evaluate("node => (node.isTheSame = true)")
    final = "Standard delivery takes 2 to 4 working days."
    sent = await call("sendMessage", chat_id=MIA, text=final)

    message = mia.locator(f"[data-message-id='{sent['result']['message_id']}']")
    await expect(message.locator(".text")).to_have_text(final)
    assert await message.evaluate("node => node.isTheSame"), "the draft was replaced: the screen flashes"
    await expect(mia.locator(".message.bot")).to_have_count(1)
    await expect(mia.locator("[data-draft], .stop")).to_have_count(0)
    await expect(chat(page, WEI).locator(".message")).to_have_count(0)


async def test_stop_ends_a_draft_and_tells_the_bot(
    open_page: Open, people: SandboxClient, call: Call
) -> None:
    await people.send(MIA, "Tell me everything")
    page = await open_page()
    await call("sendMessageDraft", chat_id=MIA, draft_id=7, text="First of all", can_stop=True)
    await chat(page, MIA).get_by_role("button", name="Stop").click()
    await expect(chat(page, MIA).locator("[data-draft]")).to_have_count(0)
    updates = (await call("getUpdates"))["result"]
    assert updates[-1]["stopped_message_generation"]["draft_id"] == 7


async def test_a_button_waits_for_the_bots_answer(open_page: Open, people: SandboxClient, call: Call) -> None:
    await people.send(MIA, "/suggest")
    more = {"text": "More like this", "callback_data": "more:1"}
    shop = {"text": "Open in shop", "url": "https://shop.example/1"}
    await call("sendMessage", chat_id=MIA, text="Tea set", reply_markup=keyboard([more], [shop]))
    page = await open_page()
    link = chat(page, MIA).get_by_role("link", name="Open in shop")
    await expect(link).to_have_attribute("target", "_blank")
    await expect(link).to_have_attribute("rel", "noopener noreferrer")

    button = chat(page, MIA).locator("button[data-callback='more:1']")
    await button.click()
    await expect(button).to_have_attribute("aria-busy", "true")
    pressed = await people.wait_for(MIA, lambda event: event["type"] == "callback")
    assert pressed["data"] == "more:1"
    await call("answerCallbackQuery", callback_query_id=pressed["callback_query_id"], text="Looking …")
    await expect(button).not_to_have_attribute("aria-busy", "true")
    await expect(button).to_contain_class("answered")
    await expect(chat(page, MIA).locator(".notice")).to_have_text("Looking …")


async def test_everything_works_by_keyboard(open_page: Open, people: SandboxClient, call: Call) -> None:
    commands = [
        {"command": name, "description": f"The {name} command"} for name in ("start", "suggest", "help")
    ]
    await call("setMyCommands", commands=commands)
    page = await open_page()
    mia = chat(page, MIA)
    await mia.locator("textarea").focus()
    await page.keyboard.type("/s")
    await expect(mia.get_by_role("option")).to_have_count(2)
    await page.keyboard.press("ArrowDown")
    await expect(mia.get_by_role("option", selected=True)).to_contain_text("/suggest")
    await page.keyboard.press("Enter")
    await expect(mia.locator(".message.user .text")).to_have_text("/suggest")
    await page.keyboard.type("two")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("lines")
    await page.keyboard.press("Enter")
    await expect(mia.locator(".message.user .text").last).to_have_text("two\nlines", use_inner_text=True)

    button = {"text": "Details", "callback_data": "info:1"}
    await call("sendMessage", chat_id=MIA, text="Tea set", reply_markup=keyboard([button]))
    await expect(mia.locator("[data-callback='info:1']")).to_be_visible()
    for _ in range(4):
        await page.keyboard.press("Shift+Tab")
        if await mia.locator("[data-callback='info:1']").evaluate("node => node === document.activeElement"):
            break
    await page.keyboard.press("Enter")
    await people.wait_for(MIA, lambda event: event["type"] == "callback" and event["data"] == "info:1")

    await mia.locator("textarea").focus()
    await page.keyboard.press("ArrowUp")
    await page.keyboard.type(", edited")
    await page.keyboard.press("Enter")
    await expect(mia.locator(".message.user .text").last).to_have_text(
        "two\nlines, edited", use_inner_text=True
    )
    await expect(mia.locator(".message.user .edited")).to_have_text("edited")
    await expect(mia.locator("textarea")).to_have_value("")


async def test_a_phone_shows_one_chat_and_marks_the_others(
    open_page: Open, people: SandboxClient, call: Call
) -> None:
    await people.send(WEI, "x" * 500)
    page = await open_page(360, 640, color_scheme="dark", has_touch=True, is_mobile=True)
    await expect(chat(page, MIA)).to_be_visible()
    await expect(chat(page, WEI)).to_be_hidden()
    assert not await is_wider_than_its_window(page)

    await call("sendMessage", chat_id=WEI, text="https://shop.example/" + "y" * 300)
    tab = page.get_by_role("tab", name="陈伟")
    await expect(tab.locator(".badge")).to_have_text("1")
    await expect(page).to_have_title("(1) kefu 客服")
    await page.get_by_role("tab", name="Mia").focus()
    await page.keyboard.press("ArrowRight")
    await expect(tab).to_have_attribute("aria-selected", "true")
    await expect(tab.locator(".badge")).to_be_hidden()
    await expect(page).to_have_title("kefu 客服")
    await expect(chat(page, WEI).locator(".message.bot")).to_be_visible()
    assert not await is_wider_than_its_window(page)
    assert await chat(page, WEI).locator(".log").evaluate("log => log.scrollWidth <= log.clientWidth")


async def test_the_interface_speaks_chinese_and_remembers_a_switch(open_page: Open) -> None:
    page = await open_page(locale="zh-CN")
    field = chat(page, MIA).locator("textarea")
    await expect(field).to_have_attribute("placeholder", "输入消息……")
    await expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    await expect(page.locator("#connection")).to_have_text("已连接")
    await page.get_by_role("button", name="EN", exact=True).click()
    await expect(field).to_have_attribute("placeholder", "Write a message …")
    await page.reload()
    await expect(page.locator("#connection")).to_have_text("Connected")


async def test_an_example_is_sent_by_a_click_in_the_customers_language(
    open_page: Open, people: SandboxClient
) -> None:
    page = await open_page()
    await chat(page, WEI).get_by_role("button", name="配送需要多久？").click()
    await people.wait_for(WEI, lambda event: event.get("text") == "配送需要多久？", after=0)
    await expect(chat(page, WEI).locator(".message.user")).to_have_count(1)
    await expect(chat(page, WEI).locator(".welcome")).to_be_hidden()


async def test_a_new_customer_can_join(open_page: Open, people: SandboxClient) -> None:
    page = await open_page()
    await page.get_by_role("button", name="New customer").click()
    await page.get_by_label("Name", exact=True).fill("زهرا")
    await page.get_by_role("dialog").get_by_label("Language").select_option("fa")
    await page.get_by_role("button", name="Add", exact=True).click()
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await write(page, 101, "سلام")
    await people.wait_for(101, lambda event: event.get("text") == "سلام")
    body = chat(page, 101).locator(".message.user .body")
    assert await body.evaluate("node => getComputedStyle(node).direction") == "rtl"
    state = await people.get("state")
    assert state["users"][-1]["language_code"] == "fa"


async def test_markup_stays_text_and_entities_count_utf16(
    open_page: Open, people: SandboxClient, call: Call
) -> None:
    await people.send(MIA, "<img src=x onerror=alert(1)><b>hello</b>")
    text = "👩‍🚀 bold and code <i>not</i>"
    bold, code = len("👩‍🚀 ".encode("utf-16-le")) // 2, len("👩‍🚀 bold and ".encode("utf-16-le")) // 2
    entities = [
        {"type": "bold", "offset": bold, "length": 8},
        {"type": "italic", "offset": bold + 5, "length": 3},
        {"type": "code", "offset": code, "length": 4},
    ]
    await call("sendMessage", chat_id=MIA, text=text, entities=entities)
    page = await open_page()
    messages = chat(page, MIA).locator(".message .text")
    await expect(messages.first).to_have_text("<img src=x onerror=alert(1)><b>hello</b>")
    await expect(messages.first.locator("img, b")).to_have_count(0)
    await expect(messages.last).to_have_text(text)
    await expect(messages.last.locator("strong")).to_have_text("bold and")
    await expect(messages.last.locator("strong > em")).to_have_text("and")
    await expect(messages.last.locator("code")).to_have_text("code")


async def test_edits_reactions_and_deletions_show(open_page: Open, people: SandboxClient, call: Call) -> None:
    page = await open_page()
    mia = chat(page, MIA)
    sent = await people.send(MIA, "Hello")
    eyes = [{"type": "emoji", "emoji": "👀"}]
    await call("setMessageReaction", chat_id=MIA, message_id=sent["message_id"], reaction=eyes)
    await expect(mia.locator(".message.user .reactions")).to_have_text("👀")
    reply = (await call("sendMessage", chat_id=MIA, text="Hi"))["result"]["message_id"]
    await call("editMessageText", chat_id=MIA, message_id=reply, text="Hi, Mia")
    await expect(mia.locator(".message.bot .text")).to_have_text("Hi, Mia")
    await expect(mia.locator(".message.bot .edited")).to_be_visible()
    await mia.locator(".message.bot").hover()
    await mia.get_by_role("button", name="React", exact=True).click()
    await mia.get_by_role("button", name="React with 👍").click()
    await expect(mia.locator(".message.bot .reactions")).to_have_text("👍")
    await call("deleteMessage", chat_id=MIA, message_id=reply)
    await expect(mia.locator(".message.bot")).to_have_count(0)


async def test_twenty_thousand_characters_go_through(open_page: Open, people: SandboxClient) -> None:
    page = await open_page(390, 844)
    await chat(page, MIA).locator("textarea").fill("很长的问题 and a long word " * 800)
    await chat(page, MIA).locator("textarea").press("Enter")
    await expect(chat(page, MIA).locator(".message.user")).to_have_count(5)
    assert not await is_wider_than_its_window(page)


async def test_a_lost_connection_doubles_nothing(
    open_page: Open, sandbox: Sandbox, people: SandboxClient, call: Call
) -> None:
    page = await open_page()
    await people.send(MIA, "before")
    await expect(chat(page, MIA).locator(".message")).to_have_count(1)
    sandbox.refuse_connections(0.5)
    await expect(page.locator("#connection")).to_contain_text("No connection")
    await expect(page.locator("#connection")).to_have_text("Connected")
    await people.send(MIA, "after")
    await expect(chat(page, MIA).locator(".message .text")).to_have_text(["before", "after"])


async def test_a_sandbox_started_anew_is_shown_anew(
    open_page: Open, sandbox: Sandbox, people: SandboxClient
) -> None:
    page = await open_page()
    await people.send(MIA, "in the first life")
    await expect(chat(page, MIA).locator(".message")).to_have_count(1)
    await sandbox.stop()
    async with Sandbox(TOKEN, port=sandbox.port, limits=False), SandboxClient(sandbox.url) as again:
        await again.send(MIA, "in the second life")
        await expect(chat(page, MIA).locator(".message .text")).to_have_text(["in the second life"])
