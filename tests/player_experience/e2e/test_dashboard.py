"""The dashboard in a browser, page by page, against a runtime that runs.

Debian's Chromium, by its path. Every test fails on a message of the console that is an error, and
on an exception nobody caught.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

import holodeck
from holodeck.config import load_settings
from holodeck.deck import Deck
from holodeck.entrypoints.gateway import Gateway, api, app, serve
from holodeck.entrypoints.gateway.access import Role
from holodeck.entrypoints.gateway.site import site
from holodeck.local import Local
from holodeck.messages.ids import partition_of
from holodeck.messages.session import CastMember
from holodeck.messages.subjects import COMMAND
from holodeck.up import DeckStatus
from tests.conftest import of_the_system
from tests.player_experience.e2e.looking import look

playwright = pytest.importorskip("playwright.async_api", reason="playwright is not installed")

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.integration,
    pytest.mark.nats,
    pytest.mark.timeout(240),
]

KEY: Final = b"a key for the tests, long enough to be one"
PATIENCE_MS: Final = 20_000
LINES: Final = (
    "Hola, buenos días. Quisiera un café, por favor.",
    "Me llamo Ana y soy de Berlín.",
    "I want the the café con leche",
    "¿Cuánto cuesta?",
)
SLY: Final = "<img src=x onerror=alert(1)><script>alert(2)</script>"


@dataclass
class Stage:
    """A runtime with its dashboard, and a browser before it.

    Attributes:
        url: of the dashboard.
    """

    local: Local
    deck: Deck
    gateway: Gateway
    url: str
    browser: Any
    faults: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def page(
        self, address: str = "", *, width: int = 1440, theme: str = "dark", url: str = ""
    ) -> AsyncIterator[Any]:
        """A page in a context of its own; what goes wrong in it is in :attr:`faults`."""
        context = await self.browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=theme,
            reduced_motion="reduce",
        )
        context.set_default_timeout(PATIENCE_MS)
        page = await context.new_page()
        faults: list[str] = []
        page.on(
            "console",
            lambda told: (
                faults.append(f"{told.type}: {told.text}")
                if told.type in ("error", "warning")
                else None
            ),
        )
        page.on("pageerror", lambda error: faults.append(f"uncaught: {error}"))
        page.on("dialog", lambda dialog: faults.append(f"a dialog: {dialog.message}"))
        await page.goto(f"{url or self.url}/{address}")
        try:
            yield page
            assert faults == [], faults
        finally:
            self.faults += faults
            await context.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    chromium = of_the_system("chromium")
    folder = tmp_path_factory.mktemp("dashboard")
    local = holodeck.Local(folder / "store", hosts=2, settings=load_settings(state_dir=folder))
    deck = await local.start()
    gateway = Gateway(lambda: deck, local.runtime_connection, local.layout, key=KEY)
    door = await serve(app(DeckStatus(deck), {"/api/v1": api(gateway), "/": site()}), guarded=True)
    driver = await playwright.async_playwright().start()
    browser = await driver.chromium.launch(
        executable_path=str(chromium), args=["--no-sandbox", "--disable-dev-shm-usage"]
    )
    try:
        await filled(deck)
        yield Stage(local, deck, gateway, door.url, browser)
    finally:
        await browser.close()
        await driver.stop()
        await door.stop()
        await gateway.close()
        await local.stop()


async def filled(deck: Deck) -> None:
    """Sessions of each kind, some that are over, a team with loops, and a sly name."""
    for n, learner in enumerate(("ana", "ben", "chloe")):
        session = await deck.start_session(
            learner=learner, name=f"Café, visit {n + 1}", persona="barcelona-cafe",
            analysis="offline", session=f"cafe-{n}", tags=["demo"], idle_timeout_s=0,
        )  # fmt: skip
        for line in LINES[: 2 + n]:
            await session.say(line, to="marta")
        await session.friction("lexical", 0.7, npc="marta", detail="the word for bill")
        await session.reputation("marta", 0.2 if n else -0.4, "manners")
        if n == 2:
            await session.end()
    await deck.start_practice("pupil", seed="1", session="maths")
    await deck.start_session(learner="sly", name=SLY, cast=["marta"], session="sly")
    pairs = [("a", "b"), ("b", "c"), ("a", "c"), ("c", "d"), ("a", "d"), ("b", "d")]
    for n, (one, two) in enumerate(pairs):
        team = await deck.start_session(
            learner=f"boss-{n}", kind="agent", name=f"Team {n}", session=f"team-{n}",
            cast=[
                CastMember(npc=one, capabilities=("x",)),
                CastMember(npc=two, capabilities=("y",)),
            ],
        )  # fmt: skip
        for want in ("x", "y"):
            task = await team.add_task(f"job-{n}-{want}", capabilities=[want])
            await team.route(task, start=True)
            await team.complete(task)
    await asyncio.gather(
        *(
            deck.start_session(
                learner=f"bot-{n}", kind="agent", session=f"crowd-{n:03d}", tags=["crowd"]
            )
            for n in range(400)
        )
    )


async def holds(ask: Callable[[], Awaitable[Any]], wanted: Callable[[Any], bool]) -> Any:
    """Asks until it is as wanted."""
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while not wanted(found := await ask()):
            await asyncio.sleep(0.1)
    return found


# --- the overview ----------------------------------------


async def test_the_overview_fills_and_its_counters_move(stage: Stage) -> None:
    async with stage.page() as page:
        live = page.locator("a.tile", has_text="Live sessions").locator(".value")
        await playwright.expect(live).to_have_text("410", timeout=PATIENCE_MS)
        rate = page.locator("a.tile", has_text="Commands a second").locator(".value")
        seen = set()
        session = stage.deck.session("cafe-1")
        for n in range(60):
            await session.friction("phonemic", 0.3, detail=f"sound {n}")
            seen.add(await rate.inner_text())
            if len(seen - {"–", "0"}) >= 2:
                break
            await asyncio.sleep(0.2)
        assert len(seen - {"–", "0"}) >= 2, seen
        await playwright.expect(page.get_by_text("3 loops among 4 agents").first).to_be_visible()
        before = await live.inner_text()
        await stage.deck.start_session(learner="late", kind="agent", session="late")
        await playwright.expect(live).to_have_text(str(int(before) + 1), timeout=PATIENCE_MS)
        await page.locator("a.tile", has_text="Live sessions").click()
        await playwright.expect(page.locator("h1")).to_have_text("Sessions")


# --- the list ----------------------------------------


async def test_sessions_are_searched_and_opened_with_the_keyboard_alone(stage: Stage) -> None:
    async with stage.page("#/sessions") as page:
        search = page.get_by_label("Search sessions")
        await search.focus()
        await page.keyboard.type("visit demo")
        await playwright.expect(page.locator(".head .num")).to_have_text("3 match")
        await playwright.expect(page.locator(".vrow")).to_have_count(3)
        assert "q=visit+demo" in page.url
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("ArrowDown")
        focused = await page.evaluate("document.activeElement.textContent")
        assert focused.startswith("cafe-")
        await page.keyboard.press("Enter")
        await playwright.expect(page.locator("h1")).to_contain_text("Café, visit")


async def test_a_list_of_hundreds_keeps_few_rows_and_reaches_its_end(stage: Stage) -> None:
    async with stage.page("#/sessions?sort=id") as page:
        await playwright.expect(page.locator(".vrow").first).to_contain_text("cafe-0")
        scroller = page.locator(".scroller")
        for share in (0.3, 0.6, 1.0):
            await scroller.evaluate(
                "(box, at) => { box.scrollTop = box.scrollHeight * at; }", share
            )
            await page.wait_for_timeout(150)
            assert await page.locator(".vrow").count() < 60
        await playwright.expect(page.locator(".vrow", has_text="team-5")).to_be_visible()
        await page.get_by_role("button", name="session").click()
        await playwright.expect(page.locator(".vrow").first).to_contain_text("team-5")


async def test_what_matches_nothing_says_what_to_do(stage: Stage) -> None:
    async with stage.page("#/sessions?q=nobody-here") as page:
        await playwright.expect(page.get_by_text("Nothing matches")).to_be_visible()
        await playwright.expect(page.get_by_text("Open session nobody-here")).to_be_visible()
        await page.get_by_role("button", name="Show all").click()
        await playwright.expect(page.locator(".vrow").first).to_be_visible()


async def test_a_sly_name_is_text(stage: Stage) -> None:
    async with stage.page("#/sessions/sly") as page:
        await playwright.expect(page.locator("h1")).to_have_text(SLY)
        assert await page.locator("h1 img, main script").count() == 0


# --- one session ----------------------------------------


async def test_scrubbing_shows_the_state_at_each_checkpoint(stage: Stage) -> None:
    session = stage.deck.session("cafe-2")
    steps = [step async for step in session.replay()]
    async with stage.page("#/sessions/cafe-2") as page:
        slider = page.get_by_role("slider", name="Checkpoint")
        await playwright.expect(slider).to_have_attribute("max", str(len(steps) - 1))
        detail = page.locator(".detail")
        for index in range(0, len(steps), 2):
            await slider.evaluate(
                "(node, at) => { node.value = at; node.dispatchEvent(new Event('input')); }", index
            )
            sequence = steps[index].sequence
            await playwright.expect(detail).to_have_attribute("data-sequence", str(sequence))
            state = await session.state(at=sequence)
            for path, value in (
                ("phase", state.phase.value),
                ("turns", str(state.turns)),
                ("replies", str(state.replies)),
                *((f"frictions.{kind}", str(count)) for kind, count in state.frictions.items()),
            ):
                shown = detail.locator(f'[data-path="{path}"] dd')
                if value == "0":  # left out where it neither was nor is anything
                    texts = await shown.all_inner_texts()
                    assert texts in ([], ["0"])
                else:
                    await playwright.expect(shown.last).to_have_text(value)
        taken = next(s for s in steps[1:] if any(e.kind == "turn.taken" for e in s.events))
        at = steps.index(taken)
        await slider.evaluate(
            "(node, at) => { node.value = at; node.dispatchEvent(new Event('input')); }", at
        )
        await playwright.expect(detail).to_have_attribute("data-sequence", str(taken.sequence))
        changed = detail.locator('.changed[data-path="turns"]')
        await playwright.expect(changed).to_be_visible()
        await playwright.expect(detail.locator(".diff")).to_contain_text("turns")
        await slider.focus()
        await page.keyboard.press("ArrowRight")
        following = steps[at + 1].sequence
        await playwright.expect(detail).to_have_attribute("data-sequence", str(following))
        assert f"at={following}" in page.url


async def test_a_card_can_be_linked_to(stage: Stage) -> None:
    steps = [step async for step in stage.deck.session("cafe-2").replay()]
    async with stage.page(f"#/sessions/cafe-2?at={steps[3].sequence}") as page:
        detail = page.locator(".detail")
        await playwright.expect(detail).to_have_attribute("data-sequence", str(steps[3].sequence))


async def test_a_fork_leads_to_the_rehearsals_own_page(stage: Stage) -> None:
    session = stage.deck.session("cafe-2")
    steps = [step async for step in session.replay()]
    async with stage.page(f"#/sessions/cafe-2?at={steps[4].sequence}") as page:
        await page.get_by_role("button", name="Fork from here").click()
        await playwright.expect(page.get_by_text("rehearsal").first).to_be_visible()
        await playwright.expect(page.locator(".sessionhead a")).to_have_text("cafe-2")
        child = page.url.rpartition("/")[2].partition("?")[0]
        state = await stage.deck.session(child).state()
        assert (state.parent, state.parent_sequence) == ("cafe-2", steps[4].sequence)
        assert state.turns == (await session.state(at=steps[4].sequence)).turns


async def test_new_checkpoints_come_by_themselves(stage: Stage) -> None:
    session = stage.deck.session("cafe-1")
    async with stage.page("#/sessions/cafe-1") as page:
        await playwright.expect(page.locator(".cardline").first).to_be_visible()
        await session.friction("cultural", 0.9, detail="came while looked at")
        await playwright.expect(page.get_by_text("came while looked at").first).to_be_visible()
        chosen = page.locator(".vrow.chosen")
        await playwright.expect(chosen).to_contain_text("Cultural friction")


async def test_an_operator_pauses_resumes_notes_and_ends(stage: Stage) -> None:
    session = await stage.deck.start_session(learner="olga", cast=["marta"], session="led")
    async with stage.page("#/sessions/led") as page:
        await page.get_by_role("button", name="Pause").click()
        await holds(session.state, lambda state: state.phase == "paused")
        await page.get_by_role("button", name="Resume").click()
        await holds(session.state, lambda state: state.phase == "active")
        await page.get_by_role("button", name="Send a note").click()
        await page.get_by_role("textbox", name="Note").fill("Slow down a little")
        await page.get_by_role("button", name="Send", exact=True).click()
        await playwright.expect(page.locator(".timeline")).to_contain_text("Note")
        noted = [e async for s in session.replay() for e in s.events if e.kind == "session.noted"]
        assert [event.text for event in noted] == ["Slow down a little"]
        await page.get_by_role("button", name="End", exact=True).click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Outcome").select_option("success")
        await dialog.get_by_role("button", name="End it").click()
        state = await holds(session.state, lambda state: state.phase == "ended")
        assert state.outcome == "success"
        await playwright.expect(page.locator(".sessionhead")).to_contain_text("completed")


# --- NPCs, learners, the fleet ----------------------------------------


async def test_an_npcs_chart_can_be_walked_with_the_keyboard(stage: Stage) -> None:
    async with stage.page("#/npcs/marta") as page:
        chart = page.locator("svg.chart")
        await playwright.expect(chart).to_be_visible()
        await chart.focus()
        await page.keyboard.press("ArrowRight")
        tip = page.locator(".tip")
        await playwright.expect(tip).to_be_visible()
        first = await tip.inner_text()
        await page.keyboard.press("ArrowRight")
        assert await tip.inner_text() != first
        assert await page.locator("figure .unseen").inner_text()
        await chart.hover(position={"x": 300, "y": 60})
        row = page.get_by_role("button", name="chloe")
        await row.click()
        await playwright.expect(page.get_by_text("What it keeps of chloe")).to_be_visible()
        standing = (await stage.deck.npc("marta").brief("chloe")).relation.reputation
        relation = page.locator("table.pick tr", has_text="chloe")
        await playwright.expect(relation).to_contain_text(f"{standing:.2f}")
        await page.locator("summary", has_text="As a table").click()
        await playwright.expect(page.locator("figure table")).to_be_visible()


async def test_a_learner_shows_progress_mastery_friction_and_what_comes(stage: Stage) -> None:
    async with stage.page("#/learners/pupil") as page:
        skill = page.locator("g.skill").first
        await playwright.expect(skill).to_be_visible()
        assert await page.locator("g.skill").count() == 32
        await skill.focus()
        await page.keyboard.press("Enter")
        await playwright.expect(page.locator(".skilldetail")).to_contain_text("grade")
        await playwright.expect(page.get_by_text("Milestones ahead")).to_be_visible()
    async with stage.page("#/learners/chloe") as page:
        card = page.locator(".card", has=page.get_by_role("heading", name="Friction"))
        await playwright.expect(card).to_contain_text("lexical")
        await playwright.expect(page.get_by_role("heading", name="Said next")).to_be_visible()
    async with stage.page("#/learners") as page:
        await page.get_by_label("Search learners").fill("chlo")
        await playwright.expect(page.locator(".vrow")).to_have_count(1)
        await page.get_by_role("link", name="chloe").click()
        await playwright.expect(page.locator("h1")).to_have_text("chloe")


async def test_the_fleet_names_loops_and_over_braced_groups(stage: Stage) -> None:
    async with stage.page("#/fleet") as page:
        graph = page.locator("svg.graph")
        await playwright.expect(graph).to_be_visible()
        assert await graph.locator("line").count() == 6
        assert await graph.locator("g.agent.braced").count() == 4
        await playwright.expect(page.get_by_text("3 loops (β₁ = 3)")).to_be_visible()
        await playwright.expect(page.get_by_text("1 tie more than it needs")).to_be_visible()
        agent = graph.locator("g.agent").first
        name = str(await agent.get_attribute("aria-label")).partition(",")[0]
        assert name in "abcd"
        await agent.focus()
        await page.keyboard.press("Enter")
        await playwright.expect(page.locator("h1")).to_have_text(name)


# --- the operator's page ----------------------------------------


async def test_letters_are_sent_back_and_thrown_away_and_a_host_is_drained(stage: Stage) -> None:
    broker = await stage.gateway.runtime()
    partition = partition_of("cafe-1", stage.deck.partitions)
    for data in (b"\xc1 one", b"\xc1 two"):
        broker.post(COMMAND.of(stage.deck.ns, partition, "session", "cafe-1"), data)
    async with stage.page("#/operator") as page:
        letters = page.locator(".letters > li")
        await playwright.expect(letters).to_have_count(2)
        await letters.first.get_by_text("What it says").click()
        await playwright.expect(letters.first.locator("pre")).to_contain_text("two")
        await letters.nth(1).get_by_role("button", name="Redeliver").click()
        await playwright.expect(page.locator("#toasts")).to_contain_text("It went back: contract")
        newest = page.locator('.letters > li[data-sequence="3"]')
        await playwright.expect(newest).to_be_visible()
        for left in (1, 0):
            await letters.first.get_by_role("button", name="Throw away").click()
            await page.get_by_role("button", name="Throw it away").click()
            await playwright.expect(letters).to_have_count(left)
        await playwright.expect(page.get_by_text("No dead letter")).to_be_visible()
        host = page.get_by_role("article", name="host-1")
        await host.get_by_role("button", name="Drain").click()
        await page.get_by_role("button", name="Drain it").click()
        await playwright.expect(host).to_contain_text("0 of 64")
        await playwright.expect(host).to_contain_text("draining")
        await host.get_by_role("button", name="Let it take again").click()
        await playwright.expect(host).to_contain_text("32 of 64")


# --- tokens, looks ----------------------------------------


async def test_a_door_that_asks_is_entered_with_a_token(stage: Stage) -> None:
    gateway = Gateway(
        lambda: stage.deck, stage.local.runtime_connection, stage.local.layout, key=KEY,
        token="the-operators-own-token", required=True,
    )  # fmt: skip
    door = await serve(
        app(DeckStatus(stage.deck), {"/api/v1": api(gateway), "/": site()}),
        token="the-operators-own-token", guarded=True,
    )  # fmt: skip
    try:
        context = await stage.browser.new_context()
        page = await context.new_page()
        await page.goto(door.url)
        await playwright.expect(page.locator("h1")).to_have_text("A token, please")
        await page.get_by_label("Bearer token").fill("a-wrong-one")
        await page.keyboard.press("Enter")
        await playwright.expect(page.get_by_role("alert")).to_contain_text("not good")
        await page.get_by_label("Bearer token").fill("the-operators-own-token")
        await page.keyboard.press("Enter")
        await playwright.expect(page.locator("h1")).to_have_text("Overview")
        await playwright.expect(page.locator(".lineword")).to_have_text("live")
        assert "the-operators-own-token" not in page.url
        await page.reload()
        await playwright.expect(page.locator("h1")).to_have_text("Overview")
        await page.goto(f"{door.url}/#/learners/chloe")
        await playwright.expect(page.get_by_text("learner's own").first).to_be_visible()
        await page.get_by_role("button", name="Forget token").click()
        await playwright.expect(page.locator("h1")).to_have_text("A token, please")
        await context.close()
    finally:
        await door.stop()
        await gateway.close()


async def test_a_learner_sees_its_own_and_no_more(stage: Stage) -> None:
    gateway = Gateway(
        lambda: stage.deck, stage.local.runtime_connection, stage.local.layout, key=KEY,
        token="the-operators-own-token", required=True,
    )  # fmt: skip
    door = await serve(
        app(DeckStatus(stage.deck), {"/api/v1": api(gateway), "/": site()}),
        token="the-operators-own-token", guarded=True,
    )  # fmt: skip
    token = gateway.access.mint(Role.LEARNER, "chloe", 1.0).token
    try:
        async with stage.page("healthz", url=door.url) as page:
            await page.evaluate("(token) => sessionStorage.setItem('holodeck-token', token)", token)
            await page.goto(f"{door.url}/")
            await playwright.expect(page.locator("h1")).to_have_text("chloe")
            await playwright.expect(page.locator("nav a:visible")).to_have_count(1)
            await playwright.expect(page.locator("g.skill").first).to_be_visible()
            card = page.locator(".card", has=page.get_by_role("heading", name="Friction"))
            await playwright.expect(card).to_contain_text("lexical")
            await page.locator(".feed a[href^='#/sessions/']").first.click()
            await playwright.expect(page.locator(".cardline").first).to_be_visible()
            assert await page.get_by_role("button", name="Fork from here").count() == 0
            assert await page.get_by_role("button", name="Pause").count() == 0
    finally:
        await door.stop()
        await gateway.close()


PAGES: Final = {
    "overview": "#/overview",
    "sessions": "#/sessions",
    "session": "#/sessions/cafe-2",
    "npcs": "#/npcs",
    "npc": "#/npcs/marta",
    "learners": "#/learners",
    "learner": "#/learners/chloe",
    "pupil": "#/learners/pupil",
    "fleet": "#/fleet",
    "operator": "#/operator",
    "empty": "#/sessions?q=nobody-here",
}


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("theme", ["dark", "light"])
async def test_every_page_has_names_landmarks_and_contrast(
    stage: Stage, theme: str, width: int, tmp_path: Path
) -> None:
    async with stage.page(theme=theme, width=width) as page:
        for name, address in PAGES.items():
            await page.goto(f"{stage.url}/{address}")
            await playwright.expect(page.locator("main h1")).to_be_visible()
            await page.wait_for_timeout(350)
            assert await look(page) >= 3.0
            await page.screenshot(path=tmp_path / f"{name}-{width}-{theme}.png")


async def test_colours_follow_the_switch_and_are_kept(stage: Stage) -> None:
    async with stage.page(theme="dark") as page:
        switch = page.get_by_role("button", name="Colours")
        ground = "getComputedStyle(document.body.parentElement).backgroundColor"
        dark = await page.evaluate(ground)
        await switch.click()
        assert await page.evaluate(ground) != dark
        await page.reload()
        await playwright.expect(page.locator("main h1")).to_be_visible()
        assert await page.evaluate(ground) != dark
        await playwright.expect(switch).to_have_attribute("aria-label", "Colours: light. Change")


async def test_what_has_the_focus_can_be_seen(stage: Stage) -> None:
    async with stage.page("#/sessions") as page:
        await playwright.expect(page.locator(".vrow").first).to_be_visible()
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.textContent") == "Skip to content"
        for _ in range(14):
            await page.keyboard.press("Tab")
            found = await page.evaluate(
                "(() => { const s = getComputedStyle(document.activeElement);"
                " return [document.activeElement.tagName, s.outlineStyle, s.outlineWidth]; })()"
            )
            assert found[0] != "BODY"
            assert found[1] != "none", found


async def test_a_strange_address_and_a_session_that_is_none(stage: Stage) -> None:
    async with stage.page("#/nowhere") as page:
        await playwright.expect(page.locator("h1")).to_have_text("Nothing here")
    context = await stage.browser.new_context()
    page = await context.new_page()
    await page.goto(f"{stage.url}/#/sessions/no-such-session")
    await playwright.expect(page.locator("h1")).to_have_text("Not found")
    await context.close()
