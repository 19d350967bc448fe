// One session: every checkpoint as a card, the state at any of them, and what an operator can do.
import { h, s, fill, text, count, when, moment, clock, link, to, status, badge, empty, toast, ask } from "../dom.js";
import { api, stream, Problem } from "../api.js";
import { each, operates } from "../live.js";
import { VirtualList } from "../list.js";
import { noted } from "../app.js";

const CARD = 62;

/** A state as flat lines: path → value. */
export function flat(value, path = "", out = new Map()) {
  if (Array.isArray(value)) {
    if (!value.length) out.set(path, "none");
    else if (value.every((one) => one && one.npc && Object.values(one).every((v) => v === one.npc || (Array.isArray(v) && !v.length)))) out.set(path, value.map((one) => one.npc).join(", "));
    else if (value.every((one) => one === null || typeof one !== "object")) out.set(path, value.join(", "));
    else value.forEach((one, n) => flat(one, `${path}[${n}]`, out));
  } else if (value && typeof value === "object") {
    const names = Object.keys(value);
    if (!names.length && path) out.set(path, "none");
    for (const name of names) flat(value[name], path ? path + "." + name : name, out);
  } else out.set(path, value === null || value === "" ? "none" : typeof value === "number" && !Number.isInteger(value) ? String(Math.round(value * 1e4) / 1e4) : String(value));
  return out;
}

/** What changed from one flat state to the next: {path, before, after}. */
export function changes(before, after) {
  const found = [];
  for (const [path, value] of after) if (before.get(path) !== value) found.push({ path, before: before.get(path), after: value });
  for (const [path, value] of before) if (!after.has(path)) found.push({ path, before: value, after: undefined });
  return found;
}

// Bookkeeping of the runtime, changed by every checkpoint: told below, not on top.
const QUIET = new Set(["touched", "touched_at", "heard_at", "weight", "awaiting_seq", "answered", "started_seq", "voided", "claim"]);
const TIMES = /(_at|_since|^at|\.at|since)$/;
const human = (path) => path.replace(/_ms$/, "").replaceAll("_", " ");
const shown = (path, value) => {
  if (value === undefined) return "nothing";
  if (TIMES.test(path) && /^\d{13}$/.test(value)) return moment(new Date(Number(value)).toISOString());
  return value.length > 140 ? value.slice(0, 139) + "…" : value;
};

export async function show(page, { id, query, alive }) {
  let session = await api.get("/sessions/" + id);
  const cards = [];
  const states = new Map();
  let chosen = -1;
  let following = !query.get("at");
  let turn = 0;

  // --- the head ---
  const head = h("div", { class: "sessionhead" });
  const facts = h("dl", { class: "facts" });
  const tools = h("div", { class: "row tools" });
  async function act(words, deed) {
    try { await deed(); toast(words); await Promise.all([again(), more()]); }
    catch (error) { toast(error instanceof Problem ? error.message : "It did not work", "bad"); }
  }
  function drawHead() {
    fill(head, h("div", {}, h("h1", {}, session.name || session.id), h("div", { class: "row" }, h("code", { class: "id" }, session.id), status(session.status, false),
      session.parent ? badge("rehearsal", "alert") : badge(session.kind),
      session.parent ? h("span", {}, "of ", link(to.session(session.parent), session.parent)) : null)));
    const rows = [
      ["learner", session.learner ? link(to.learner(session.learner), session.learner) : "–"],
      ["world", session.world || session.persona || "–"],
      ["turns", `${count(session.turns)}, ${count(session.replies)} replies`],
      ["begun", when(session.started_at)],
      ["last", when(session.last_at)],
      ["with", (session.cast || []).length ? session.cast.slice(0, 4).flatMap((npc, n) => [n ? ", " : "", link(to.npc(npc), npc)]).concat(session.cast.length > 4 ? ` and ${session.cast.length - 4} more` : "") : session.npc ? link(to.npc(session.npc), session.npc) : "–"],
      ["friction", Object.entries(session.frictions || {}).map(([name, n]) => `${name} ${n}`).join(", ") || "none"],
    ];
    if (session.outcome) rows.push(["outcome", `${session.outcome}, ${session.end_reason || ""}`]);
    fill(facts, rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
    const over = session.status === "completed" || session.status === "abandoned";
    fill(tools, operates() ? [
      session.status === "active" ? h("button", { type: "button", onclick: () => act("Paused", () => api.post(`/sessions/${id}/pause`, { reason: "operator" })) }, "Pause") : null,
      session.status === "paused" ? h("button", { type: "button", class: "primary", onclick: () => act("It goes on", () => api.post(`/sessions/${id}/resume`, {})) }, "Resume") : null,
      over ? null : h("button", { type: "button", onclick: async () => {
        const given = await ask({ title: "Send a note", words: "It becomes a checkpoint of the session, and whoever plays sees it.", fields: [{ name: "text", label: "Note", long: true, required: true, max: 2000 }], action: "Send" });
        if (given && given.text.trim()) await act("Noted", () => api.post(`/sessions/${id}/notes`, { text: given.text.trim() }));
      } }, "Send a note"),
      over ? null : h("button", { type: "button", class: "danger", onclick: async () => {
        const given = await ask({ title: "End this session?", words: "It cannot be resumed. What it came to is kept.", fields: [{ name: "outcome", label: "Outcome", options: [["cancelled", "cancelled"], ["success", "success"], ["failed", "failed"]] }], action: "End it", tone: "danger" });
        if (given) await act("Ended", () => api.post(`/sessions/${id}/end`, { outcome: given.outcome }));
      } }, "End"),
    ] : null);
  }

  // --- the timeline ---
  const counted = h("span", { class: "muted num" }, "");
  const list = new VirtualList({
    label: "Checkpoints", height: CARD, key: (card) => card.sequence,
    load: async (cursor, limit) => ({ items: cards.slice(cursor, cursor + limit), total: cards.length }),
    row: (card, node, index) => {
      node.classList.toggle("chosen", index === chosen);
      node.append(h("div", { role: "cell", class: "cardcell" }, h("button", {
        type: "button", class: "cardline " + card.tone, "aria-current": index === chosen ? "true" : null, tabindex: index === chosen ? 0 : -1,
        onclick: () => pick(index), onfocus: () => { if (chosen !== index) pick(index, false); },
      }, h("span", { class: "tick", "aria-hidden": "true" }), h("span", { class: "what" }, h("strong", {}, card.title), card.events.length > 1 ? h("span", { class: "muted" }, ` +${card.events.length - 1}`) : null, h("span", { class: "words" }, card.text)),
        h("span", { class: "meta muted num" }, h("span", {}, "#" + card.sequence), h("span", {}, clock(card.at))))));
    },
    empty: () => empty("No checkpoint", "Nothing was stored for this session yet."),
  });
  list.node.classList.add("cards");
  const slider = h("input", { type: "range", min: 0, max: 0, value: 0, step: 1, id: "scrub", "aria-label": "Checkpoint" });
  const ticks = h("div", { class: "ticks", "aria-hidden": "true" });
  const at = h("output", { class: "num", for: "scrub" }, "");
  const follow = h("button", { type: "button", class: "chip", "aria-pressed": String(following), onclick: () => { following = !following; follow.setAttribute("aria-pressed", String(following)); if (following) pick(cards.length - 1); } }, "Follow");
  slider.addEventListener("input", () => pick(Number(slider.value)));

  function drawTicks() {
    const width = 600, n = cards.length;
    fill(ticks, s("svg", { viewBox: `0 0 ${width} 18`, preserveAspectRatio: "none" }, cards.slice(-1200).map((card, index, kept) =>
      s("rect", { class: card.tone, x: kept.length < 2 ? 0 : (index / (kept.length - 1)) * (width - 2), width: Math.max(1, Math.min(4, width / kept.length - 0.5)), y: card.tone === "neutral" ? 8 : 2, height: card.tone === "neutral" ? 10 : 16 }))));
    slider.max = String(Math.max(0, n - 1));
    text(counted, `${count(n)} checkpoints`);
  }

  // --- the state ---
  const detail = h("div", { class: "detail" });
  const panel = h("section", { class: "card statecard", "aria-label": "State at this checkpoint" }, detail);

  async function stateAt(sequence) {
    let held = states.get(sequence);
    if (!held) {
      held = api.get(`/sessions/${id}/state`, { at: sequence }).then((told) => told.state);
      states.set(sequence, held);
      held.catch(() => states.delete(sequence));
      if (states.size > 400) states.delete(states.keys().next().value);
    }
    return held;
  }
  let picking = 0;
  function pick(index, focus = true) {
    if (!cards.length) return;
    index = Math.max(0, Math.min(cards.length - 1, index));
    chosen = index;
    if (index !== cards.length - 1 && following) { following = false; follow.setAttribute("aria-pressed", "false"); }
    slider.value = String(index);
    const card = cards[index];
    slider.setAttribute("aria-valuetext", `${card.title}, ${clock(card.at)}, checkpoint ${index + 1} of ${cards.length}`);
    text(at, `${index + 1} / ${cards.length}`);
    for (const [n, node] of list.rows) {
      node.classList.toggle("chosen", n === index);
      const button = node.querySelector("button");
      if (button) { button.tabIndex = n === index ? 0 : -1; if (n === index) button.setAttribute("aria-current", "true"); else button.removeAttribute("aria-current"); }
    }
    list.show(index);
    if (!following) noted({ at: card.sequence });
    clearTimeout(picking);
    picking = setTimeout(() => drawState(index), 80);
  }
  async function drawState(index) {
    const mine = (turn += 1);
    const card = cards[index];
    let now, before;
    try {
      [now, before] = await Promise.all([stateAt(card.sequence), index ? stateAt(cards[index - 1].sequence) : Promise.resolve({})]);
    } catch (error) {
      if (mine === turn) fill(detail, h("p", { class: "problem" }, String(error.message || error)));
      return;
    }
    if (mine !== turn || !alive()) return;
    const flatNow = flat(now);
    const moved = changes(flat(before), flatNow);
    const changed = new Map(moved.map((one) => [one.path, one]));
    const loud = index ? moved.filter((one) => !QUIET.has(one.path)) : [];
    const open = detail.querySelector("details.whole")?.open;
    fill(detail,
      h("div", { class: "row" }, h("h2", {}, card.title), h("span", { class: "push muted num" }, `#${card.sequence} · ${moment(card.at)}`)),
      operates() ? h("button", { type: "button", class: "primary fork", onclick: () => fork(card) }, "Fork from here") : null,
      h("ol", { class: "events" }, card.events.map((event) => h("li", { class: event.tone }, h("span", { class: "label" }, event.label), h("div", {}, h("strong", {}, event.title), event.text ? h("p", {}, event.text) : null,
        h("details", {}, h("summary", {}, "fields"), pairs(flat(event.fields))))))),
      h("h3", {}, index ? "What it changed" : "Where it begins"),
      loud.length ? h("ul", { class: "diff" }, loud.slice(0, 40).map((one) => h("li", {}, h("span", { class: "path" }, human(one.path)),
        h("span", { class: "num" }, one.before === undefined ? null : h("del", {}, shown(one.path, one.before)), one.before === undefined ? null : " → ", h("ins", {}, shown(one.path, one.after))))),
        loud.length > 40 ? h("li", { class: "muted" }, `and ${loud.length - 40} more below`) : null)
        : h("p", { class: "muted" }, index ? "Nothing but the runtime's own bookkeeping." : "The state below is what it began with."),
      h("details", { class: "whole", open: open !== undefined ? open : true }, h("summary", {}, "The whole state here"), grouped(flatNow, changed, index > 0)));
    detail.dataset.sequence = String(card.sequence);
  }
  function pairs(lines, changed = new Map(), marks = false) {
    return h("dl", { class: "pairs" }, [...lines].map(([path, value]) => h("div", { class: marks && changed.has(path) ? "changed" : "", data: { path } }, h("dt", {}, human(path)), h("dd", { class: "num" }, shown(path, value)))));
  }
  /** By what it belongs to; what is empty and was so before is left out. */
  function grouped(lines, changed, marks) {
    const groups = new Map([["", new Map()]]);
    for (const [path, value] of lines) {
      if (["none", "0", "false"].includes(value) && !(marks && changed.has(path))) continue;
      const [, group, rest] = /^([^.[]+)[.](.*)$/.exec(path) || [null, "", path];
      (groups.get(group) || groups.set(group, new Map()).get(group)).set(path, [rest, value]);
    }
    return [...groups].filter(([, held]) => held.size).map(([group, held]) => [group ? h("h4", {}, human(group)) : null,
      h("dl", { class: "pairs" }, [...held].map(([path, [rest, value]]) => h("div", { class: marks && changed.has(path) ? "changed" : "", data: { path } }, h("dt", {}, human(rest)), h("dd", { class: "num" }, shown(path, value)))))]);
  }
  async function fork(card) {
    try {
      const made = await api.post(`/sessions/${id}/fork`, { at: card.sequence });
      toast("A rehearsal begins: it touches no NPC and no learner");
      location.hash = to.session(made.id);
    } catch (error) { toast(error.message, "bad"); }
  }

  // --- what comes ---
  let asking = null, once = false, drawn = 0, later = 0;
  async function load() {
    do {
      once = false;
      let after = cards.length ? cards[cards.length - 1].sequence : 0;
      let added = 0;
      for (;;) {
        const told = await api.get(`/sessions/${id}/timeline`, { after, limit: 500 });
        cards.push(...told.items);
        added += told.items.length;
        if (told.next === null) break;
        after = told.next;
      }
      if (!alive()) return;
      if (added) {
        list.total = cards.length;
        for (let n = 0; n * 200 < cards.length; n += 1) list.chunks.set(n, cards.slice(n * 200, n * 200 + 200));
        list.draw();
        drawTicks();
        if (following) pick(cards.length - 1);
        else text(at, `${chosen + 1} / ${cards.length}`);
        if (Date.now() - drawn > 2000) again().catch(() => {});
        else { clearTimeout(later); later = setTimeout(() => { if (alive()) again().catch(() => {}); }, 2000); }
      }
    } while (once);
  }
  /** Takes what is new; asked while it asks, it asks once more. */
  function more() {
    if (asking) { once = true; return asking; }
    asking = load().finally(() => { asking = null; });
    return asking;
  }
  async function again() {
    drawn = Date.now();
    session = await api.get("/sessions/" + id);
    if (alive()) drawHead();
  }

  fill(page, head, facts, tools,
    h("div", { class: "split session" },
      h("section", { class: "card timeline", "aria-label": "Timeline" },
        h("div", { class: "row" }, h("h2", {}, "Timeline"), counted, h("span", { class: "push" }, follow)),
        list.node,
        h("div", { class: "scrubber" }, ticks, slider, h("div", { class: "row small" }, h("label", { for: "scrub", class: "muted" }, "Drag, or use the arrow keys"), h("span", { class: "push" }, at)))),
      panel));
  drawHead();
  await load();
  const asked = Number(query.get("at"));
  // The row heights are known only once the page is in the document.
  requestAnimationFrame(() => {
    if (!cards.length) return;
    const index = asked ? Math.max(0, cards.findIndex((card) => card.sequence >= asked)) : cards.length - 1;
    list.draw();
    pick(index);
  });
  // However much happens, it is asked twice a second at most: the door counts calls.
  let waiting = 0, streaming = false, last = 0;
  const endStream = stream(`/sessions/${id}/events`, () => {
    if (waiting) return;
    waiting = setTimeout(() => { waiting = 0; last = Date.now(); if (!document.hidden) more().catch(() => {}); }, Math.max(60, last + 500 - Date.now()));
  }, (up) => { if (up && !streaming) more().catch(() => {}); streaming = up; });
  let beats = 0;
  const endEach = each(() => { beats += 1; if (!streaming || beats % 10 === 0) more().catch(() => {}); });
  return () => { endStream(); endEach(); clearTimeout(waiting); clearTimeout(picking); clearTimeout(later); list.close(); };
}
