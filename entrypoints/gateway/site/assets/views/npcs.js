// Everybody who can be met or given a task.
import { h, fill, text, count, link, to, command, empty, badge } from "../dom.js";
import { api } from "../api.js";
import { VirtualList, cell, column } from "../list.js";
import { noted } from "../app.js";

export async function show(page, { query, alive }) {
  let q = query.get("q") || "";
  const total = h("span", { class: "muted num", role: "status" }, "");
  const search = h("input", { type: "search", id: "q", value: q, placeholder: "name of an NPC or agent", autocomplete: "off", spellcheck: "false" });
  const list = new VirtualList({
    label: "NPCs and agents", height: 40,
    columns: [column("id", "name"), column("kind", "is"), column("num sessions", "in sessions now"), column("num load", "open tasks"), column("tags", "can")],
    load: (cursor, limit) => api.get("/npcs", { q, cursor: cursor || null, limit }),
    row: (one, node) => node.append(cell("id", link(to.npc(one.id), one.id)), cell("kind", badge(one.agent ? "agent" : "npc")),
      cell("num sessions", one.sessions ? link("#/sessions?q=" + encodeURIComponent(one.id), count(one.sessions)) : h("span", { class: "muted" }, "0")),
      cell("num load", count(one.load)), cell("tags muted", one.capabilities.join(", ") || "–")),
    empty: () => q ? empty("Nobody of that name", "Names are ids: letters, digits, - and _.") : empty("Nobody was met yet",
      "An NPC is there once a learner speaks to it, an agent once it is registered:", command("holodeck chat --persona barcelona-cafe"), command("holodeck fleet register waiter-1 -c wait")),
  });
  const put = () => text(total, list.total === null ? "" : count(list.total));
  let typing = 0;
  search.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(async () => { q = search.value.trim(); noted({ q }); list.none.replaceChildren(); await list.reset(); put(); }, 150); });
  fill(page, h("div", { class: "head" }, h("h1", {}, "NPCs and agents"), total),
    h("div", { class: "toolbar" }, h("div", { class: "searchbox" }, h("label", { class: "unseen", for: "q" }, "Search NPCs"), search)), list.node);
  list.node.classList.add("npclist");
  await list.reset();
  put();
  const timer = setInterval(() => { if (!document.hidden && alive()) list.refresh().then(put, () => {}); }, 5000);
  return () => { clearInterval(timer); clearTimeout(typing); list.close(); };
}
