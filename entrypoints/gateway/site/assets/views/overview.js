// The whole at one look. Every number leads to what it counts.
import { h, fill, text, count, rate, ms, bytes, ago, when, link, to, status, command, empty, say, clock } from "../dom.js";
import { api } from "../api.js";
import { each, state } from "../live.js";
import { sparkline, shares } from "../charts.js";

const KINDS = { conversation: "k1", practice: "k2", agent: "k3", unknown: "k0" };
const STATES = { active: "good", paused: "alert", completed: "quiet", abandoned: "bad", unknown: "k0" };

function tile(title, href, note) {
  const value = h("span", { class: "value num" }, "–");
  const small = h("span", { class: "small muted" }, note || "");
  const line = h("div", { class: "sparkbox" });
  const node = h("a", { class: "tile", href, "aria-label": title }, h("span", { class: "title" }, title), value, small, line);
  return { node, value, small, line };
}

export async function show(page) {
  const tiles = {
    live: tile("Live sessions", "#/sessions"),
    commands: tile("Commands a second", "#/operator"),
    tiles: tile("Tiles a second", "#/operator"),
    starts: tile("Starts a second", "#/sessions?sort=-started"),
    latency: tile("Latency, 10 s", "#/operator"),
    dead: tile("Dead letters", "#/operator?at=letters"),
    recoveries: tile("Partitions taken over", "#/operator"),
    store: tile("Store", "#/operator"),
  };
  const stamp = h("span", { class: "muted num" }, "");
  const hosts = h("div", {});
  const kinds = h("div", {}), states = h("div", {});
  const alerts = h("ol", { class: "feed" });
  const newest = h("ol", { class: "feed" });
  const warn = h("div", { class: "warnings", role: "status" });
  fill(page,
    h("div", { class: "head" }, h("h1", {}, "Overview"), stamp),
    warn,
    h("section", { class: "tiles", "aria-label": "Figures" }, Object.values(tiles).map((one) => one.node)),
    h("div", { class: "split" },
      h("div", { class: "stack" },
        h("section", { class: "card" }, h("h2", {}, "Hosts and partitions"), hosts),
        h("section", { class: "card" }, h("h2", {}, "Sessions"), h("div", { class: "two" }, h("div", {}, h("h3", {}, "By status"), states), h("div", {}, h("h3", {}, "By kind"), kinds)))),
      h("div", { class: "stack" },
        h("section", { class: "card" }, h("h2", {}, "Attention"), alerts),
        h("section", { class: "card" }, h("h2", {}, "Begun last"), newest))));

  let drawn = 0;
  function lines() {
    const past = state.history;
    const series = (name) => past.map((one) => one[name]);
    const put = (one, name, words, kind) => {
      const values = series(name);
      const seen = values.filter((v) => v !== null && v !== undefined);
      const top = seen.length ? Math.max(...seen) : 0;
      fill(one.line, sparkline(values, { kind, label: `${words}, last ${Math.max(1, Math.round(past.length / 60))} minutes, at most ${rate(top)}` }));
    };
    put(tiles.live, "live", "Live sessions", "level");
    put(tiles.commands, "commands", "Commands a second");
    put(tiles.tiles, "tiles", "Tiles a second");
    put(tiles.starts, "starts", "Starts a second");
    put(tiles.latency, "p99_ms", "Latency p99 in ms");
  }
  function hear(told) {
    const { sessions, rates, latency, recoveries, store } = told;
    text(stamp, "as of " + clock(told.at));
    text(tiles.live.value, count(sessions.live));
    text(tiles.live.small, `${count(sessions.awake)} awake, ${count(sessions.asleep)} asleep`);
    text(tiles.commands.value, rate(rates.commands));
    text(tiles.commands.small, rates.refused ? `${rate(rates.refused)} refused` : "none refused");
    text(tiles.tiles.value, rate(rates.tiles));
    text(tiles.tiles.small, told.tiles ? (told.tiles.lag ? `${count(told.tiles.lag)} behind` : "none waits") : "no emitter answers");
    text(tiles.starts.value, rate(rates.starts));
    text(tiles.starts.small, `${count(sessions.paused)} paused`);
    text(tiles.latency.value, ms(latency.p50_ms));
    text(tiles.latency.small, latency.p99_ms === null ? "no commands" : `p99 ${ms(latency.p99_ms)}`);
    text(tiles.dead.value, count(told.dead_letters));
    text(tiles.dead.small, told.dead_letters ? "look at them" : "nothing was put aside");
    tiles.dead.node.classList.toggle("bad", told.dead_letters > 0);
    text(tiles.recoveries.value, count(recoveries.total));
    text(tiles.recoveries.small, recoveries.last_at ? `last ${ago(recoveries.last_at)}, ${ms(recoveries.last_ms)}` :
      Object.entries(recoveries.by_cause).map(([cause, n]) => `${n} ${cause}`).join(", ") || "none");
    text(tiles.store.value, bytes(store.bytes));
    text(tiles.store.small, store.max_bytes ? `${((100 * store.bytes) / store.max_bytes).toFixed(1)} % of ${bytes(store.max_bytes)}` : "no limit told");
    tiles.store.node.classList.toggle("bad", store.full);
    if (Date.now() - drawn > 900) { drawn = Date.now(); lines(); }
    const troubles = [];
    if (told.unowned) troubles.push(`${told.unowned} partitions have no owner: their sessions wait.`);
    if (store.full) troubles.push("The journal is above its watermark: starts are refused.");
    for (const host of told.hosts) if (!host.answers) troubles.push(`${host.name} does not answer.`);
    if (warn.dataset.said !== troubles.join()) { warn.dataset.said = troubles.join(); fill(warn, troubles.map((words) => h("p", { class: "problem" }, words))); }
    const mark = JSON.stringify([told.hosts, told.partitions]);
    if (hosts.dataset.mark !== mark) {
      hosts.dataset.mark = mark;
      fill(hosts, told.hosts.length ? h("table", { class: "plain" },
        h("thead", {}, h("tr", {}, ["host", "partitions", "sessions", "behind", ""].map((name, n) => h("th", { scope: "col", class: n && n < 4 ? "num" : "" }, name)))),
        h("tbody", {}, told.hosts.map((host) => h("tr", {},
          h("th", { scope: "row" }, link("#/operator?host=" + encodeURIComponent(host.name), host.name)),
          h("td", { class: "num" }, host.partitions, h("span", { class: "meter", "aria-hidden": "true" }, h("i", { style: { width: (100 * host.partitions) / told.partitions + "%" } }))),
          h("td", { class: "num" }, link("#/sessions?q=&sort=host", count(host.sessions))),
          h("td", { class: "num" }, count(host.lag)),
          h("td", {}, h("span", { class: "badge " + (!host.answers ? "bad" : host.draining ? "alert" : "good") }, !host.answers ? "silent" : host.draining ? "draining" : host.lease ? "serving" : "no lease"))))))
        : empty("No host", "Nothing carries sessions. Start a runtime:", command("holodeck up --hosts 2")));
    }
    const counted = JSON.stringify([sessions.by_kind, sessions.by_status]);
    if (kinds.dataset.mark !== counted) {
      kinds.dataset.mark = counted;
      const part = (given, classes, field) => shares(Object.entries(given).sort((a, b) => b[1] - a[1]).map(([name, value]) => ({
        label: name === "unknown" ? "asleep" : name, value, class: classes[name] || "k0", href: name === "unknown" ? "#/sessions" : `#/sessions?${field}=${name}` })), "Sessions");
      fill(kinds, part(sessions.by_kind, KINDS, "kind"));
      fill(states, part(sessions.by_status, STATES, "status"));
    }
    const raised = JSON.stringify(told.alerts);
    if (alerts.dataset.mark !== raised) {
      alerts.dataset.mark = raised;
      fill(alerts, told.alerts.length ? told.alerts.map((one) => h("li", {}, h("span", { class: "badge alert" }, one.kind), " ", when(one.at), " ",
        link(to.at(one.session, one.sequence), one.session), h("p", {}, one.text)))
        : h("li", {}, h("p", { class: "muted" }, "Nothing to look at. Emergence in the co-work graph and safety findings come here.")));
    }
    say(`${count(sessions.live)} live sessions, ${rate(rates.commands)} commands a second`);
  }
  async function latest() {
    const told = await api.get("/sessions", { limit: 8, sort: "-started" });
    const mark = JSON.stringify(told.items.map((one) => [one.id, one.status, one.turns]));
    if (newest.dataset.mark === mark) return;
    newest.dataset.mark = mark;
    fill(newest, told.items.length ? told.items.map((one) => h("li", { class: "line" }, status(one.status, one.asleep), link(to.session(one.id), one.name || one.id),
      h("span", { class: "muted" }, " ", one.learner), h("span", { class: "push" }, when(one.started_at))))
      : h("li", {}, empty("No session lives", "Talk with an NPC, or practise:", command("holodeck chat --persona barcelona-cafe --learner ana"), command("holodeck play --learner pupil"))));
  }
  const end = each(hear);
  latest().catch(() => {});
  const timer = setInterval(() => { if (!document.hidden) latest().catch(() => {}); }, 3000);
  return () => { end(); clearInterval(timer); };
}
