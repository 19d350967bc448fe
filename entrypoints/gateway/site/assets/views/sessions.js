// All sessions the hosts carry: searched, chosen, sorted; ten thousand as smoothly as ten.
import { h, fill, text, count, when, link, to, status, command, empty } from "../dom.js";
import { api } from "../api.js";
import { VirtualList, cell, column } from "../list.js";
import { noted } from "../app.js";

const STATUSES = ["active", "paused", "completed", "abandoned"];
const KINDS = ["conversation", "practice", "agent"];

export async function show(page, { query, alive }) {
  const wanted = { q: query.get("q") || "", status: query.get("status") || "", kind: query.get("kind") || "", learner: query.get("learner") || "", sort: query.get("sort") || "-started" };
  const total = h("span", { class: "muted num", role: "status" }, "");
  const search = h("input", { type: "search", id: "q", value: wanted.q, placeholder: "id, learner, name, NPC, tag…", autocomplete: "off", spellcheck: "false", maxlength: 200 });
  const narrow = matchMedia("(max-width: 760px)");
  const list = new VirtualList({
    label: "Sessions", height: narrow.matches ? 64 : 40, columns: [],
    load: (cursor, limit) => api.get("/sessions", { ...wanted, cursor: cursor || null, limit }),
    row: (one, node) => node.append(
      cell("status", status(one.status, one.asleep)),
      cell("id", link(to.session(one.id), one.id)),
      cell("name", one.name || h("span", { class: "muted" }, "–")),
      cell("learner", one.learner ? link(to.learner(one.learner), one.learner) : h("span", { class: "muted" }, "–")),
      cell("kind", one.parent ? "rehearsal" : one.kind || ""),
      cell("npc", one.npc ? link(to.npc(one.npc), one.npc) : h("span", { class: "muted" }, "–")),
      cell("turns num", count(one.turns)),
      cell("last", when(one.last_at || one.started_at)),
      cell("host muted", one.host)),
    empty: () => (wanted.q || wanted.status || wanted.kind || wanted.learner
      ? empty("Nothing matches", "No session the hosts carry has all of that. Ended and archived ones can be opened by their id.",
        /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(wanted.q) ? h("p", {}, link(to.session(wanted.q), `Open session ${wanted.q}`)) : null,
        h("button", { type: "button", class: "quiet", onclick: clear }, "Show all"))
      : empty("No session lives yet", "Talk with an NPC, or practise:", command("holodeck chat --persona barcelona-cafe --learner ana"), command("holodeck play --learner pupil"))),
  });
  function heads() {
    const chosen = (sort) => { wanted.sort = sort; change(); };
    fill(list.head,
      column("status", "status", { sort: "status", current: wanted.sort, chosen }),
      column("id", "session", { sort: "id", current: wanted.sort, chosen }),
      column("name", "name"),
      column("learner", "learner", { sort: "learner", current: wanted.sort, chosen }),
      column("kind", "kind", { sort: "kind", current: wanted.sort, chosen }),
      column("npc", "npc"),
      column("turns num", "turns", { sort: "turns", current: wanted.sort, chosen }),
      column("last", "last", { sort: "last", current: wanted.sort, chosen }),
      column("host", "host", { sort: "host", current: wanted.sort, chosen }));
  }
  const chips = (names, field) => h("div", { class: "chips", role: "group", "aria-label": field }, names.map((name) => {
    const on = () => wanted[field].split(",").includes(name);
    const chip = h("button", { type: "button", class: "chip", "aria-pressed": String(on()), onclick: () => {
      const held = new Set(wanted[field].split(",").filter(Boolean));
      if (held.has(name)) held.delete(name); else held.add(name);
      wanted[field] = [...held].join(",");
      chip.setAttribute("aria-pressed", String(held.has(name)));
      change();
    } }, name);
    return chip;
  }));
  const learnerChip = h("span", {});
  function naming() {
    fill(learnerChip, wanted.learner ? h("button", { type: "button", class: "chip", "aria-pressed": "true", onclick: () => { wanted.learner = ""; change(); } }, `learner ${wanted.learner} ✕`) : null);
  }
  function clear() {
    Object.assign(wanted, { q: "", status: "", kind: "", learner: "" });
    search.value = "";
    for (const chip of page.querySelectorAll(".chip")) chip.setAttribute("aria-pressed", "false");
    change();
  }
  function count_() {
    text(total, list.total === null ? "" : wanted.q || wanted.status || wanted.kind || wanted.learner ? `${count(list.total)} match` : count(list.total));
  }
  async function change() {
    noted({ ...wanted, sort: wanted.sort === "-started" ? "" : wanted.sort });
    heads();
    naming();
    list.none.replaceChildren();
    await list.reset();
    count_();
  }
  let typing = 0;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => { wanted.q = search.value.trim(); change(); }, 150);
  });
  search.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") { event.preventDefault(); list.node.querySelector(".vrow a")?.focus(); }
  });
  fill(page,
    h("div", { class: "head" }, h("h1", {}, "Sessions"), total),
    h("div", { class: "toolbar" },
      h("div", { class: "searchbox" }, h("label", { class: "unseen", for: "q" }, "Search sessions"), search),
      chips(STATUSES, "status"), chips(KINDS, "kind"), learnerChip),
    list.node);
  heads();
  naming();
  await list.reset();
  count_();
  const timer = setInterval(async () => {
    if (document.hidden || !alive()) return;
    await list.refresh().catch(() => {});
    count_();
  }, 2000);
  const resize = () => { list.height = narrow.matches ? 64 : 40; list.rows.forEach((node) => node.remove()); list.rows.clear(); list.draw(); };
  narrow.addEventListener("change", resize);
  return () => { clearInterval(timer); clearTimeout(typing); narrow.removeEventListener("change", resize); list.close(); };
}
