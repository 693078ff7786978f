// --- what a job says, as curves and in words ---
const MOST_STEPS = 8000, MOST_PHASES = 50, MOST_WORDS = 200;
const CURVES = { loss: "loss", accuracy: "accuracy", throughput: "images_per_second" };
const digits = (value, id) => (id === "accuracy" ? `${+(100 * value).toFixed(1)} %` : value >= 1000 ? `${+(value / 1000).toFixed(1)} k` : `${+value.toPrecision(3)}`);

class Told { // as told.py has it: steps of all phases, one behind the other
  constructor() { this.phases = new Map(); this.words = []; }
  add(event) {
    if (!["step", "epoch"].includes(event.event)) {
      if (event.event === "checkpoint" && this.words.at(-1)?.event === "checkpoint") this.words.pop();
      this.words.push(event);
      if (this.words.length > MOST_WORDS) this.words.shift();
    }
    if (!(Number.isSafeInteger(event.step) && event.step >= 0) || !["step", "epoch"].includes(event.event)) return;
    const name = String(event.phase ?? "");
    if (!this.phases.has(name)) {
      if (this.phases.size >= MOST_PHASES) return;
      this.phases.set(name, { steps: new Map(), length: 0 });
    }
    const phase = this.phases.get(name), row = phase.steps.get(event.step) || { phase: name, step: event.step };
    for (const id of Object.values(CURVES)) if (Number.isFinite(event[id])) row[id] = event[id];
    phase.steps.set(event.step, row);
    phase.length = Math.max(phase.length, Number.isSafeInteger(event.steps) ? event.steps : 0, event.step);
    if (phase.steps.size > MOST_STEPS) this.thin(phase);
  }
  thin(phase) { // every other step; accuracies are few, and stay
    let odd = false;
    for (const [step, row] of phase.steps) if (!("accuracy" in row) && (odd = !odd)) phase.steps.delete(step);
  }
  rows() {
    const rows = [];
    let before = 0;
    for (const phase of this.phases.values()) {
      for (const step of [...phase.steps.keys()].sort((a, b) => a - b)) rows.push({ at: before + step, ...phase.steps.get(step) });
      before += phase.length;
    }
    return rows;
  }
}

const thin = (rows, most) => (rows.length <= most ? rows : Array.from({ length: most }, (_, n) => rows[Math.round((n * (rows.length - 1)) / (most - 1))]));

function element(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [one, value] of Object.entries(attributes)) made.setAttribute(one, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function draw(id, values) { // by the rules of charts.py
  const box = document.querySelector(`[data-curve="${id}"]`);
  if (!box || !values.length) return;
  const HEIGHT = 130, MARGIN = 8, [axis, plot] = all("svg", box);
  const most = values.reduce((so, one) => Math.max(so, one[1]), 0), highest = most > 1e-300 && most < 1e300 ? most : 1, power = 10 ** Math.floor(Math.log10(highest));
  const step = [1, 2, 2.5, 5, 10, 20].map((one) => (one * power) / 10).find((one) => highest / one <= 5);
  const top = step * Math.ceil(+(highest / step).toFixed(9));
  const [first, last] = [values[0][0], values[values.length - 1][0]];
  const x = (at) => (last > first ? `${(100 * (at - first)) / (last - first)}%` : "50%");
  const y = (value) => (HEIGHT - (Math.max(0, value) / top) * (HEIGHT - MARGIN)).toFixed(2);
  axis.replaceChildren(...[0, top].map((mark) => element("text", { x: 40, y: Number(y(mark)) + 4, "text-anchor": "end" }, id === "accuracy" ? `${+(100 * mark).toPrecision(6)} %` : digits(mark, id))));
  const points = thin(values, 240), lines = [];
  for (let n = 1; n < points.length; n += 1) lines.push(element("line", { class: "solid", x1: x(points[n - 1][0]), y1: y(points[n - 1][1]), x2: x(points[n][0]), y2: y(points[n][1]) }));
  const [at, value] = points[points.length - 1];
  plot.replaceChildren(
    ...[0, top].map((mark) => element("line", { class: "grid", x1: 0, x2: "100%", y1: y(mark), y2: y(mark) })), ...lines,
    element("circle", { class: "measured", cx: x(at), cy: y(value), r: 3.5 }),
    element("text", { x: 0, y: HEIGHT + 16 }, `step ${first}`), element("text", { x: "100%", y: HEIGHT + 16, "text-anchor": "end" }, `${last}`));
  box.querySelector("[data-latest]").textContent = id === "loss" ? value.toFixed(4) : digits(value, id);
}

function plainly(event) {
  const said = [];
  for (const [name, value] of Object.entries(event)) {
    if (["event", "time", "memory_bytes", "steps"].includes(name) || value === null || (typeof value === "object" && !Object.keys(value).length)) continue;
    const text = name === "accuracy" ? `${(100 * value).toFixed(2)} %` : typeof value === "number" && !Number.isInteger(value) ? +value.toPrecision(4) : typeof value === "object" ? JSON.stringify(value) : value;
    said.push(`${name.replaceAll("_", " ")} ${text}`);
  }
  return said.join(", ").slice(0, 300);
}

function tell(told) {
  const rows = told.rows();
  for (const [id, number] of Object.entries(CURVES)) draw(id, rows.filter((row) => number in row).map((row) => [row.at, row[number]]));
  const chosen = rows.filter((row) => "accuracy" in row);
  $("rows").replaceChildren(...thin(chosen.length ? chosen : rows, 12).map((row) => {
    const line = document.createElement("tr");
    const cells = [row.phase || "–", row.step.toLocaleString("en"), "loss" in row ? row.loss.toFixed(4) : "–", "accuracy" in row ? digits(row.accuracy, "accuracy") : "–", "images_per_second" in row ? digits(row.images_per_second, "throughput") : "–"];
    cells.forEach((text, n) => {
      const cell = document.createElement(n === 1 ? "th" : "td");
      if (n === 1) cell.scope = "row";
      cell.textContent = text;
      line.append(cell);
    });
    return line;
  }));
  if (told.words.length) $("words").replaceChildren(...told.words.slice(-40).reverse().map((event) => {
    const item = document.createElement("li"), name = document.createElement("b"), time = document.createElement("time");
    if (typeof event.time === "number") time.textContent = new Date(1000 * event.time).toISOString().slice(11, 19);
    name.textContent = event.event;
    item.append(time, " ", name, ` ${plainly(event)}`);
    return item;
  }));
  const newest = rows[rows.length - 1], phase = newest && told.phases.get(newest.phase);
  if (newest) {
    Object.assign($("steps"), { max: phase.length, value: newest.step });
    $("steps-said").textContent = `step ${newest.step.toLocaleString("en")} of ${phase.length.toLocaleString("en")}${newest.phase ? `, ${newest.phase}` : ""}`;
  }
}
