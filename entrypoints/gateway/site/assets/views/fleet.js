// The fleet: who works with whom, how the team is braced, where it has begun to close loops.
import { h, fill, count, when, link, to, badge, command, empty } from "../dom.js";
import { api } from "../api.js";
import { graph } from "../charts.js";

/** A component in words. */
function described(part) {
  const loops = part.h1 === 0 ? "no loop: every tie carries something alone" : part.h1 === 1 ? "one loop (β₁ = 1)" : `${part.h1} loops (β₁ = ${part.h1})`;
  const brace = part.vertices < 2 ? "one agent alone" : part.redundant ? `over-braced: ${part.redundant} ${part.redundant === 1 ? "tie" : "ties"} more than it needs` : part.rigid ? "rigid, nothing to spare" : `flexible, ${part.dof} ${part.dof === 1 ? "tie" : "ties"} short of rigid`;
  return [loops, brace];
}

export async function show(page, { alive }) {
  const figures = h("section", { class: "tiles", "aria-label": "Figures" });
  const drawing = h("div", { class: "graphbox" });
  const parts = h("div", {}), alerts = h("ol", { class: "feed" }), agents = h("div", {}), advice = h("div", {});
  fill(page, h("div", { class: "head" }, h("h1", {}, "Fleet")), figures,
    h("div", { class: "split wide" },
      h("section", { class: "card" }, h("h2", {}, "Who worked with whom"), drawing),
      h("div", { class: "stack" }, h("section", { class: "card" }, h("h2", {}, "Components"), parts), h("section", { class: "card" }, h("h2", {}, "Emergence alerts"), alerts))),
    h("div", { class: "split" }, h("section", { class: "card" }, h("h2", {}, "Agents"), agents), h("section", { class: "card" }, h("h2", {}, "Advice"), advice)));
  const seen = {};
  const once = (name, value, draw) => { const mark = JSON.stringify(value); if (seen[name] !== mark) { seen[name] = mark; draw(); } };
  async function draw() {
    const [fleet, ties, who, told] = await Promise.all([api.get("/fleet"), api.get("/fleet/graph", { limit: 1000 }), api.get("/fleet/agents", { limit: 200 }), api.get("/fleet/advice")]);
    if (!alive()) return;
    once("figures", [fleet.agents, fleet.registered, fleet.tasks, fleet.routed, fleet.completed, fleet.h1, fleet.component_count, fleet.description, fleet.emergence, fleet.edges], () => {
      const tile = (title, value, small, tone = "") => h("div", { class: "tile " + tone }, h("span", { class: "title" }, title), h("span", { class: "value num" }, value), h("span", { class: "small muted" }, small));
      fill(figures,
        tile("Agents", count(fleet.agents), `${count(fleet.registered)} registered`), tile("Open tasks", count(fleet.tasks), `${count(fleet.routed)} routed, ${count(fleet.completed)} done`),
        tile("Loops, β₁", count(fleet.h1), `${count(fleet.edges)} ties among ${count(fleet.vertices)}`), tile("Groups", count(fleet.component_count), "that share nobody"),
        tile("The team is", fleet.description, fleet.overbraced ? `${fleet.overbraced} over-braced ${fleet.overbraced === 1 ? "group" : "groups"}` : "no over-braced group", fleet.overbraced ? "alert" : ""),
        tile("Emergence", fleet.emergence ? "yes" : "no", fleet.margin === null ? "too small to say" : `margin ${fleet.margin}`, fleet.emergence ? "alert" : ""));
    });
    const real = fleet.components.filter((part) => part.vertices > 1);
    once("graph", [ties.edges.map(([a, b]) => [a, b]), real], () => {
      fill(drawing, ties.edges.length ? [graph(ties.edges, real, { chosen: (name) => { location.hash = to.npc(name); } }),
        h("p", { class: "small muted" }, ties.left_out ? `The newest ${ties.edges.length} ties; ${ties.left_out} older ones are left out. ` : "", "A ring marks members of an over-braced group. Each agent leads to its page.")]
        : empty("No tie yet", "Two agents are tied when they do tasks of one session. Have some do so:", command("holodeck session start --learner lead --kind agent")));
      fill(parts, real.length ? h("ul", { class: "feed" }, real.slice(0, 12).map((part, n) => {
        const [loops, brace] = described(part);
        return h("li", {}, h("div", { class: "row" }, h("span", { class: "swatch s" + (n % 8), "aria-hidden": "true" }), h("strong", {}, `${part.vertices} agents, ${part.edges} ties`), part.emergence ? badge("emergence", "alert") : null), h("p", {}, loops + "; " + brace + "."),
          h("p", { class: "small muted" }, part.members.slice(0, 8).flatMap((name, k) => [k ? ", " : "", link(to.npc(name), name)]), part.members.length > 8 ? ` and ${part.vertices - 8} more` : ""),
          part.over_braced.length ? h("p", { class: "small" }, badge("over-braced", "alert"), " ", part.over_braced.map((group) => group.join(", ")).join("; ")) : null);
      })) : h("p", { class: "muted" }, "Everybody works alone."));
    });
    once("alerts", fleet.alerts, () => fill(alerts, fleet.alerts.length ? fleet.alerts.slice(0, 12).map((one) => h("li", {}, when(one.at), " ", link(to.at(one.session, one.sequence), one.session), h("p", {}, one.text)))
      : h("li", {}, h("p", { class: "muted" }, "None. One is raised when a group has more loops than agents less two."))));
    once("agents", who.items.slice(0, 40), () => fill(agents, who.items.length ? h("table", { class: "plain" }, h("thead", {}, h("tr", {}, ["agent", "open", "routed", "done", "ties", "can"].map((name, n) => h("th", { scope: "col", class: n && n < 5 ? "num" : "" }, name)))),
      h("tbody", {}, who.items.slice(0, 40).map((one) => h("tr", {}, h("th", { scope: "row" }, link(to.npc(one.agent), one.agent)), h("td", { class: "num" }, count(one.load) + (one.max_load ? ` / ${one.max_load}` : "")), h("td", { class: "num" }, count(one.routed)), h("td", { class: "num" }, count(one.done)), h("td", { class: "num" }, count(one.links)), h("td", { class: "muted" }, one.capabilities.join(", "))))))
      : empty("No agent", "Register one:", command("holodeck fleet register waiter-1 -c wait"))));
    once("advice", told, () => {
      const synthesis = told.synthesis || told.open, say = told.advice;
      const lines = [];
      for (const one of (synthesis && synthesis.conflicts) || []) lines.push(h("li", {}, badge(String(one.kind).replaceAll("-", " "), "bad"), h("p", {}, one.detail)));
      for (const one of (synthesis && synthesis.complements) || []) lines.push(h("li", {}, badge(String(one.kind).replaceAll("-", " "), "good"), h("p", {}, one.detail)));
      for (const one of (say && (say.items || say.advice || say.recommendations)) || []) lines.push(h("li", {}, badge("advice"), h("p", {}, one.detail || one.text || one.reason || String(one.kind || ""))));
      fill(advice, lines.length ? [h("p", { class: "muted small" }, told.synthesis ? "From the last window of work." : "From the window that is still open."), h("ul", { class: "feed" }, lines.slice(0, 12))] : h("p", { class: "muted" }, "No window of work has shown a conflict or a complement yet. Nothing obeys advice by itself."));
    });
  }
  await draw();
  const timer = setInterval(() => { if (!document.hidden && alive()) draw().catch(() => {}); }, 3000);
  return () => clearInterval(timer);
}
