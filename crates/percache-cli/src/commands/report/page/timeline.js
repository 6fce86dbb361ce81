// The timeline: a row for each worker, a bar for each task.

const timeline = (() => {
  const canvas = $("timeline-canvas");
  const shown = tasks.map((_, i) => i).filter((i) => tasks[i].row !== null);
  const rows = shown.reduce((most, i) => Math.max(most, tasks[i].row + 1), 1);
  const byRow = Array.from({ length: rows }, () => []);
  shown.forEach((i) => byRow[tasks[i].row].push(i));
  byRow.forEach((row) => row.sort((a, b) => tasks[a].began - tasks[b].began));
  const total = Math.max(data.build.seconds, ...[0], shown.reduce((end, i) => Math.max(end, tasks[i].began + tasks[i].seconds), 0)) || 1;
  const ROW = rows > 40 ? 12 : 24, TOP = 24, LEFT = 34;
  canvas.style.height = `${TOP + rows * ROW + 6}px`;
  let view = { from: 0, to: total };

  const scale = (width) => (width - LEFT) / (view.to - view.from);
  const end = (i) => tasks[i].began + tasks[i].seconds;

  function ticks(context, width, height) {
    const per = scale(width);
    const rough = 90 / per, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
    context.fillStyle = palette.faint;
    context.strokeStyle = palette.line;
    for (let t = Math.ceil(view.from / step) * step; t <= view.to; t += step) {
      const x = Math.round(LEFT + (t - view.from) * per) + 0.5;
      context.beginPath(); context.moveTo(x, TOP - 4); context.lineTo(x, height); context.stroke();
      if (x + 3 + context.measureText(seconds(t)).width <= width) context.fillText(seconds(t), x + 3, 12);
    }
  }

  function draw() {
    const { context, width, height } = prepared(canvas);
    const per = scale(width);
    ticks(context, width, height);
    context.textBaseline = "middle";
    byRow.forEach((row, position) => {
      const y = TOP + position * ROW, tall = ROW - 3;
      context.fillStyle = palette.faint;
      if (rows <= 40) context.fillText(String(position + 1), 8, y + ROW / 2);
      row.forEach((i) => {
        if (end(i) < view.from || tasks[i].began > view.to) return;
        const x = Math.max(LEFT, LEFT + (tasks[i].began - view.from) * per);
        const wide = Math.max(1, Math.min(width, LEFT + (end(i) - view.from) * per) - x - (per * tasks[i].seconds > 4 ? 1 : 0));
        context.fillStyle = palette[tasks[i].outcome];
        context.fillRect(x, y, wide, tall);
        if (tasks[i].critical) {
          context.fillStyle = palette.critical;
          context.fillRect(x, y + tall - 2, wide, 2);
        }
        if (wide > 40 && ROW > 20) {
          context.fillStyle = palette["on-bar"];
          context.fillText(fitted(context, tasks[i].name, wide - 10), x + 5, y + tall / 2);
        }
      });
    });
    const i = chosen.task;
    if (i !== null && tasks[i].row !== null) {
      const x = LEFT + (tasks[i].began - view.from) * per;
      context.strokeStyle = palette.text;
      context.lineWidth = 2;
      context.strokeRect(x - 1, TOP + tasks[i].row * ROW - 1, Math.max(3, tasks[i].seconds * per + 2), ROW - 1);
      context.lineWidth = 1;
    }
    context.textBaseline = "alphabetic";
  }
  const redraw = later(draw);

  function look(from, to) {
    const span = Math.min(total, Math.max(to - from, total / 1e5));
    const start = Math.max(0, Math.min(from, total - span));
    view = { from: start, to: start + span };
    redraw();
  }
  function zoom(factor, at = (view.from + view.to) / 2) {
    look(at - (at - view.from) / factor, at + (view.to - at) / factor);
  }
  function zoomTo(i) {
    const room = Math.max(tasks[i].seconds, total / 1e4);
    look(tasks[i].began - room, end(i) + room);
  }
  function reveal(i) {
    if (tasks[i].row === null) return;
    const middle = tasks[i].began + tasks[i].seconds / 2;
    if (middle < view.from || middle > view.to) {
      const half = (view.to - view.from) / 2;
      look(middle - half, middle + half);
    }
  }

  /** The task at a point; bars that are thinner than a finger count a little around them. */
  function at(event) {
    const box = canvas.getBoundingClientRect();
    const row = byRow[Math.floor((event.clientY - box.top - TOP) / ROW)];
    if (!row) return null;
    const time = view.from + (event.clientX - box.left - LEFT) / scale(box.width);
    const near = 3 / scale(box.width);
    const inside = row.find((i) => tasks[i].began <= time && time <= end(i));
    return inside ?? row.find((i) => tasks[i].began - near <= time && time <= end(i) + near) ?? null;
  }

  function step(key) {
    const i = chosen.task;
    if (i === null || tasks[i].row === null) return shown.length ? byRow.find((row) => row.length)[0] : null;
    const row = byRow[tasks[i].row];
    if (key === "ArrowLeft") return row[row.indexOf(i) - 1] ?? i;
    if (key === "ArrowRight") return row[row.indexOf(i) + 1] ?? i;
    const next = byRow[tasks[i].row + (key === "ArrowUp" ? -1 : 1)];
    const middle = tasks[i].began + tasks[i].seconds / 2;
    const away = (j) => Math.max(tasks[j].began - middle, middle - end(j));
    return next?.length ? next.reduce((best, j) => (away(j) < away(best) ? j : best)) : i;
  }

  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key.startsWith("Arrow")) {
      const next = step(event.key);
      if (next !== null) { choose(next); reveal(next); }
    } else if (event.key === "+" || event.key === "=") zoom(1.6, centre());
    else if (event.key === "-") zoom(1 / 1.6, centre());
    else if (event.key === "0") look(0, total);
    else if (event.key === "Enter" && chosen.task !== null) zoomTo(chosen.task);
    else return;
    event.preventDefault();
  });
  const centre = () => (chosen.task !== null && tasks[chosen.task].row !== null
    ? tasks[chosen.task].began + tasks[chosen.task].seconds / 2 : undefined);

  let drag = null;
  canvas.addEventListener("pointerdown", (event) => { drag = { x: event.clientX, from: view.from, to: view.to, moved: false }; });
  canvas.addEventListener("pointermove", (event) => {
    if (drag && event.buttons) {
      const moved = (drag.x - event.clientX) / scale(canvas.getBoundingClientRect().width);
      if (Math.abs(event.clientX - drag.x) > 3) drag.moved = true;
      look(drag.from + moved, drag.to + moved);
      return;
    }
    const i = at(event);
    canvas.style.cursor = i === null ? "default" : "pointer";
    showTip(event, i === null ? null
      : [tasks[i].name, `${OUTCOMES[tasks[i].outcome]}, ${seconds(tasks[i].seconds)}`, ...(tasks[i].reason ? [tasks[i].reason] : [])]);
  });
  canvas.addEventListener("pointerup", (event) => {
    if (drag && !drag.moved) choose(at(event));
    drag = null;
  });
  canvas.addEventListener("pointerleave", (event) => { drag = null; showTip(event, null); });
  canvas.addEventListener("dblclick", (event) => { const i = at(event); if (i !== null) zoomTo(i); });
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    const box = canvas.getBoundingClientRect();
    zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, view.from + (event.clientX - box.left - LEFT) / scale(box.width));
  }, { passive: false });
  $("timeline-in").addEventListener("click", () => zoom(1.6, centre()));
  $("timeline-out").addEventListener("click", () => zoom(1 / 1.6, centre()));
  $("timeline-fit").addEventListener("click", () => look(0, total));
  legend("timeline-legend", ["ran", "cut_off", "restored", "up_to_date", "failed", "stopped"], true);
  onChoice.push(redraw);
  return { draw: redraw, reveal };
})();
