// The graph on its canvas: moving, zooming, choosing, opening.

const graph = (() => {
  const canvas = $("graph-canvas");
  const MANY = 30;
  let each = tasks.length <= MANY;
  const open = new Set();
  let nodes, ofTask, layout, view = { scale: 1, x: 0, y: 0 };
  let focus = null;

  function arrange() {
    ({ nodes, ofTask } = nodesOf((template) => each || open.has(template)));
    layout = place(nodes);
  }

  // Below this scale, labels cannot be read.
  const READABLE = 0.85, HIGHEST = 620;

  /** Shows the whole graph or, with a least scale, its beginning if the whole would be smaller. */
  function fit(least = 0) {
    const { width } = canvas.getBoundingClientRect();
    const across = Math.max(least, Math.min(1.2, (width - 30) / layout.width));
    // As high as the picture needs to be, within reason.
    const height = Math.round(Math.min(HIGHEST, Math.max(140, 40 + layout.height * across)));
    canvas.style.height = `${height}px`;
    const scale = Math.max(least, Math.min(across, (height - 30) / layout.height));
    const margin = (room, size) => Math.max(15, (room - size * scale) / 2);
    view = { scale, x: margin(width, layout.width), y: margin(height, layout.height) };
    redraw();
  }

  function chosenNode() {
    if (chosen.task !== null) return ofTask[chosen.task];
    return chosen.template === null ? null : nodes.find((node) => node.closed && node.template === chosen.template) ?? null;
  }

  function reach(start, side) {
    const seen = new Set(), pending = [start];
    while (pending.length) {
      pending.pop()[side].forEach((next) => { if (!seen.has(next)) { seen.add(next); pending.push(next); } });
    }
    return seen;
  }

  function drawEdges(context, bounds, related) {
    const count = nodes.reduce((sum, node) => sum + node.needs.size, 0);
    nodes.forEach((node) => node.needs.forEach((need) => {
      const lit = related && related.has(node) && related.has(need);
      if (!lit && (related || count > 4000) && (related ? true : need.x + need.wide < bounds.left - 400)) return;
      const [x1, y1, x2, y2] = [need.x + need.wide, need.y + TALL / 2, node.x, node.y + TALL / 2];
      if (Math.max(x1, x2) < bounds.left || Math.min(x1, x2) > bounds.right) return;
      if (Math.max(y1, y2) < bounds.top || Math.min(y1, y2) > bounds.bottom) return;
      context.globalAlpha = lit ? 1 : count > 1500 ? 0.25 : 0.8;
      context.strokeStyle = lit ? palette.accent : palette.faint;
      context.lineWidth = (lit ? 1.6 : 0.8) / Math.max(view.scale, 0.4);
      const bend = Math.max(20, (x2 - x1) / 2);
      context.beginPath(); context.moveTo(x1, y1);
      context.bezierCurveTo(x1 + bend, y1, x2 - bend, y2, x2, y2);
      context.stroke();
    }));
    context.globalAlpha = 1;
  }

  function drawNode(context, node, dim) {
    context.globalAlpha = dim ? 0.25 : 1;
    context.fillStyle = palette.card;
    context.strokeStyle = palette.line;
    context.lineWidth = 1;
    context.beginPath(); context.roundRect(node.x, node.y, node.wide, TALL, 6); context.fill(); context.stroke();
    // How its tasks ended: one colour, or a share for each.
    let x = node.x;
    context.save();
    context.beginPath(); context.roundRect(node.x, node.y, node.wide, TALL, 6); context.clip();
    Object.keys(OUTCOMES).forEach((outcome) => {
      const share = node.tasks.filter((i) => tasks[i].outcome === outcome).length / node.tasks.length;
      if (!share) return;
      context.fillStyle = palette[outcome];
      context.fillRect(x, view.scale < 0.35 ? node.y : node.y + TALL - 7, node.wide * share + 0.5, view.scale < 0.35 ? TALL : 7);
      x += node.wide * share;
    });
    context.restore();
    if (view.scale >= 0.35) {
      context.fillStyle = palette.text;
      context.fillText(node.short ??= fitted(context, node.label, node.wide - 16), node.x + 8, node.y + 16);
    }
    if (node.tasks.some((i) => tasks[i].critical)) {
      context.strokeStyle = palette.critical;
      context.lineWidth = 1.6;
      context.beginPath(); context.roundRect(node.x, node.y, node.wide, TALL, 6); context.stroke();
    }
    context.globalAlpha = 1;
  }

  function draw() {
    const { context, width, height } = prepared(canvas);
    context.save();
    context.translate(view.x, view.y);
    context.scale(view.scale, view.scale);
    const bounds = { left: -view.x / view.scale, top: -view.y / view.scale };
    bounds.right = bounds.left + width / view.scale;
    bounds.bottom = bounds.top + height / view.scale;
    const node = chosenNode();
    const related = node && new Set([node, ...reach(node, "needs"), ...reach(node, "neededBy")]);
    drawEdges(context, bounds, related);
    nodes.forEach((one) => {
      const seen = one.x + one.wide > bounds.left && one.x < bounds.right && one.y + TALL > bounds.top && one.y < bounds.bottom;
      if (seen) drawNode(context, one, related && !related.has(one));
    });
    if (node) {
      context.strokeStyle = palette.accent;
      context.lineWidth = 3 / view.scale;
      context.beginPath(); context.roundRect(node.x - 3, node.y - 3, node.wide + 6, TALL + 6, 8); context.stroke();
    }
    context.restore();
  }
  const redraw = later(draw);

  function zoom(factor, cx, cy) {
    const box = canvas.getBoundingClientRect();
    const [x, y] = [cx ?? box.width / 2, cy ?? box.height / 2];
    const scale = Math.min(3, Math.max(0.02, view.scale * factor));
    view = { scale, x: x - ((x - view.x) * scale) / view.scale, y: y - ((y - view.y) * scale) / view.scale };
    redraw();
  }

  function reveal(node) {
    const { width, height } = canvas.getBoundingClientRect();
    const [x, y] = [view.x + (node.x + node.wide / 2) * view.scale, view.y + (node.y + TALL / 2) * view.scale];
    if (x < 20 || x > width - 20) view.x += width / 2 - x;
    if (y < 20 || y > height - 20) view.y += height / 2 - y;
    redraw();
  }

  function pick(node) {
    if (!node) return choose(null);
    if (node.closed) choose(null, node.template); else choose(node.tasks[0]);
    reveal(node);
  }

  function toggle(node) {
    if (each || !tasks.some((task, i) => task.template === node.template && i !== node.tasks[0])) return;
    if (open.has(node.template)) open.delete(node.template); else open.add(node.template);
    arrange();
    fit(READABLE);
    pick(open.has(node.template) ? ofTask[node.tasks[0]] : nodes.find((one) => one.closed && one.template === node.template));
  }

  function step(key) {
    const node = chosenNode();
    if (!node) return layout.columns[0]?.[0] ?? null;
    const nearest = (others) => [...others].sort((a, b) => Math.abs(a.y - node.y) - Math.abs(b.y - node.y))[0];
    if (key === "ArrowLeft") return nearest(node.needs) ?? node;
    if (key === "ArrowRight") return nearest(node.neededBy) ?? node;
    const column = layout.columns.find((one) => one.includes(node));
    return column[column.indexOf(node) + (key === "ArrowUp" ? -1 : 1)] ?? node;
  }

  function at(event) {
    const box = canvas.getBoundingClientRect();
    const [x, y] = [(event.clientX - box.left - view.x) / view.scale, (event.clientY - box.top - view.y) / view.scale];
    return nodes.find((node) => node.x <= x && x <= node.x + node.wide && node.y <= y && y <= node.y + TALL) ?? null;
  }

  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const node = chosenNode();
    if (event.key.startsWith("Arrow")) pick(step(event.key));
    else if (event.key === "+" || event.key === "=") zoom(1.4);
    else if (event.key === "-") zoom(1 / 1.4);
    else if (event.key === "0") fit();
    else if (event.key === "Enter" && node) toggle(node);
    else if (event.key === "Escape") choose(null);
    else return;
    event.preventDefault();
  });
  let drag = null;
  canvas.addEventListener("pointerdown", (event) => {
    drag = { x: event.clientX, y: event.clientY, view, moved: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (drag && event.buttons) {
      const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
      drag.moved ||= Math.hypot(dx, dy) > 3;
      view = { ...view, x: drag.view.x + dx, y: drag.view.y + dy };
      return redraw();
    }
    const node = at(event);
    showTip(event, node && [node.label, node.closed ? "double click opens it" : OUTCOMES[tasks[node.tasks[0]].outcome]]);
  });
  canvas.addEventListener("pointerup", (event) => {
    if (drag && !drag.moved) {
      const node = at(event);
      if (node?.closed) choose(null, node.template); else choose(node ? node.tasks[0] : null);
    }
    drag = null;
  });
  canvas.addEventListener("pointerleave", (event) => showTip(event, null));
  canvas.addEventListener("dblclick", (event) => { const node = at(event); if (node) toggle(node); });
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    const box = canvas.getBoundingClientRect();
    zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });
  $("graph-in").addEventListener("click", () => zoom(1.4));
  $("graph-out").addEventListener("click", () => zoom(1 / 1.4));
  $("graph-fit").addEventListener("click", () => fit());
  $("graph-each").checked = each;
  $("graph-each").addEventListener("change", (event) => { each = event.target.checked; open.clear(); arrange(); fit(READABLE); });
  legend("graph-legend", Object.keys(OUTCOMES), false);
  arrange();
  onChoice.push(redraw);
  return { draw: redraw, fit: () => fit(READABLE) };
})();
