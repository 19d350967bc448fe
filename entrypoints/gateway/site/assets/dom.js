// Elements, and how numbers and times are written. Data becomes text nodes and nothing else.

const SVG = "http://www.w3.org/2000/svg";

function put(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

function dress(node, props) {
  for (const [name, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [k, v] of Object.entries(value)) node.style.setProperty(k, v);
    else if (name === "data") for (const [k, v] of Object.entries(value)) node.dataset[k] = v;
    else if (name === "value") node.value = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  return node;
}

/** An HTML element; strings among the children are text. */
export function h(tag, props, ...children) {
  return put(dress(document.createElement(tag), props), children);
}

/** An SVG element. */
export function s(tag, props, ...children) {
  return put(dress(document.createElementNS(SVG, tag), props), children);
}

/** Takes out what an element has and puts in what is given. */
export function fill(node, ...children) {
  node.replaceChildren();
  return put(node, children);
}

/** Changes an element's text only where it is another. */
export function text(node, value) {
  const wanted = String(value);
  if (node.textContent !== wanted) node.textContent = wanted;
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const one = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export function count(value) {
  if (value === null || value === undefined) return "–";
  return whole.format(value);
}
export function rate(value) {
  if (value === null || value === undefined) return "–";
  return value < 10 ? one.format(value) : value < 10000 ? whole.format(value) : short.format(value);
}
export function ms(value) {
  if (value === null || value === undefined) return "–";
  if (value < 10) return value.toFixed(1) + " ms";
  if (value < 1000) return Math.round(value) + " ms";
  return (value / 1000).toFixed(1) + " s";
}
export function bytes(value) {
  if (value === null || value === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit += 1; }
  return (unit ? value.toFixed(1) : Math.round(value)) + " " + units[unit];
}
export function signed(value, digits = 2) {
  if (value === null || value === undefined) return "–";
  return (value > 0 ? "+" : value < 0 ? "−" : "") + Math.abs(value).toFixed(digits);
}

/** How long ago (or until when) a time in ISO 8601 is. */
export function ago(iso) {
  if (!iso) return "–";
  const seconds = (Date.now() - Date.parse(iso)) / 1000;
  const away = Math.abs(seconds);
  const said = away < 60 ? Math.round(away) + " s" : away < 3600 ? Math.round(away / 60) + " min"
    : away < 86400 ? Math.round(away / 3600) + " h" : Math.round(away / 86400) + " d";
  return seconds >= 0 ? (away < 2 ? "now" : said + " ago") : "in " + said;
}
export function clock(iso) {
  if (!iso) return "–";
  const date = new Date(iso);
  return date.toLocaleTimeString("en-GB", { hour12: false });
}
export function moment(iso) {
  if (!iso) return "–";
  const date = new Date(iso);
  return date.toLocaleDateString("en-CA") + " " + date.toLocaleTimeString("en-GB", { hour12: false });
}

/** A time that can be read exactly on hover, and by machines. */
export function when(iso) {
  return iso ? h("time", { datetime: iso, title: moment(iso) }, ago(iso)) : h("span", { class: "muted" }, "–");
}

export function link(href, ...children) { return h("a", { href }, ...children); }
export const to = {
  session: (id) => "#/sessions/" + encodeURIComponent(id),
  at: (id, sequence) => "#/sessions/" + encodeURIComponent(id) + "?at=" + sequence,
  npc: (id) => "#/npcs/" + encodeURIComponent(id),
  learner: (id) => "#/learners/" + encodeURIComponent(id),
};

export function badge(word, tone = "") { return h("span", { class: "badge " + tone }, word); }

const STATUS = { active: "good", paused: "alert", completed: "", abandoned: "bad", unknown: "" };
const MARK = { active: "●", paused: "❚❚", completed: "✓", abandoned: "✕", unknown: "○" };
export function status(word, asleep) {
  return h("span", { class: "status " + (STATUS[word] || ""), title: asleep ? word + ", asleep: in the store, not in memory" : word },
    h("span", { class: "mark", "aria-hidden": "true" }, MARK[word] || "○"), word === "unknown" ? "asleep" : word,
    asleep && word !== "unknown" ? h("span", { class: "zz", "aria-label": "asleep" }, " z") : null);
}

/** A command to be copied. */
export function command(line) {
  const button = h("button", { class: "quiet small", type: "button", onclick: async () => {
    try { await navigator.clipboard.writeText(line); toast("Copied"); } catch { toast("Select it and copy", "bad"); }
  } }, "Copy");
  return h("div", { class: "command" }, h("code", {}, line), button);
}

/** What stands where nothing is yet: says what to do. */
export function empty(title, words, ...more) {
  return h("div", { class: "empty" }, h("p", { class: "lead" }, title), h("p", {}, words), ...more);
}

/** A short word on what was done, read out too. */
export function toast(words, tone = "") {
  const box = document.getElementById("toasts");
  const node = h("div", { class: "toast " + tone }, words);
  box.append(node);
  setTimeout(() => node.remove(), tone === "bad" ? 8000 : 4000);
}

let saidAt = 0;
/** Reads something out, at most every ten seconds. */
export function say(words) {
  if (Date.now() - saidAt < 10000) return;
  saidAt = Date.now();
  text(document.getElementById("say"), words);
}

/** A question in a dialog; resolves to its fields, or null. */
export function ask({ title, words = "", fields = [], action = "OK", tone = "" }) {
  return new Promise((resolve) => {
    const inputs = fields.map((field) => {
      const id = "ask-" + field.name;
      const input = field.options
        ? h("select", { id, name: field.name }, field.options.map(([value, label]) => h("option", { value }, label)))
        : field.long ? h("textarea", { id, name: field.name, rows: 4, maxlength: field.max || 4000, required: field.required })
          : h("input", { id, name: field.name, type: field.type || "text", maxlength: field.max || 1000, required: field.required, autocomplete: "off" });
      return [h("label", { for: id }, field.label), input];
    });
    const dialog = h("dialog", { class: "ask", "aria-labelledby": "ask-title" },
      h("form", { method: "dialog" },
        h("h2", { id: "ask-title" }, title), words ? h("p", {}, words) : null,
        inputs,
        h("div", { class: "row end" },
          h("button", { type: "button", class: "quiet", onclick: () => dialog.close("") }, "Cancel"),
          h("button", { type: "submit", class: tone || "primary", value: "ok" }, action))));
    dialog.addEventListener("close", () => {
      const given = Object.fromEntries(fields.map((f) => [f.name, dialog.querySelector("#ask-" + f.name).value]));
      dialog.remove();
      resolve(dialog.returnValue === "ok" ? given : null);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
