// One NPC: how it stands with those it knows, over time, and what it keeps of each.
import { h, fill, count, when, link, to, badge, empty, command } from "../dom.js";
import { api } from "../api.js";
import { standings, bars } from "../charts.js";
import { noted } from "../app.js";

const TONE = { warm: "good", friendly: "good", cool: "alert", cold: "bad" };

export async function show(page, { id, query, alive }) {
  const [npc, reputation] = await Promise.all([api.get("/npcs/" + id), api.get(`/npcs/${id}/reputation`)]);
  let chosen = query.get("learner") || (npc.relations[0] && npc.relations[0].learner) || "";
  const memory = h("section", { class: "card", "aria-live": "polite" });
  const chart = h("div", {});
  const table = h("div", {});

  function drawChart(items) {
    const told = items.filter((one) => one.points.length).slice(0, 8);
    fill(chart, told.length ? standings(told.map((one) => ({ name: one.learner, points: one.points })), { open: (point) => { location.hash = to.at(point.session, point.sequence); } })
      : empty("No move yet", "A standing moves when a learner is heard: by its tone, its manners, the task it does."));
  }
  function drawTable(relations) {
    fill(table, relations.length ? h("table", { class: "plain pick" },
      h("thead", {}, h("tr", {}, ["learner", "standing", "mood", "turns", "frictions", "memories", "met"].map((name, n) => h("th", { scope: "col", class: n === 1 || (n > 2 && n < 6) ? "num" : "" }, name)))),
      h("tbody", {}, relations.map((one) => h("tr", { class: one.learner === chosen ? "chosen" : "" },
        h("th", { scope: "row" }, h("button", { type: "button", class: "linkish", "aria-pressed": String(one.learner === chosen), onclick: () => { chosen = one.learner; noted({ learner: chosen }); drawTable(relations); drawMemory(relations); } }, one.learner)),
        h("td", { class: "num" }, one.standing.toFixed(2), " ", badge(one.band, TONE[one.band])),
        h("td", {}, one.mood), h("td", { class: "num" }, count(one.interactions)), h("td", { class: "num" }, count(one.friction)),
        h("td", { class: "num" }, count(one.memories.length)), h("td", {}, when(one.last_at))))))
      : empty("Nobody yet", `No learner has met ${id}.`, command(`holodeck chat --persona barcelona-cafe --npc ${id} --learner ana`)));
  }
  function drawMemory(relations) {
    const one = relations.find((relation) => relation.learner === chosen);
    if (!one) { fill(memory, h("h2", {}, "Memories"), h("p", { class: "muted" }, "Choose a learner to see what is kept of it.")); return; }
    fill(memory, h("div", { class: "row" }, h("h2", {}, "What it keeps of ", link(to.learner(one.learner), one.learner)), h("span", { class: "push" }, badge(one.mood), " ", badge(one.band, TONE[one.band]))),
      h("h3", {}, "Memories"),
      one.memories.length ? h("ol", { class: "feed" }, one.memories.map((memory_) => h("li", {}, h("p", {}, memory_.content),
        h("div", { class: "small muted" }, when(memory_.at), " · importance ", memory_.importance.toFixed(2), " · ", memory_.valence > 0.05 ? "pleasant" : memory_.valence < -0.05 ? "unpleasant" : "neither way",
          memory_.session ? [" · ", link(to.session(memory_.session), memory_.session)] : null)))) : h("p", { class: "muted" }, "None yet: one is kept when a conversation ends."),
      h("h3", {}, "Facts"),
      one.facts.length ? bars(one.facts.slice(0, 12).map((fact) => ({ label: fact.fact, value: fact.confidence })), { most: 1, format: (v) => Math.round(v * 100) + " %" }) : h("p", { class: "muted" }, "None: facts come from what the learner says of itself."),
      one.incidents.length ? [h("h3", {}, "Incidents"), h("ul", { class: "feed" }, one.incidents.map((two) => h("li", {}, badge(two.resolved ? "put right" : "open", two.resolved ? "good" : "bad"), " ", two.description || two.incident, " ", when(two.at))))] : null);
  }
  fill(page,
    h("div", { class: "head" }, h("h1", {}, npc.name || npc.id), h("code", { class: "id" }, npc.id), npc.role ? h("span", { class: "muted" }, npc.role) : null),
    npc.personality ? h("p", {}, npc.personality) : null,
    h("dl", { class: "facts" }, [
      ["knows", `${count(npc.known)} learners`], ["heard", `${count(npc.turns)} turns`], ["parted", npc.partings === 1 ? "once" : `${count(npc.partings)} times`], ["last", when(npc.last_at)],
      ["in sessions now", npc.sessions.length ? link("#/sessions?q=" + encodeURIComponent(npc.id), count(npc.sessions.length)) : "none"], ["patience", npc.patience.toFixed(2)], ["tier", npc.tier],
    ].map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
    npc.traits ? h("section", { class: "card" }, h("h2", {}, "Traits"), bars(Object.entries(npc.traits).filter(([, v]) => typeof v === "number").map(([label, value]) => ({ label: label.replaceAll("_", " "), value })), { most: 1, format: (v) => v.toFixed(2) })) : null,
    h("section", { class: "card" }, h("h2", {}, "Standing over time"), chart),
    h("div", { class: "split" }, h("section", { class: "card" }, h("h2", {}, "Relations"), table), memory));
  drawChart(reputation.items);
  drawTable(npc.relations);
  drawMemory(npc.relations);
  let mark = JSON.stringify([npc.relations, reputation.items.map((one) => one.points.length)]);
  const timer = setInterval(async () => {
    if (document.hidden || chart.contains(document.activeElement) || chart.matches(":hover")) return;
    const [fresh, moved] = await Promise.all([api.get("/npcs/" + id), api.get(`/npcs/${id}/reputation`)]).catch(() => [null, null]);
    if (!fresh || !alive()) return;
    const now = JSON.stringify([fresh.relations, moved.items.map((one) => one.points.length)]);
    if (now === mark) return;
    mark = now;
    drawChart(moved.items);
    drawTable(fresh.relations);
    drawMemory(fresh.relations);
  }, 4000);
  return () => clearInterval(timer);
}
