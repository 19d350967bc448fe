() => {
  const faults = [];
  const seen = (node) => {
    const box = node.getBoundingClientRect();
    const style = getComputedStyle(node);
    if (style.visibility === 'hidden' || style.display === 'none') return false;
    return box.width > 1 && box.height > 1 && !node.closest('[hidden],.unseen');
  };
  const name = (node) => (node.getAttribute('aria-label') || node.getAttribute('alt')
    || (node.labels && node.labels[0] && node.labels[0].textContent) || node.textContent || '').trim();

  // --- names and landmarks ---
  if (document.documentElement.lang !== 'en') faults.push('no language');
  for (const [what, count] of [['main', 1], ['nav', 1], ['h1', 1]]) {
    const found = [...document.querySelectorAll(what)].filter(seen).length;
    if (found !== count) faults.push(`${found} ${what}`);
  }
  for (const node of document.querySelectorAll('a,button,input,select,textarea,[role=link],[role=button],[role=application]')) {
    if (seen(node) && !name(node)) faults.push('no name: ' + node.outerHTML.slice(0, 120));
  }
  for (const node of document.querySelectorAll('img:not([alt]), svg[role=img]:not([aria-label]), table:not(:has(th))')) faults.push('no text: ' + node.outerHTML.slice(0, 120));
  for (const node of document.querySelectorAll('[tabindex]')) if (Number(node.getAttribute('tabindex')) > 0) faults.push('tabindex above 0');
  const ids = [...document.querySelectorAll('[id]')].map((node) => node.id);
  for (const id of new Set(ids)) if (ids.filter((one) => one === id).length > 1) faults.push('id twice: ' + id);
  for (const node of document.querySelectorAll('[role=row]')) {
    if (!node.closest('[role=table],[role=grid]')) faults.push('a row without a table');
  }
  let level = 1;
  for (const node of [...document.querySelectorAll('main h1,main h2,main h3,main h4')].filter(seen)) {
    const now = Number(node.tagName[1]);
    if (now > level + 1) faults.push(`a heading of level ${now} behind one of ${level}: ${node.textContent.slice(0, 40)}`);
    level = now;
  }

  // --- contrast: WCAG 2.1, 1.4.3 ---
  const parse = (text) => {
    const found = /rgba?\(([^)]+)\)/.exec(text);
    if (!found) return null;
    const [r, g, b, a] = found[1].split(/[ ,/]+/).map(Number);
    return [r, g, b, a === undefined ? 1 : a];
  };
  const over = (top, below) => [0, 1, 2].map((n) => top[n] * top[3] + below[n] * (1 - top[3])).concat(1);
  const ground = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) {
      if (at instanceof SVGElement) {
        const box = at.tagName === 'g' ? at.querySelector(':scope > rect') : null;
        const fill = box ? parse(getComputedStyle(box).fill) : null;
        if (fill) { layers.push(fill); if (fill[3] === 1) break; }
        continue;
      }
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour && colour[3] > 0) { layers.push(colour); if (colour[3] === 1) break; }
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 1]);
  };
  const light = ([r, g, b]) => {
    const [R, G, B] = [r, g, b].map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * R + 0.7152 * G + 0.0722 * B;
  };
  let least = 99;
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !node || !seen(node) || node.closest('noscript,option,title')) continue;
    if (node.closest('[aria-hidden=true]') && !node.closest('.status')) continue;
    const style = getComputedStyle(node);
    const ink = parse(node instanceof SVGElement ? style.fill : style.color);
    if (!ink) continue;
    const below = ground(node);
    const a = light(over(ink, below)), b = light(below);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700;
    const wanted = size >= 24 || (bold && size >= 18.66) ? 3 : 4.5;
    least = Math.min(least, ratio);
    if (ratio < wanted) faults.push(`contrast ${ratio.toFixed(2)}: ${walk.currentNode.data.trim().slice(0, 30)} (${style.color} on ${below.map(Math.round)})`);
  }
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (wide > 0) faults.push(`${wide} px wider than the window`);
  return { faults: [...new Set(faults)].slice(0, 20), least };
}
