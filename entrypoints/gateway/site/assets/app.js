// The shell: where one can go, which page is shown, day or night, and the token where one is asked for.
import { h, s, fill, text, ago, count, toast } from "./dom.js";
import { auth, Problem } from "./api.js";
import { begin, live, state } from "./live.js";

const PAGES = [
  ["overview", "Overview", "M3 12h4l3-8 4 16 3-8h4"],
  ["sessions", "Sessions", "M4 6h16M4 12h16M4 18h10"],
  ["npcs", "NPCs", "M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM4 21c0-4 4-6 8-6s8 2 8 6"],
  ["learners", "Learners", "M2 9l10-5 10 5-10 5zM6 11v5c2 3 10 3 12 0v-5"],
  ["fleet", "Fleet", "M6 6l12 3M6 6l4 12M18 9l-8 9M4 6a2 2 0 1 0 4 0 2 2 0 1 0-4 0M16 9a2 2 0 1 0 4 0 2 2 0 1 0-4 0M8 18a2 2 0 1 0 4 0 2 2 0 1 0-4 0"],
  ["operator", "Operator", "M4 7h10M18 7h2M4 17h4M12 17h8M14 5v4M8 15v4"],
];
const VIEWS = {
  overview: () => import("./views/overview.js"),
  sessions: (id) => (id ? import("./views/session.js") : import("./views/sessions.js")),
  npcs: (id) => (id ? import("./views/npc.js") : import("./views/npcs.js")),
  learners: (id) => (id ? import("./views/learner.js") : import("./views/learners.js")),
  fleet: () => import("./views/fleet.js"),
  operator: () => import("./views/operator.js"),
};

// --- day and night ---

const THEMES = ["auto", "light", "dark"];
function theme() { return localStorage.getItem("holodeck-theme") || "auto"; }
function themed(name) {
  if (name === "auto") { localStorage.removeItem("holodeck-theme"); delete document.documentElement.dataset.theme; }
  else { localStorage.setItem("holodeck-theme", name); document.documentElement.dataset.theme = name; }
}
themed(theme());

// --- the rail ---

const rail = document.getElementById("rail");
const main = document.getElementById("main");
const line = h("span", { class: "lineword" }, "connecting");
const dot = h("span", { class: "dot", "aria-hidden": "true" });
const liveCount = h("span", { class: "num" }, "–");
const themeButton = h("button", { type: "button", class: "quiet small", onclick: () => {
  themed(THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length]);
  nameTheme();
} });
function nameTheme() {
  const name = theme();
  fill(themeButton, h("span", { "aria-hidden": "true" }, { auto: "◐", light: "☀", dark: "☾" }[name]), " ", h("span", {}, name));
  themeButton.setAttribute("aria-label", "Colours: " + name + ". Change");
}
nameTheme();
const leave = h("button", { type: "button", class: "quiet small", hidden: true, onclick: () => { auth.token = ""; location.reload(); } }, "Forget token");
const links = new Map(PAGES.map(([name, label, path]) => [name, h("a", { href: "#/" + name },
  s("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" }, s("path", { d: path })), h("span", {}, label))]));
const brand = h("a", { class: "brand", href: "#/overview" }, h("img", { src: "assets/icon.svg", alt: "", width: 26, height: 26 }), h("span", {}, "Holodeck"));
const liveBox = h("div", { class: "muted livecount" }, liveCount, " live sessions");
fill(rail, brand,
  h("nav", { "aria-label": "Pages" }, [...links.values()]),
  h("div", { class: "foot" }, h("div", { class: "line" }, dot, line), liveBox, h("div", { class: "row" }, themeButton, leave)));

document.querySelector("[data-skip]").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });

// --- which page ---

let close = null;
let turn = 0;

/** The first page: of a learner, what is its own. */
const home = () => (state.me && state.me.learner ? "learners/" + encodeURIComponent(state.me.learner) : "overview");

function where() {
  const [path, query = ""] = (location.hash.slice(2) || home()).split("?");
  const [name, ...rest] = path.split("/");
  return { name, id: rest.length ? decodeURIComponent(rest.join("/")) : "", query: new URLSearchParams(query) };
}

/** Writes a view's own choices into the address, without going anywhere. */
export function noted(query) {
  const { name, id } = where();
  const made = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined));
  const tail = made.toString();
  history.replaceState(null, "", "#/" + name + (id ? "/" + encodeURIComponent(id) : "") + (tail ? "?" + tail : ""));
}

async function show() {
  const mine = (turn += 1);
  const { name, id, query } = where();
  const view = VIEWS[name];
  for (const [page, node] of links) {
    if (page === name) node.setAttribute("aria-current", "page"); else node.removeAttribute("aria-current");
  }
  if (close) { close(); close = null; }
  if (!view) {
    fill(main, h("div", { class: "page" }, h("h1", {}, "Nothing here"), h("p", {}, "There is no page at this address. ", h("a", { href: "#/overview" }, "To the overview"))));
    return;
  }
  try {
    const module = await view(id);
    if (mine !== turn) return;
    const page = h("div", { class: "page " + name });
    const ending = await module.show(page, { id, query, alive: () => mine === turn });
    if (mine !== turn) { if (ending) ending(); return; }
    close = ending || null;
    fill(main, page);
    document.title = (page.querySelector("h1")?.textContent || "Holodeck") + " · Holodeck";
    if (moved) { main.scrollTop = 0; window.scrollTo(0, 0); main.focus({ preventScroll: true }); }
  } catch (error) {
    if (mine !== turn || (error instanceof Problem && error.status === 401)) return;
    const gone = error instanceof Problem && error.status === 404;
    fill(main, h("div", { class: "page" }, h("h1", {}, gone ? "Not found" : error instanceof Problem && error.status === 403 ? "Not for this token" : "It did not work"),
      h("p", { class: "problem" }, String(error.message || error)),
      h("p", {}, h("button", { type: "button", class: "primary", onclick: show }, "Try again"), " ", h("a", { href: "#/" + name }, "Back"))));
  }
}
let moved = false;
window.addEventListener("hashchange", () => { moved = true; show(); });

// --- who ---

let asking = false;
function askToken(told) {
  if (asking) return;
  asking = true;
  if (close) { close(); close = null; }
  turn += 1;
  const input = h("input", { id: "token", type: "password", autocomplete: "off", required: true, spellcheck: "false", "aria-describedby": "token-help" });
  fill(main, h("div", { class: "page token" }, h("h1", {}, "A token, please"),
    h("p", { class: "problem", role: "alert" }, auth.token ? (told && told.detail) || "The token is not good here." : "This door asks who is there."),
    h("form", { class: "card", onsubmit: async (event) => {
      event.preventDefault();
      auth.token = input.value.trim();
      asking = false;
      await enter();
    } }, h("label", { for: "token" }, "Bearer token"), input,
      h("p", { id: "token-help", class: "muted" }, "It is kept in this tab until it is closed. An operator makes one with:"),
      h("div", { class: "command" }, h("code", {}, "holodeck token create --scope operator --subject me --days 30")),
      h("button", { type: "submit", class: "primary" }, "Enter"))));
  input.focus();
}
auth.needed = askToken;

async function enter() {
  try {
    // What is to be shown is fetched while it is asked who we are.
    const { name, id } = where();
    await Promise.all([begin(), VIEWS[name]?.(id)]);
    leave.hidden = !auth.token;
    for (const [page, node] of links) node.hidden = Boolean(state.me.learner) && page !== "learners";
    if (state.me.learner) { links.get("learners").setAttribute("href", "#/" + home()); links.get("learners").lastChild.textContent = "My own"; brand.setAttribute("href", "#/" + home()); liveBox.hidden = true; }
    await show();
  } catch (error) {
    if (error instanceof Problem && error.status === 401) return;
    line.textContent = "no answer";
    fill(main, h("div", { class: "page" }, h("h1", {}, "The runtime does not answer"), h("p", { class: "problem" }, String(error.message || error)),
      h("p", {}, "It may still be starting. This page asks again in a moment.")));
    setTimeout(enter, 2000);
  }
}

live.addEventListener("line", (event) => {
  const { up, why } = event.detail;
  dot.className = "dot " + (up ? "up" : "down");
  text(line, why === "learner" ? state.me.learner : up ? "live" : why === 403 ? "no overview" : "reconnecting");
});
live.addEventListener("overview", () => { text(liveCount, count(state.overview.sessions.live)); });

// What is told as “5 s ago” grows older by itself.
setInterval(() => {
  if (document.hidden) return;
  for (const node of document.querySelectorAll("time[datetime]")) text(node, ago(node.getAttribute("datetime")));
}, 5000);
window.addEventListener("unhandledrejection", (event) => {
  if (event.reason instanceof Problem) { event.preventDefault(); if (event.reason.status !== 401) toast(event.reason.message, "bad"); }
  else if (event.reason && event.reason.name === "AbortError") event.preventDefault();
});

enter();
