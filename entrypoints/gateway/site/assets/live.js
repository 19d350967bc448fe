// What every page shares: the overview as it comes, who is looking, and whether the line is up.
import { api, stream } from "./api.js";

export const live = new EventTarget();
export const state = { overview: null, history: [], connected: false, me: null };
const KEPT = 300;
let ended = null;

function took(told) {
  state.overview = told;
  state.history.push({ at: told.at, live: told.sessions.live, ...told.rates, ...told.latency });
  if (state.history.length > KEPT) state.history.splice(0, state.history.length - KEPT);
  live.dispatchEvent(new CustomEvent("overview", { detail: told }));
}

/** Asks who we are, takes the last five minutes, and follows. */
export async function begin() {
  if (ended) ended();
  state.me = await api.get("/");
  // What is running is not a learner's to see: there is nothing to follow.
  if (state.me.learner) { live.dispatchEvent(new CustomEvent("line", { detail: { up: true, why: "learner" } })); return; }
  ended = stream("/overview/events", (name, data) => { if (name === "overview") took(JSON.parse(data)); },
    (up, why) => {
      state.connected = up;
      live.dispatchEvent(new CustomEvent("line", { detail: { up, why } }));
    });
  api.get("/overview").then((told) => {
    const newest = state.history.length ? state.history[0].at : "9";
    state.history = told.history.filter((one) => one.at < newest).concat(state.history).slice(-KEPT);
    if (!state.overview) { const { history, ...rest } = told; state.overview = rest; live.dispatchEvent(new CustomEvent("overview", { detail: rest })); }
  }).catch(() => {});
}

export const operates = () => state.me && state.me.role === "operator";

/** Calls back with each overview while a page is shown; returns what ends it. */
export function each(heard) {
  const told = (event) => { if (!document.hidden) heard(event.detail); };
  live.addEventListener("overview", told);
  if (state.overview) heard(state.overview);
  return () => live.removeEventListener("overview", told);
}
