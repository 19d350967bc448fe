// Everybody who ever had a session.
import { h, fill, text, count, link, to, command, empty } from "../dom.js";
import { api } from "../api.js";
import { VirtualList, cell, column } from "../list.js";
import { noted } from "../app.js";

export async function show(page, { query, alive }) {
  let q = query.get("q") || "";
  const total = h("span", { class: "muted num", role: "status" }, "");
  const search = h("input", { type: "search", id: "q", value: q, placeholder: "id of a learner", autocomplete: "off", spellcheck: "false" });
  const list = new VirtualList({
    label: "Learners", height: 40,
    columns: [column("id", "learner"), column("num sessions", "live sessions"), column("name", "active in")],
    load: (cursor, limit) => api.get("/learners", { q, cursor: cursor || null, limit }),
    row: (one, node) => node.append(cell("id", link(to.learner(one.id), one.id)),
      cell("num sessions", one.sessions ? link("#/sessions?learner=" + encodeURIComponent(one.id), count(one.sessions)) : h("span", { class: "muted" }, "0")),
      cell("name", one.active ? link(to.session(one.active), one.active) : h("span", { class: "muted" }, "–"))),
    empty: () => q ? empty("Nobody of that id", "Ids are letters, digits, - and _.") : empty("No learner yet", "One is there once it begins a session:", command("holodeck chat --persona barcelona-cafe --learner ana"), command("holodeck play --learner ana")),
  });
  list.node.classList.add("learnerlist");
  const put = () => text(total, list.total === null ? "" : count(list.total));
  let typing = 0;
  search.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(async () => { q = search.value.trim(); noted({ q }); list.none.replaceChildren(); await list.reset(); put(); }, 150); });
  fill(page, h("div", { class: "head" }, h("h1", {}, "Learners"), total),
    h("div", { class: "toolbar" }, h("div", { class: "searchbox" }, h("label", { class: "unseen", for: "q" }, "Search learners"), search)), list.node);
  await list.reset();
  put();
  const timer = setInterval(() => { if (!document.hidden && alive()) list.refresh().then(put, () => {}); }, 5000);
  return () => { clearInterval(timer); clearTimeout(typing); list.close(); };
}
