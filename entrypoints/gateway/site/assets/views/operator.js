// What an operator looks after: hosts, dead letters, the stores beside.
import { h, fill, count, bytes, when, badge, command, empty, toast, ask } from "../dom.js";
import { api, Problem } from "../api.js";
import { each, operates } from "../live.js";

export async function show(page, { query, alive }) {
  const hosts = h("div", {}), letters = h("div", {}), stores = h("div", {}), journal = h("div", {});
  const counted = h("span", { class: "muted num" }, "");
  const opened = new Set();
  async function act(words, deed, then) {
    try { const told = await deed(); toast(typeof words === "function" ? words(told) : words); }
    catch (error) { toast(error instanceof Problem ? error.message : "It did not work", "bad"); }
    await then();
  }
  async function drawHosts() {
    const told = await api.get("/hosts");
    if (!alive()) return;
    const mark = JSON.stringify(told.items.map((one) => [one.host, one.incarnation, one.partitions, one.awake, one.asleep, one.lag, one.draining, one.answers, one.lease]));
    if (hosts.dataset.mark === mark) return;
    hosts.dataset.mark = mark;
    fill(hosts, told.items.length ? told.items.map((host) => {
      const held = new Set(host.partitions || []);
      return h("article", { class: "hostcard" + (query.get("host") === host.host ? " chosen" : ""), "aria-label": host.host },
        h("div", { class: "row" }, h("h3", {}, host.host), badge(!host.answers ? "silent" : host.draining ? "draining" : "serving", !host.answers ? "bad" : host.draining ? "alert" : "good"),
          h("span", { class: "muted small" }, host.incarnation, host.node ? " on " + host.node : "", ` · pid ${host.pid}`),
          operates() ? h("span", { class: "push" }, host.draining
            ? h("button", { type: "button", onclick: () => act(`${host.host} takes again`, () => api.post(`/hosts/${host.incarnation}/undrain`), drawHosts) }, "Let it take again")
            : h("button", { type: "button", onclick: async () => {
              const sure = await ask({ title: `Drain ${host.host}?`, words: "Its partitions move to the other hosts, session by session; nobody notices. Then it can be stopped.", action: "Drain it" });
              if (sure) await act(`${host.host} is being drained`, () => api.post(`/hosts/${host.incarnation}/drain`), drawHosts);
            } }, "Drain")) : null),
        h("div", { class: "partitions", role: "img", "aria-label": `holds ${held.size} of ${told.partitions} partitions` }, Array.from({ length: told.partitions }, (_, n) => h("i", { class: held.has(n) ? "held" : "", title: `partition ${n}` }))),
        h("dl", { class: "facts" }, [["partitions", `${held.size} of ${told.partitions}`], ["awake", count(host.awake)], ["asleep", count(host.asleep)], ["folds", count(host.folds)], ["behind", count(host.lag)], ["gaps", count(host.gaps)], ["lease", host.lease ? "valid" : "none"]].map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", { class: "num" }, value)))));
    }) : empty("No host", "Start one:", command("holodeck up --hosts 2")));
  }
  async function drawLetters() {
    let told;
    try { told = await api.get("/dead-letters", { limit: 200 }); }
    catch (error) { fill(letters, h("p", { class: "muted" }, error instanceof Problem && error.status === 403 ? "Dead letters are for operators." : String(error.message))); return; }
    if (!alive()) return;
    counted.textContent = told.total ? count(told.total) : "";
    const mark = JSON.stringify(told.items);
    if (letters.dataset.mark === mark) return;
    letters.dataset.mark = mark;
    fill(letters, told.items.length ? h("ul", { class: "letters" }, told.items.map((one) => {
      const whole = h("details", { open: opened.has(one.sequence), ontoggle: (event) => { if (event.target.open) opened.add(one.sequence); else opened.delete(one.sequence); } },
        h("summary", {}, "What it says"), h("pre", { tabindex: 0, "aria-label": "content of letter " + one.sequence }, one.preview || "(empty)"));
      return h("li", { data: { sequence: one.sequence } },
        h("div", { class: "row" }, h("span", { class: "num" }, "#" + one.sequence), badge(one.stream), badge(one.reason, "bad"), h("code", { class: "subject" }, one.subject), h("span", { class: "push muted" }, bytes(one.size), " ", when(one.at))),
        h("p", {}, one.detail || "No reason was kept."), whole,
        operates() ? h("div", { class: "row" },
          one.redeliverable ? h("button", { type: "button", class: "primary", onclick: () => act((done) => done.status === "ok" ? "It was taken" : `It went back: ${done.status} ${done.detail}`, () => api.post(`/dead-letters/${one.sequence}/redeliver`), drawLetters) }, "Redeliver")
            : h("span", { class: "muted small" }, "It stands in its stream still; a second one would count twice."),
          h("button", { type: "button", class: "danger", onclick: async () => {
            const sure = await ask({ title: "Throw this letter away?", words: "Its bytes are overwritten. It cannot be sent back then.", action: "Throw it away", tone: "danger" });
            if (sure) await act("Thrown away", () => api.remove(`/dead-letters/${one.sequence}`), drawLetters);
          } }, "Throw away")) : null);
    })) : empty("No dead letter", "Whatever could be read was read. A message nobody can process is put aside here, with the reason, and can be sent back once that is mended."));
  }
  async function drawStores() {
    const told = await api.get("/projections");
    if (!alive()) return;
    const mark = JSON.stringify(told.items);
    if (stores.dataset.mark === mark && stores.firstChild) return;
    stores.dataset.mark = mark;
    fill(stores, told.items.length ? h("table", { class: "plain" }, h("thead", {}, h("tr", {}, ["projection", "store", "position", "behind", "state", ""].map((name, n) => h("th", { scope: "col", class: n === 2 || n === 3 ? "num" : "" }, name)))),
      h("tbody", {}, told.items.map((one) => h("tr", {}, h("th", { scope: "row" }, one.name), h("td", {}, one.store), h("td", { class: "num" }, count(one.position), " / ", count(one.end)), h("td", { class: "num" }, count(one.lag)), h("td", {}, badge(one.state || "", one.last_error ? "bad" : "good"), one.last_error ? h("p", { class: "small" }, one.last_error) : null),
        h("td", {}, operates() ? h("button", { type: "button", onclick: async () => {
          const sure = await ask({ title: `Rebuild ${one.name}?`, words: "Its own keys are removed and filled anew from the journal. Nobody else notices.", action: "Rebuild" });
          if (sure) await act("It is being rebuilt", () => api.post(`/projections/${one.name}/rebuild`), drawStores);
        } }, "Rebuild") : null)))))
      : empty("No projection", "The truth stays here; what others shall read can be carried into Redis or a property graph:", command("HOLODECK_REDIS_URL=redis://127.0.0.1:6379 holodeck up"), command("HOLODECK_GRAPH=embedded holodeck up")));
  }
  function drawJournal(told) {
    const rows = Object.entries(told.store.streams);
    const mark = JSON.stringify(rows);
    if (journal.dataset.mark === mark) return;
    journal.dataset.mark = mark;
    fill(journal, h("dl", { class: "facts" }, rows.map(([name, size]) => h("div", {}, h("dt", {}, name), h("dd", { class: "num" }, bytes(size))))),
      told.tiles ? h("p", { class: "muted" }, `Tiles: emitter at ${count(told.tiles.position)}, ${count(told.tiles.lag)} behind` + Object.entries(told.tiles.sinks || {}).map(([name, at]) => `; sink ${name} at ${count(at)}`).join("")) : null);
  }
  fill(page, h("div", { class: "head" }, h("h1", {}, "Operator"), operates() ? null : h("span", { class: "badge" }, "reading only")),
    h("section", { class: "card" }, h("h2", {}, "Hosts"), hosts),
    h("section", { class: "card", id: "letters" }, h("div", { class: "row" }, h("h2", {}, "Dead letters"), counted), letters),
    h("div", { class: "split" }, h("section", { class: "card" }, h("h2", {}, "Projections"), stores), h("section", { class: "card" }, h("h2", {}, "Streams"), journal)));
  await Promise.all([drawHosts(), drawLetters(), drawStores()]);
  let beats = 0;
  const end = each((told) => {
    drawJournal(told);
    beats += 1;
    drawHosts().catch(() => {});
    if (beats % 3 === 0) { drawLetters().catch(() => {}); drawStores().catch(() => {}); }
  });
  if (query.get("at") === "letters") requestAnimationFrame(() => document.getElementById("letters")?.scrollIntoView());
  return end;
}
