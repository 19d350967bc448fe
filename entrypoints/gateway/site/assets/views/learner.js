// One learner: how it comes on, what it has mastered, what it struggles with, what it will be told.
import { h, fill, count, when, link, to, status, badge, command } from "../dom.js";
import { api, Problem } from "../api.js";
import { bars, columns, days, skillMap } from "../charts.js";
import { state } from "../live.js";
import { noted } from "../app.js";

const TREND = { increasing: ["rising", "bad"], decreasing: ["falling", "good"], stable: ["steady", ""] };

const own = () => h("p", { class: "muted" }, "This is the learner's own: it shows to the learner, and to whom the learner lets see it.");

/** A part of the page that may be refused: says so, and the rest stays. */
async function part(path, draw) {
  // Readers and operators are strangers to a learner's own things: there is nothing to ask for.
  if (!state.me.local && !state.me.learner) return own();
  try { return await draw(await api.get(path)); }
  catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status === 403) return own();
    if (error.status === 404) return h("p", { class: "muted" }, "There is nothing of this here.");
    return h("p", { class: "problem" }, error.message);
  }
}
const percent = (share) => Math.round(share * 100) + " %";
const iso = (value) => (typeof value === "number" ? new Date(value).toISOString() : value);
const minutes = (value) => (value < 10 ? value.toFixed(1) : count(value)) + " min";

function progressed(told, charts) {
  const facts = [
    ["streak", `${count(told.current_streak_days)} ${told.current_streak_days === 1 ? "day" : "days"}`], ["longest", `${count(told.longest_streak_days)} ${told.longest_streak_days === 1 ? "day" : "days"}`],
    ["sessions", count(told.total_sessions)], ["today", minutes(told.total_session_time_today || 0)], ["in all", minutes(told.total_minutes || 0)],
    ["goes", told.progress_trend], ["momentum", percent(told.therapeutic_momentum)], ["ready for more", percent(told.readiness_for_advancement)],
    ["mostly plays", told.preferred_session_time], ["works best", told.most_effective_approach && told.most_effective_approach.replaceAll("_", " ")],
    ["next session", told.next_recommended_session ? when(iso(told.next_recommended_session)) : null],
  ].filter(([, value]) => value !== null && value !== undefined);
  const listed = (title, items, draw) => (items && items.length ? [h("h3", {}, title), h("ul", { class: "feed" }, items.slice(0, 5).map((one) => h("li", {}, draw(one))))] : null);
  return h("div", {},
    h("dl", { class: "facts" }, facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", { class: "num" }, value)))),
    charts ? [h("h3", {}, `Minutes a day, last ${charts.days} days`), days(charts.buckets, charts.minutes, { label: `Minutes a day, ${charts.buckets[0]} to ${charts.buckets[charts.buckets.length - 1]}: ${minutes(charts.minutes.reduce((a, b) => a + b, 0))} in all`, format: minutes })] : null,
    told.welcome ? h("p", {}, typeof told.welcome === "string" ? told.welcome : told.welcome.text || "") : null,
    told.upcoming_milestones && told.upcoming_milestones.length ? [h("h3", {}, "Milestones ahead"), bars(told.upcoming_milestones.slice(0, 5).map((one) => ({ label: one.title, value: one.progress, one })), { most: 1, format: (v, row) => `${count(row.one.reached)} of ${count(row.one.threshold)}` })] : null,
    listed("Reached", told.progress_highlights, (one) => [h("strong", {}, one.title || one.description), one.at || one.reached_at ? [" ", when(iso(one.at || one.reached_at))] : null]),
    listed("Recommended", told.recommendations, (one) => [h("strong", {}, one.title), h("p", {}, one.description), one.reasoning ? h("p", { class: "small muted" }, "because ", one.reasoning) : null]));
}

function struggled(told) {
  const [word, tone] = TREND[told.trend] || [told.trend, ""];
  return h("div", {},
    h("p", {}, "Friction a minute is ", badge(word, tone), told.dominant.length ? [", mostly ", h("strong", {}, told.dominant.slice(0, 2).join(" and "))] : null),
    told.rates.length ? columns(told.rates, { label: `Friction a minute over ${told.rates.length} sessions, now ${told.rates[told.rates.length - 1].toFixed(2)}` }) : null,
    told.totals.length ? bars(told.totals.map((one) => ({ label: one.type, value: one.count, class: "bad" })), { format: (v) => count(v) })
      : h("p", { class: "muted" }, "No friction was ever found. Turns are looked at where a session has an analyst, or a client tells of it."),
    told.rules.length ? [h("h3", {}, "Rules of its own grammar"), bars(told.rules.slice(0, 8).map((rule) => ({ label: rule.form, value: rule.confidence })), { most: 1, format: percent })] : null,
    told.points.length ? [h("h3", {}, "Newest"), h("ol", { class: "feed" }, told.points.slice(0, 6).map((one) => h("li", {}, badge(one.type, "bad"), " ", one.form || one.said || "", " ", h("span", { class: "muted num" }, one.severity.toFixed(2)), " ", when(one.at), " ", link(to.session(one.session), one.session))))] : null);
}

function waits(told) {
  if (!told.on) return h("p", {}, "The learner wants nothing said between sessions.");
  return h("div", {},
    told.waiting.length ? h("ol", { class: "feed" }, told.waiting.slice(0, 10).map((one) => h("li", {}, h("div", { class: "row" }, h("strong", {}, one.content.title), badge(one.type), h("span", { class: "push" }, when(one.due))), h("p", {}, one.content.body), h("div", { class: "small muted" }, "from ", one.sender.name, ", goes ", when(one.expires)))))
      : h("p", { class: "muted" }, "Nothing waits. What a session leaves open is spoken of some days later."),
    told.lesson ? [h("h3", {}, "The lesson that waits"), h("p", {}, `${told.lesson.format.replaceAll("-", " ")}, ${(told.lesson.units || []).length} units, from `, link(to.session(told.lesson.source_session_id), told.lesson.source_session_id))] : null,
    told.delivered.length ? [h("h3", {}, "Said"), h("ul", { class: "feed" }, told.delivered.slice(0, 6).map((one) => h("li", { class: "line" }, one.id, " ", badge(one.answer || "no answer", one.answer === "engaged" ? "good" : ""), h("span", { class: "push" }, when(one.at)))))] : null);
}

export async function show(page, { id, query, alive }) {
  const progress = h("div", {}), friction = h("div", {}), triggers = h("div", {}), sessions = h("div", {}), map = h("div", {});
  const skill = h("div", { class: "skilldetail", "aria-live": "polite" });
  const name = h("h1", {}, id);
  let curriculum = query.get("curriculum") || "";

  function mapped(told) {
    const tally = {};
    told.skills.forEach((one) => { tally[one.state] = (tally[one.state] || 0) + 1; });
    const choice = told.practised.length > 1 ? h("label", {}, "Curriculum ", h("select", { onchange: (event) => { curriculum = event.target.value; noted({ curriculum }); drawMap(); } }, told.practised.map((one) => h("option", { value: one, selected: one === told.curriculum }, one)))) : null;
    return h("div", {}, h("div", { class: "row" }, h("p", {}, h("strong", {}, told.name), `: ${tally.mastered || 0} of ${told.skills.length} mastered, ${tally.learning || 0} being learned, ${tally.rusty || 0} rusty`, told.answers ? `; ${count(told.right)} of ${count(told.answers)} answers right` : ""), choice),
      told.due.length ? h("p", {}, badge("due", "alert"), " ", told.due.slice(0, 5).join(", ")) : null,
      told.answers || told.practised.length ? null : h("div", { class: "hint" }, h("span", { class: "muted" }, "Nothing was practised yet. Begin with: "), command(`holodeck play --learner ${id}`)),
      skillMap(told, { chosen: (one) => fill(skill, h("strong", {}, one.name), " ", badge(one.state), h("span", { class: "muted" }, ` grade ${one.grade}` + (one.total ? `, ${one.right} of ${one.total} right` : ", never asked")), one.last_at ? [" ", when(one.last_at)] : null, one.needs.length ? h("span", { class: "muted" }, ` · needs ${one.needs.join(", ")}`) : null) }), skill);
  }
  async function drawMap() {
    const node = await part(`/players/${id}/mastery` + (curriculum ? "?curriculum=" + encodeURIComponent(curriculum) : ""), mapped);
    if (alive()) fill(map, node);
  }
  async function drawSessions() {
    if (state.me.learner) {
      const mine = await part(`/players/${id}/sessions?limit=12`, (told) => (told.items.length ? h("ol", { class: "feed" }, told.items.map((one) => h("li", { class: "line" }, status(one.status, false), link(to.session(one.session_id), one.world_name || one.session_id), h("span", { class: "muted" }, " ", one.kind), h("span", { class: "push" }, when(one.started_at))))) : h("p", { class: "muted" }, "None yet.")));
      if (alive()) fill(sessions, mine);
      return;
    }
    const told = await api.get("/sessions", { learner: id, limit: 12 });
    fill(sessions, told.items.length ? h("ol", { class: "feed" }, told.items.map((one) => h("li", { class: "line" }, status(one.status, one.asleep), link(to.session(one.id), one.name || one.id), h("span", { class: "muted" }, " ", one.parent ? "rehearsal" : one.kind), h("span", { class: "push" }, when(one.started_at)))))
      : h("p", { class: "muted" }, "The hosts carry none now. ", "Begin one: ", command(`holodeck chat --persona barcelona-cafe --learner ${id}`)));
  }
  fill(page, h("div", { class: "head" }, name, h("span", { class: "muted" }, "learner")),
    h("div", { class: "split" },
      h("section", { class: "card" }, h("h2", {}, "Progress"), progress),
      h("section", { class: "card" }, h("h2", {}, "Sessions"), sessions)),
    h("section", { class: "card" }, h("h2", {}, "Mastery"), map),
    h("div", { class: "split" },
      h("section", { class: "card" }, h("h2", {}, "Friction"), friction),
      h("section", { class: "card" }, h("h2", {}, "Said next"), triggers)));
  const draw = async () => {
    const [a, b, c] = await Promise.all([
      part(`/players/${id}/dashboard`, async (told) => progressed(told, await api.get(`/players/${id}/progress/charts`, { days: 28 }).catch(() => null))),
      part(`/players/${id}/frictions`, struggled), part(`/players/${id}/triggers`, waits)]);
    if (!alive()) return;
    fill(progress, a); fill(friction, b); fill(triggers, c);
  };
  await Promise.all([draw(), drawMap(), drawSessions()]);
  const timer = setInterval(() => { if (!document.hidden && alive()) drawSessions().catch(() => {}); }, 5000);
  return () => clearInterval(timer);
}
