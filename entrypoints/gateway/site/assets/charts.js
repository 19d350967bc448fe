// Charts as SVG: each says in words what it shows, and what a pointer can find the keyboard can too.
import { h, s, fill, text, moment, signed } from "./dom.js";

const round = (value) => Math.round(value * 10) / 10;

/** A line of the last minutes. `values` may hold nulls: nothing is drawn there. */
export function sparkline(values, { width = 160, height = 34, label = "", kind = "line" } = {}) {
  const seen = values.filter((v) => v !== null && v !== undefined);
  const most = Math.max(1e-9, ...seen);
  const least = kind === "level" ? Math.min(...seen, most) : 0;
  const flatLine = most - least < 1e-9;
  const span = flatLine ? 1 : most - least;
  const step = width / Math.max(1, values.length - 1);
  let line = "", area = "", open = false, begun = 0;
  values.forEach((value, index) => {
    const x = round(index * step);
    if (value === null || value === undefined) { if (open) area += `L${round((index - 1) * step)} ${height}Z`; open = false; return; }
    const y = flatLine && most > 1e-8 ? height * 0.55 : round(height - 2 - ((value - least) / span) * (height - 5));
    if (!open) { area += `M${x} ${height}L${x} ${y}`; begun = x; }
    line += (open ? "L" : "M") + x + " " + y;
    area += "L" + x + " " + y;
    open = true;
  });
  if (open) area += `L${round((values.length - 1) * step)} ${height}Z`;
  const drawn = seen.length > 1 && begun < width;
  return s("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
    drawn ? [s("path", { d: area, class: "area" }), s("path", { d: line, class: "line", "vector-effect": "non-scaling-stroke" })] : null);
}

/** Shares of a whole as one bar; `parts` are {label, value, class, href}. */
export function shares(parts, label) {
  const total = parts.reduce((sum, part) => sum + part.value, 0);
  return h("div", { class: "shares" },
    h("div", { class: "bar", role: "img", "aria-label": label + ": " + parts.map((p) => `${p.label} ${p.value}`).join(", ") },
      parts.filter((p) => p.value).map((part) => h("span", { class: part.class, style: { "flex-grow": part.value }, title: `${part.label}: ${part.value}` }))),
    h("ul", { class: "legend" }, parts.map((part) => h("li", {},
      h("span", { class: "swatch " + part.class, "aria-hidden": "true" }),
      part.href ? h("a", { href: part.href }, part.label) : part.label,
      h("span", { class: "num" }, part.value.toLocaleString("en")),
      h("span", { class: "muted" }, total ? Math.round((100 * part.value) / total) + " %" : "")))));
}

/** Bars with their names, the longest first as given. */
export function bars(rows, { most = null, format = String } = {}) {
  const top = most || Math.max(1e-9, ...rows.map((row) => row.value));
  return h("ul", { class: "bars" }, rows.map((row) => h("li", {},
    h("span", { class: "name" }, row.label),
    h("span", { class: "track", "aria-hidden": "true" }, h("span", { class: "fillbar " + (row.class || ""), style: { width: (row.value ? Math.max(1, (100 * row.value) / top) : 0) + "%" } })),
    h("span", { class: "num" }, format(row.value, row)))));
}

const BANDS = [["warm", 0.5, 1], ["friendly", 0, 0.5], ["cool", -0.3, 0], ["cold", -0.5, -0.3]];

/**
 * Standing over time. `series` are {name, points: [{at, standing, delta, reason, session, sequence}]}.
 * The pointer shows the nearest point; arrow keys walk through them, up and down between learners.
 */
export function standings(series, { chosen = () => {}, open = () => {} } = {}) {
  const room = (document.getElementById("main")?.clientWidth || 900) - 90;
  const width = Math.max(320, Math.min(1300, room)), height = 270, left = 64, right = 14, topY = 10, bottom = 26;
  const all = series.flatMap((one) => one.points);
  const times = all.map((p) => Date.parse(p.at));
  const first = Math.min(...times), last = Math.max(...times, first + 1000);
  const x = (at) => left + ((Date.parse(at) - first) / (last - first)) * (width - left - right);
  const y = (value) => topY + ((1 - value) / 1.5) * (height - topY - bottom);
  const tip = h("div", { class: "tip", hidden: true });
  const told = h("div", { class: "unseen", "aria-live": "polite" });
  const marks = [];
  const svg = s("svg", {
    class: "chart", viewBox: `0 0 ${width} ${height}`, role: "application", tabindex: 0,
    "aria-label": `Standing of ${series.length} learners over time, between −0.5 and 1. Arrow keys walk through the moves.`,
  });
  for (const [name, low, high] of BANDS) {
    svg.append(s("rect", { x: left, width: width - left - right, y: y(high), height: y(low) - y(high), class: "band " + name }),
      s("text", { x: left - 8, y: (y(low) + y(high)) / 2 + 4, class: "axis", "text-anchor": "end" }, name));
  }
  svg.append(s("line", { x1: left, x2: width - right, y1: y(0), y2: y(0), class: "zero" }));
  const spanMs = last - first;
  const label = (t) => { const d = new Date(t); return spanMs > 2 * 864e5 ? d.toLocaleDateString("en-CA") : d.toLocaleTimeString("en-GB"); };
  [0, 0.5, 1].forEach((part) => svg.append(s("text", {
    x: left + part * (width - left - right), y: height - 8, class: "axis", "text-anchor": part === 0 ? "start" : part === 1 ? "end" : "middle",
  }, label(first + part * spanMs))));
  series.forEach((one, n) => {
    let path = "";
    one.points.forEach((p, index) => { path += index ? `H${round(x(p.at))}V${round(y(p.standing))}` : `M${round(x(p.at))} ${round(y(p.standing))}`; });
    svg.append(s("path", { d: path, class: "series s" + (n % 8), "vector-effect": "non-scaling-stroke" }));
    one.points.forEach((p, index) => {
      const dot = s("circle", { cx: round(x(p.at)), cy: round(y(p.standing)), r: 3.2, class: "dot s" + (n % 8) });
      svg.append(dot);
      marks.push({ n, index, p, name: one.name, dot, cx: x(p.at), cy: y(p.standing) });
    });
  });
  let current = null;
  function show(mark, aloud) {
    if (current) current.dot.setAttribute("r", 3.2);
    current = mark;
    if (!mark) { tip.hidden = true; return; }
    mark.dot.setAttribute("r", 6);
    const p = mark.p;
    fill(tip, h("strong", {}, mark.name), h("div", { class: "num" }, p.standing.toFixed(3), " ", h("span", { class: p.delta >= 0 ? "up" : "down" }, signed(p.delta, 3))),
      h("div", {}, p.reason || p.cause || ""), h("div", { class: "muted" }, moment(p.at)));
    tip.hidden = false;
    const box = svg.getBoundingClientRect();
    const px = (mark.cx / width) * box.width, py = (mark.cy / height) * box.height;
    tip.style.left = Math.min(Math.max(4, px + 12), box.width - tip.offsetWidth - 4) + "px";
    tip.style.top = Math.max(0, py - tip.offsetHeight - 10) + "px";
    chosen(mark.name);
    if (aloud) text(told, `${mark.name}: ${p.standing.toFixed(2)}, ${signed(p.delta)}, ${p.reason || p.cause}, ${moment(p.at)}`);
  }
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const px = ((event.clientX - box.left) / box.width) * width, py = ((event.clientY - box.top) / box.height) * height;
    let best = null, far = 60 * 60;
    for (const mark of marks) {
      const d = (mark.cx - px) ** 2 + (mark.cy - py) ** 2;
      if (d < far) { far = d; best = mark; }
    }
    show(best, false);
  });
  svg.addEventListener("pointerleave", () => show(null, false));
  svg.addEventListener("blur", () => show(null, false));
  svg.addEventListener("click", () => { if (current && current.p.session && current.p.sequence) open(current.p); });
  svg.addEventListener("keydown", (event) => {
    if (!marks.length) return;
    const at = current ? marks.indexOf(current) : -1;
    let next = null;
    if (event.key === "ArrowRight") next = marks[Math.min(marks.length - 1, at + 1)];
    else if (event.key === "ArrowLeft") next = marks[Math.max(0, at - 1)];
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const step = event.key === "ArrowDown" ? 1 : -1;
      const n = current ? (current.n + step + series.length) % series.length : 0;
      next = marks.find((m) => m.n === n && m.index === 0);
    } else if (event.key === "Escape") { show(null, false); return; }
    else if (event.key === "Enter") { if (current && current.p.session && current.p.sequence) open(current.p); return; }
    else return;
    event.preventDefault();
    show(next, true);
  });
  return h("figure", { class: "figure" }, h("div", { class: "chartbox" }, svg, tip), told,
    h("figcaption", {}, h("ul", { class: "legend" }, series.map((one, n) => h("li", {},
      h("span", { class: "swatch s" + (n % 8), "aria-hidden": "true" }), h("a", { href: "#/learners/" + encodeURIComponent(one.name) }, one.name),
      h("span", { class: "num" }, one.points.length ? one.points[one.points.length - 1].standing.toFixed(2) : "–"))))),
    h("details", {}, h("summary", {}, "As a table"), h("table", { class: "plain" },
      h("thead", {}, h("tr", {}, ["learner", "when", "standing", "move", "reason"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, series.flatMap((one) => one.points.map((p) => h("tr", {},
        h("td", {}, one.name), h("td", {}, moment(p.at)), h("td", { class: "num" }, p.standing.toFixed(3)),
        h("td", { class: "num" }, signed(p.delta, 3)), h("td", {}, p.reason || p.cause))))))));
}

/** Values of one session after the other, as small columns. */
export function columns(values, { label, format = (v) => v.toFixed(2), most = null } = {}) {
  const width = 300, height = 64;
  const top = most || Math.max(1e-9, ...values);
  const step = width / Math.max(12, values.length);
  return s("svg", { class: "columns", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
    values.map((value, index) => s("rect", { x: round(index * step + 1), width: round(Math.max(1, step - 2)),
      y: round(height - (value / top) * (height - 4)), height: round(Math.max(1, (value / top) * (height - 4))) }, s("title", {}, format(value)))));
}

/** Something of each day, the last on the right. */
export function days(buckets, values, { label, format = String } = {}) {
  const width = 560, height = 70, top = Math.max(1e-9, ...values), step = width / Math.max(1, values.length);
  return s("svg", { class: "days", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
    values.map((value, n) => {
      const tall = value ? Math.max(3, (value / top) * (height - 4)) : 2;
      return s("rect", { class: value ? "" : "none", x: round(n * step + 2), width: round(Math.max(1, step - 4)), y: round(height - tall), height: round(tall), rx: 1.5 }, s("title", {}, `${buckets[n]}: ${format(value)}`));
    }));
}

/** A curriculum: columns by how much comes before, a lane for each strand. */
export function skillMap(map, { chosen = () => {} } = {}) {
  const skills = new Map(map.skills.map((skill) => [skill.id, skill]));
  const depth = new Map();
  const deep = (id) => {
    if (depth.has(id)) return depth.get(id);
    depth.set(id, 0);
    const needs = (skills.get(id)?.needs || []).filter((need) => skills.has(need));
    const found = needs.length ? 1 + Math.max(...needs.map(deep)) : 0;
    depth.set(id, found);
    return found;
  };
  map.skills.forEach((skill) => deep(skill.id));
  const wide = 158, high = 40, across = 192, down = 50, lane = 26;
  const spots = new Map();
  const lanes = [];
  let top = 8, right = 0;
  for (const strand of map.strands) {
    const cells = new Map();
    for (const skill of map.skills.filter((one) => one.strand === strand.id)) {
      const column = depth.get(skill.id);
      const rows = cells.get(column) || cells.set(column, []).get(column);
      spots.set(skill.id, [10 + column * across, top + lane + rows.length * down]);
      rows.push(skill.id);
      right = Math.max(right, 10 + column * across + wide);
    }
    const rows = Math.max(1, ...[...cells.values()].map((cell) => cell.length));
    lanes.push([strand.name, top, lane + rows * down]);
    top += lane + rows * down + 10;
  }
  const width = right + 12, height = top + 4;
  const MARK = { locked: "○", open: "◌", learning: "◐", mastered: "●", rusty: "◑" };
  const edges = [], nodes = [];
  const lines = new Map();
  for (const skill of map.skills) {
    const [tx, ty] = spots.get(skill.id) || [0, 0];
    for (const need of skill.needs) {
      if (!spots.has(need)) continue;
      const [fx, fy] = spots.get(need);
      const x1 = fx + wide, y1 = fy + high / 2, x2 = tx, y2 = ty + high / 2, bend = Math.max(16, (x2 - x1) / 2);
      const line = s("path", { class: "need", d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}` });
      edges.push(line);
      for (const end of [skill.id, need]) (lines.get(end) || lines.set(end, []).get(end)).push(line);
    }
  }
  const touched = (id, on) => (lines.get(id) || []).forEach((line) => line.classList.toggle("lit", on));
  for (const skill of map.skills) {
    const [x, y] = spots.get(skill.id) || [0, 0];
    const words = skill.name.length > 18 ? skill.name.slice(0, 17) + "…" : skill.name;
    const said = skill.state + (skill.tier && skill.state === "learning" ? ", " + skill.tier : "") + (skill.total ? `, ${skill.right} of ${skill.total} right` : "");
    nodes.push(s("g", {
      class: "skill " + skill.state, transform: `translate(${x} ${y})`, tabindex: 0, role: "button", "aria-label": `${skill.name}: ${said}`,
      onmouseenter: () => touched(skill.id, true), onmouseleave: () => touched(skill.id, false),
      onfocus: () => touched(skill.id, true), onblur: () => touched(skill.id, false),
      onclick: () => chosen(skill), onkeydown: (e) => { if (e.key === "Enter" || e.key === " ") { e.preventDefault(); chosen(skill); } },
    }, s("title", {}, `${skill.name}: ${said}`), s("rect", { width: wide, height: high, rx: 6 }),
      s("text", { x: 9, y: 17, class: "name" }, words),
      s("text", { x: 9, y: 32, class: "state" }, (MARK[skill.state] || "") + " " + skill.state + (skill.total ? ` ${skill.right}/${skill.total}` : ""))));
  }
  return h("div", { class: "mapbox", tabindex: 0, role: "region", "aria-label": "Skills by what they need" },
    s("svg", { class: "skillmap", viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": map.name },
      lanes.map(([name, y, tall]) => [s("rect", { class: "lane", x: 0, y, width, height: tall, rx: 8 }), s("text", { x: 10, y: y + 17, class: "lanename" }, name)]),
      edges, nodes));
}

/** One component in a square of side 1: a sunflower to begin with, then attraction along links and
 *  repulsion all round (Fruchterman and Reingold, 1991). */
function spread(count, links) {
  const px = new Float64Array(count), py = new Float64Array(count);
  for (let n = 0; n < count; n += 1) {
    const angle = n * 2.39996, far = Math.sqrt((n + 0.5) / count);
    px[n] = Math.cos(angle) * far; py[n] = Math.sin(angle) * far;
  }
  const ideal = 1.4 / Math.sqrt(Math.max(1, count));
  const turns = count > 120 ? 90 : 200;
  for (let turn = 0; turn < turns; turn += 1) {
    const heat = 0.12 * (1 - turn / turns) + 0.002;
    const fx = new Float64Array(count), fy = new Float64Array(count);
    for (let a = 0; a < count; a += 1) {
      for (let b = a + 1; b < count; b += 1) {
        const dx = px[a] - px[b], dy = py[a] - py[b], push = (ideal * ideal) / (dx * dx + dy * dy + 1e-6);
        fx[a] += dx * push; fy[a] += dy * push; fx[b] -= dx * push; fy[b] -= dy * push;
      }
    }
    for (const [a, b] of links) {
      const dx = px[a] - px[b], dy = py[a] - py[b], pull = Math.hypot(dx, dy) / ideal;
      fx[a] -= dx * pull; fy[a] -= dy * pull; fx[b] += dx * pull; fy[b] += dy * pull;
    }
    for (let n = 0; n < count; n += 1) {
      const size = Math.hypot(fx[n], fy[n]) || 1, step = Math.min(heat, size);
      px[n] += (fx[n] / size) * step; py[n] += (fy[n] / size) * step;
    }
  }
  const lowX = Math.min(...px), lowY = Math.min(...py);
  const side = Math.max(Math.max(...px) - lowX, Math.max(...py) - lowY, 1e-6);
  const restX = (side - (Math.max(...px) - lowX)) / 2, restY = (side - (Math.max(...py) - lowY)) / 2;
  return Array.from(px, (x, n) => [(x - lowX + restX) / side, (py[n] - lowY + restY) / side]);
}

/**
 * Who worked with whom: each component in a field of its own, as large as it has members; the same
 * picture for the same graph. `parts` are components {members, over_braced}; `edges` [a, b, at, weight].
 */
export function graph(edges, parts, { chosen = () => {}, most = 220 } = {}) {
  const width = 760, height = 460, pad = 34;
  const ties = new Map();
  for (const [a, b] of edges) {
    (ties.get(a) || ties.set(a, []).get(a)).push(b);
    (ties.get(b) || ties.set(b, []).get(b)).push(a);
  }
  // Members told of a component are its first; who is tied to them belongs to it too.
  const part = new Map(), braced = new Set();
  parts.forEach((one, n) => {
    const todo = [...one.members];
    while (todo.length) { const name = todo.pop(); if (part.has(name)) continue; part.set(name, n); todo.push(...(ties.get(name) || [])); }
    one.over_braced.forEach((group) => group.forEach((name) => braced.add(name)));
  });
  const names = [...new Set(edges.flatMap(([a, b]) => [a, b]))].filter((name) => part.has(name)).slice(0, most);
  const fields = parts.map((_, n) => names.filter((name) => part.get(name) === n)).filter((field) => field.length > 1);
  // Fields are put into rows of one height each, the largest first.
  const area = fields.reduce((sum, field) => sum + Math.sqrt(field.length) ** 2, 0) || 1;
  const unit = Math.sqrt((width * height) / area) * 0.86;
  const placed = new Map();
  let x = 0, y = 0, tall = 0, right = 0;
  for (const field of fields.sort((a, b) => b.length - a.length)) {
    const side = Math.min(height, Math.max(110, unit * Math.sqrt(field.length)));
    if (x && x + side > width) { x = 0; y += tall; tall = 0; }
    const inside = new Map(field.map((name, n) => [name, n]));
    const spots = spread(field.length, edges.filter(([a, b]) => inside.has(a) && inside.has(b)).map(([a, b]) => [inside.get(a), inside.get(b)]));
    field.forEach((name, n) => placed.set(name, [x + pad + spots[n][0] * (side - 2 * pad), y + pad + spots[n][1] * (side - 2 * pad)]));
    x += side; tall = Math.max(tall, side); right = Math.max(right, x);
  }
  const high = Math.max(160, y + tall), wide = Math.max(320, right);
  const links = edges.filter(([a, b]) => placed.has(a) && placed.has(b));
  const lines = links.map(([a, b, , weight]) => s("line", { class: "tie" + (braced.has(a) && braced.has(b) ? " braced" : ""),
    x1: round(placed.get(a)[0]), y1: round(placed.get(a)[1]), x2: round(placed.get(b)[0]), y2: round(placed.get(b)[1]), "stroke-width": Math.min(4, 0.8 + (weight || 1) * 0.4) }));
  const lit = (name, on) => links.forEach(([a, b], n) => { if (a === name || b === name) lines[n].classList.toggle("lit", on); });
  const nodes = [...placed].map(([name, [px, py]], n) => {
    const degree = (ties.get(name) || []).length;
    return s("g", {
      class: "agent" + (braced.has(name) ? " braced" : ""), transform: `translate(${round(px)} ${round(py)})`, tabindex: 0, role: "link",
      "aria-label": `${name}, ${degree} ${degree === 1 ? "tie" : "ties"}` + (braced.has(name) ? ", in an over-braced group" : ""),
      onclick: () => chosen(name), onkeydown: (e) => { if (e.key === "Enter") chosen(name); },
      onmouseenter: () => lit(name, true), onmouseleave: () => lit(name, false), onfocus: () => lit(name, true), onblur: () => lit(name, false),
    }, s("title", {}, `${name}: ${degree} ties`), s("circle", { r: round(5 + Math.min(7, degree)), class: "s" + (part.get(name) % 8) }),
      placed.size <= 60 ? s("text", { y: n % 2 ? 20 + Math.min(7, degree) : -9 - Math.min(7, degree), "text-anchor": "middle" }, name.length > 18 ? name.slice(0, 17) + "…" : name) : null);
  });
  return s("svg", { class: "graph", viewBox: `0 0 ${round(wide)} ${round(high)}`, role: "group", "aria-label": `Co-work graph: ${placed.size} agents, ${links.length} ties` }, lines, nodes);
}
