"""Headless Chromium for tests of pages."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, async_playwright, expect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium here; on Debian: apt install chromium"
)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The system's Chromium: the browsers that Playwright brings are not needed."""
    expect.set_options(timeout=30_000)  # a browser on a busy machine needs more than the usual five seconds
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()
