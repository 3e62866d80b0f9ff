"""What the tests of the status page share: the browser's windows, and what a window shows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import (
    BrowserContext,
    ConsoleMessage,
    FrameLocator,
    Locator,
    Page,
    Request,
    Response,
    WebError,
    expect,
)

from ashare.dates import beijing_now

FIRST, LAST = "2025-09-01", "2025-09-12"
SESSIONS = [str(date(2025, 9, 1) + timedelta(days=n)) for n in range(12) if n % 7 < 5]
YEARS = f"years={beijing_now().year - 2024}"
"""The page's calendar with these dates, in whatever year the tests run."""
HURT = "2025-09-10"
"""A date that the tests make incomplete."""
REASON = "2 of 5203 stocks have no bar: sh.600000, sh.600004."
BATCH_ERROR = "Baostock answered query_daily_history_k_AStock with 10002007 (网络接收错误): the session was lost."

ALONE = "/ashare/"
NAV_PAGE = "/plugin/ashare"
DAG_TAB = "/dags/ashare_daily/plugin/ashare-status"
DAY = f"?view=day&date={HURT}"

expect.set_options(timeout=15_000)  # a busy machine, and no wait where nothing is wrong

hosts: set[str] = set()
"""Of all requests of all browser contexts of this file."""
complaints: list[str] = []
"""Of the browser about the page: files that are not there, errors in scripts, what its security policy forbade."""

Visit = Callable[..., Page]
View = Page | FrameLocator


def watch(context: BrowserContext) -> None:
    """Keep what the tests at the end of this file ask for."""

    def ask(request: Request) -> None:
        if not request.url.startswith(("data:", "blob:")):
            hosts.add(urlsplit(request.url).netloc)

    def answer(response: Response) -> None:
        if "/ashare/static/" in response.url and response.status >= 400:
            complaints.append(f"HTTP {response.status}: {response.url}")

    def fail(event: WebError) -> None:
        if "/ashare/static/" in (event.error.stack or ""):
            complaints.append(f"{event.error.message}: {event.error.stack}")

    def say(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            complaints.append(message.text)

    context.on("request", ask)
    context.on("response", answer)
    context.on("weberror", fail)
    context.on("console", say)


def inner(page: Page) -> FrameLocator:
    """The page inside Airflow's UI."""
    return page.frame_locator("iframe")


def ready(view: View) -> None:
    view.locator("html[data-ready=true]").wait_for(state="attached")


def asked(url: str) -> dict[str, str]:
    """The query of an address, or of its hash."""
    parts = urlsplit(url)
    return {name: values[-1] for name, values in parse_qs(parts.query or parts.fragment).items()}


def wait_for_query(page: Page, /, **wanted: str | None) -> None:
    # Not `until`: what `page.url` says is renewed only while Playwright itself is waiting.
    page.wait_for_url(
        lambda url: all(asked(url).get(name) == value for name, value in wanted.items()),
        wait_until="commit",
        timeout=10_000,
    )


def fact(view: View | Locator, name: str) -> Locator:
    """The value beside a name."""
    return view.locator(f'dt:text-is("{name}") + dd')


def coverage(page: Page) -> dict[str, str]:
    """What the heat map shows of each day."""
    shown: dict[str, str] = page.get_by_test_id("heatmap").evaluate(
        "({ chart }) => Object.fromEntries(chart.getOption().series.filter(({ type }) => type === 'heatmap')"
        ".flatMap(({ data }) => data).map(({ day }) => day))"
    )
    return shown


def pixel(page: Page, day: str) -> tuple[float, float]:
    """Where a day is in the window."""
    x, y = page.get_by_test_id("heatmap").evaluate(
        """({ chart }, day) => {
            const years = chart.getOption().calendar.map(({ range }) => range[0].slice(0, 4));
            const calendarIndex = years.indexOf(day.slice(0, 4));
            const [x, y] = chart.convertToPixel({ calendarIndex }, day);
            const box = chart.getDom().getBoundingClientRect();
            return [box.left + x, box.top + y];
        }""",
        day,
    )
    return x, y


def rows(view: View) -> Locator:
    return view.get_by_test_id("list").locator("tbody tr")


def dates_of(view: View) -> list[str]:
    return [text[:10] for text in rows(view).locator("th").all_inner_texts()]


def number(locator: Locator) -> int:
    return int(locator.inner_text().replace(",", ""))


def listed(view: View, status: str) -> int:
    """The figure on a card."""
    return number(view.get_by_test_id(f"card-{status}").locator("b"))


def look_again(page: Page) -> None:
    """As when the browser is back on the network: the page asks at once."""
    page.evaluate("dispatchEvent(new Event('online'))")


LOST = "The database refuses: connection is lost."
