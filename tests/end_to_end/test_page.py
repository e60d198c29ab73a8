"""A person in a browser: types a question, watches the answer grow, presses a button."""

import pytest
from playwright.async_api import Locator, expect

from tests.browser import chromium, needs_chromium
from tests.end_to_end.running import ENGLISH, run

pytestmark = [pytest.mark.timeout(120), needs_chromium]


async def write(chat: Locator, text: str) -> None:
    await chat.locator("textarea").fill(text)
    await chat.locator("textarea").press("Enter")


async def test_a_person_asks_and_presses_a_button() -> None:
    async with run(limits=True) as kefu, chromium() as browser:
        page = await browser.new_page(viewport={"width": 1400, "height": 900})
        await page.goto(kefu.stack.sandbox.url)
        chat = page.locator(f"[data-user='{ENGLISH}']")
        await write(chat, "How long does delivery take?")
        await expect(chat.locator(".message.bot")).to_contain_text("working days", timeout=60_000)
        await expect(chat.locator("[data-draft]")).to_have_count(0)
        await write(chat, "/suggest a lamp")
        button = chat.locator("button[data-callback]").first
        await expect(button).to_be_visible(timeout=60_000)
        before = await chat.locator(".message.bot").count()
        await button.click()
        await expect(chat.locator(".message.bot").nth(before)).to_be_visible(timeout=60_000)


async def test_a_draft_grows_until_it_is_the_answer() -> None:
    environment = {"KEFU_MODEL": "echo", "KEFU_ECHO_DELAY": "0.4"}
    async with run(environment=environment) as kefu, chromium() as browser:
        page = await browser.new_page(viewport={"width": 390, "height": 844})
        await page.goto(f"{kefu.stack.sandbox.url}/#{ENGLISH}")
        chat = page.locator(f"[data-user='{ENGLISH}']")
        text = " ".join(f"word{number}" for number in range(12))
        await write(chat, text)
        draft = chat.locator("[data-draft]")
        await expect(draft).to_contain_text("word1", timeout=60_000)
        await expect(draft).to_contain_text("word5", timeout=60_000)
        await expect(draft).to_have_count(0, timeout=60_000)
        await expect(chat.locator(".message.bot")).to_have_count(1)
        await expect(chat.locator(".message.bot .text")).to_have_text(text)
