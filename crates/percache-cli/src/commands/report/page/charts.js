// The last builds and the growth of the store, as SVG with a table of the same numbers.

function svg(name, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  Object.entries(attributes).forEach(([key, value]) => node.setAttribute(key, value));
  node.append(...children);
  return node;
}

function numbers(titles, rows) {
  const cell = (name) => (text, i) => el(name, { className: i ? "number" : "" }, text);
  return el("details", {}, el("summary", {}, "The numbers"), el("div", { className: "scroll" }, el("table", {},
    el("thead", {}, el("tr", {}, ...titles.map(cell("th")))),
    el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map(cell("td"))))))));
}

const W = 1000, H = 200, FOOT = 20, SIDE = 64;

function axis(picture, most, words) {
  for (const share of [0, 0.5, 1]) {
    const y = 12 + (H - FOOT - 12) * (1 - share);
    picture.append(svg("line", { x1: SIDE, x2: W, y1: y, y2: y, class: "axis" }),
      svg("text", { x: SIDE - 6, y: y + 4, "text-anchor": "end" }, words(most * share)));
  }
}

(function builds() {
  const shown = data.builds.slice(-60);
  const most = Math.max(...shown.map((build) => Math.max(build.seconds, build.saved_seconds))) || 1;
  const room = (W - SIDE) / Math.max(shown.length, 12);
  const wide = Math.min(18, room * 0.38);
  const tall = (value) => ((H - FOOT - 12) * value) / most;
  const picture = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": "Duration of the last builds, and the time that the cache saved" });
  axis(picture, most, seconds);
  shown.forEach((build, i) => {
    const x = SIDE + i * room + room / 2;
    const bar = (left, value, colour) => svg("rect", { x: left, y: H - FOOT - tall(value), width: wide, height: Math.max(value ? 1 : 0, tall(value)), fill: `var(--${colour})`, rx: 1.5 });
    const title = `${when(build.began)}: ${seconds(build.seconds)}, ${build.ran} ran, ${build.restored} restored, ${build.up_to_date} up to date, ${build.failed} failed; saved ${seconds(build.saved_seconds)}`;
    picture.append(svg("g", {}, svg("title", {}, title), bar(x - wide, build.seconds, build.failed ? "failed" : "ran"), bar(x, build.saved_seconds, "restored")));
  });
  if (shown.length) {
    picture.append(svg("text", { x: SIDE, y: H - 4 }, when(shown[0].began)));
    const end = Math.max(SIDE + 320, SIDE + shown.length * room);
    if (shown.length > 1) picture.append(svg("text", { x: end, y: H - 4, "text-anchor": "end" }, when(shown[shown.length - 1].began)));
  }
  const saved = data.builds.reduce((sum, build) => sum + build.saved_seconds, 0);
  $("builds-chart").append(
    el("div", { className: "legend" }, el("span", {}, swatch("ran"), "took"), el("span", {}, swatch("failed"), "took, and something failed"),
      el("span", {}, swatch("restored"), `saved by the cache: ${seconds(saved)} in ${data.builds.length === 1 ? "this build" : `these ${data.builds.length} builds`}`)),
    picture,
    numbers(["began", "took", "saved", "ran", "restored", "up to date", "failed", "not started"], [...shown].reverse().map((build) => [when(build.began), seconds(build.seconds),
      seconds(build.saved_seconds), ...[build.ran, build.restored, build.up_to_date, build.failed, build.skipped].map(String)])));
})();

(function store() {
  const { moments, tasks: all } = data.store;
  const last = moments.length - 1;
  if (!all.length) return $("store-chart").append(el("p", {}, "The store is empty."));
  const sorted = [...all].sort((a, b) => b.bytes[last] - a.bytes[last]);
  const layers = sorted.slice(0, 8);
  if (sorted.length > 8) {
    const rest = sorted.slice(8);
    layers.push({ template: `${rest.length} others`, bytes: moments.map((_, i) => rest.reduce((sum, one) => sum + one.bytes[i], 0)) });
  }
  const total = moments.map((_, i) => layers.reduce((sum, layer) => sum + layer.bytes[i], 0));
  const most = total[last] || 1;
  const span = moments[last] - moments[0];
  const x = (i) => (span ? SIDE + ((W - SIDE) * (moments[i] - moments[0])) / span : SIDE);
  const y = (value) => H - FOOT - ((H - FOOT - 12) * value) / most;
  const picture = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": "Stored size by task over time" });
  const below = moments.map(() => 0);
  layers.forEach((layer, position) => {
    const top = below.map((value, i) => value + layer.bytes[i]);
    // A single moment is drawn as a level.
    const at = span ? moments.map((_, i) => i) : [0, 0];
    const place = (i, n) => (span ? x(i) : n ? W : SIDE);
    const up = at.map((i, n) => `${place(i, n)},${y(top[i])}`), down = at.map((i, n) => `${place(i, n)},${y(below[i])}`).reverse();
    picture.append(svg("polygon", { points: [...up, ...down].join(" "), fill: `var(--c${position + 1})` }, svg("title", {}, `${layer.template}: ${bytes(layer.bytes[last])}`)));
    top.forEach((value, i) => { below[i] = value; });
  });
  axis(picture, most, bytes);
  picture.append(svg("text", { x: SIDE, y: H - 4 }, when(moments[0])));
  if (span) picture.append(svg("text", { x: W, y: H - 4, "text-anchor": "end" }, when(moments[last])));
  const colour = (i) => el("span", { className: "swatch", style: `background: var(--c${i + 1})` });
  $("store-chart").append(
    el("div", { className: "legend" }, ...layers.map((layer, i) => el("span", {}, colour(i), `${layer.template} ${bytes(layer.bytes[last])}`))),
    picture,
    numbers(["task", "stored"], sorted.map((one) => [one.template, bytes(one.bytes[last])])));
})();
