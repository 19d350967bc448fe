// A list of any length in which only what is seen exists: rows of one height, fetched in chunks.
import { h, fill } from "./dom.js";

const CHUNK = 200;

/**
 * `load(cursor, limit)` gives {items, total}; `row(item, node, index)` fills a row's element.
 * Arrow keys, Home, End and Page keys move through the rows; each row has one link.
 */
export class VirtualList {
  constructor({ load, row, height, label, columns = null, key = (item) => item.id, empty = null }) {
    Object.assign(this, { load, row, height, key, emptyNode: empty });
    this.total = null;
    this.chunks = new Map();
    this.pending = new Map();
    this.version = 0;
    this.rows = new Map();
    this.space = h("div", { class: "space", role: "rowgroup" });
    this.scroller = h("div", { class: "scroller", tabindex: "-1" }, this.space);
    this.head = columns ? h("div", { class: "vhead", role: "row" }, columns) : null;
    this.none = h("div", { class: "none", hidden: true });
    this.node = h("div", { class: "vlist", role: "table", "aria-label": label }, this.head, this.scroller, this.none);
    this.scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.node.addEventListener("keydown", (event) => this.keyed(event));
    this.sized = new ResizeObserver(() => this.draw());
    this.sized.observe(this.scroller);
  }

  close() { this.sized.disconnect(); clearTimeout(this.settling); this.version += 1; }

  /** Forgets everything and begins at the top: another question is asked. */
  async reset() {
    this.version += 1;
    this.chunks.clear();
    this.pending.clear();
    this.scroller.scrollTop = 0;
    await this.fetch(0);
  }

  /** Asks anew for what is seen; what is shown stays until it is there. */
  async refresh() {
    const [first, last] = this.range();
    const wanted = [];
    for (let n = Math.floor(first / CHUNK); n <= Math.floor(Math.max(first, last - 1) / CHUNK); n += 1) wanted.push(n);
    for (const n of [...this.chunks.keys()]) if (!wanted.includes(n)) this.chunks.delete(n);
    await Promise.all(wanted.map((n) => this.fetch(n, true)));
  }

  fetch(n, again = false) {
    if (this.pending.has(n)) return this.pending.get(n);
    if (this.chunks.has(n) && !again) return Promise.resolve();
    const version = this.version;
    const asked = this.load(n * CHUNK, CHUNK).then((page) => {
      if (version !== this.version) return;
      this.chunks.set(n, page.items);
      this.total = page.total;
      this.draw();
    }).finally(() => { if (version === this.version) this.pending.delete(n); });
    this.pending.set(n, asked);
    return asked;
  }

  range() {
    const top = Math.floor(this.scroller.scrollTop / this.height);
    const seen = Math.ceil(this.scroller.clientHeight / this.height) + 1;
    const total = this.total || 0;
    return [Math.max(0, Math.min(top - 4, total)), Math.min(total, top + seen + 4)];
  }

  item(index) { return (this.chunks.get(Math.floor(index / CHUNK)) || [])[index % CHUNK]; }

  /** Rows that fly by are not made, and nothing is fetched for them: they are once one stops. */
  scrolled() {
    const top = this.scroller.scrollTop;
    const fast = Math.abs(top - (this.top || 0)) > this.scroller.clientHeight * 0.8;
    this.top = top;
    clearTimeout(this.settling);
    if (fast) this.settling = setTimeout(() => this.draw(), 90);
    this.draw(fast);
  }

  draw(fast = false) {
    if (this.total === null) return;
    this.space.style.height = this.total * this.height + "px";
    if (this.head) this.head.style.paddingRight = 16 + this.scroller.offsetWidth - this.scroller.clientWidth + "px";
    this.node.setAttribute("aria-rowcount", String(this.total + (this.head ? 1 : 0)));
    const nothing = this.total === 0;
    this.none.hidden = !nothing;
    this.scroller.hidden = nothing;
    if (nothing && this.emptyNode && !this.none.firstChild) fill(this.none, this.emptyNode());
    const [first, last] = this.range();
    for (const [index, node] of this.rows) {
      if (index < first || index >= last) {
        if (node.contains(document.activeElement)) continue;
        node.remove();
        this.rows.delete(index);
      }
    }
    for (let index = first; index < last; index += 1) {
      const item = fast ? undefined : this.item(index);
      if (!item && !fast) this.fetch(Math.floor(index / CHUNK)).catch(() => {});
      let node = this.rows.get(index);
      if (!node) {
        node = h("div", { class: "vrow", role: "row" });
        node.style.height = this.height + "px";
        node.style.transform = "translateY(" + index * this.height + "px)";
        node.dataset.index = String(index);
        this.rows.set(index, node);
        this.space.append(node);
      }
      node.setAttribute("aria-rowindex", String(index + (this.head ? 2 : 1)));
      if (node.firstChild && (fast || node.item === item)) continue;
      const stamp = item ? JSON.stringify(item) : "";
      node.item = item;
      if (node.stamp !== stamp || !node.firstChild) {
        const held = node.contains(document.activeElement);
        node.stamp = stamp;
        fill(node);
        if (item) this.row(item, node, index); else node.append(h("span", { class: "ghost" }));
        if (held) node.querySelector("a,button")?.focus({ preventScroll: true });
      }
    }
  }

  /** Scrolls a row into sight; into the middle where it is out of it by far. */
  show(index) {
    const top = index * this.height, box = this.scroller;
    const above = box.scrollTop - top, below = top + this.height - box.scrollTop - box.clientHeight;
    if (above > this.height || below > this.height) box.scrollTop = top - (box.clientHeight - this.height) / 2;
    else if (above > 0) box.scrollTop = top;
    else if (below > 0) box.scrollTop += below;
    this.draw();
  }

  keyed(event) {
    const from = event.target.closest?.(".vrow");
    if (!from || !this.total) return;
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / this.height) - 1);
    const at = Number(from.dataset.index);
    const next = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: this.total - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const index = Math.max(0, Math.min(this.total - 1, next));
    this.show(index);
    const focus = () => this.rows.get(index)?.querySelector("a,button")?.focus({ preventScroll: true });
    if (this.item(index)) focus(); else this.fetch(Math.floor(index / CHUNK)).then(focus, () => {});
  }
}

export function cell(className, ...children) { return h("div", { class: "c " + className, role: "cell" }, ...children); }
export function column(className, label, { sort = null, current = "", chosen = null } = {}) {
  if (!sort) return h("div", { class: "c " + className, role: "columnheader" }, label);
  const on = current.replace("-", "") === sort;
  const down = on && current.startsWith("-");
  return h("div", { class: "c " + className, role: "columnheader", "aria-sort": on ? (down ? "descending" : "ascending") : "none" },
    h("button", { type: "button", class: "sort", onclick: () => chosen(on && down ? sort : "-" + sort) }, label,
      h("span", { "aria-hidden": "true", class: "arrow" }, on ? (down ? " ↓" : " ↑") : "")));
}
