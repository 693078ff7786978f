// --- choosing a size ---
const PAUSE_MS = 40; // a hand on the slider asks for what it rests on, not for all it passes
const LIMITS = ["max_params", "max_macs", "max_bytes"];
let passingTo = "", passing = false, committing = "";

const legal = (input, value) => {
  const [first, last, step] = [input.min, input.max, input.step || 1].map(Number);
  return Math.min(last, Math.max(first, first + Math.round((value - first) / step) * step));
};

function address(form) {
  const query = new URLSearchParams();
  const old = new URLSearchParams(location.search);
  for (const [name, value] of new FormData(form)) if (value !== "") query.set(name, value);
  for (const name of ["epochs", ...LIMITS]) if (old.get(name)) query.set(name, old.get(name));
  return `/?${query}`;
}

function pairUp(name, value) {
  const number = $(name), slider = $(`${name}-slider`);
  number.value = value;
  if (Number(value) > Number(slider.max)) slider.max = number.max;
  slider.value = value;
}

async function pass(form) { // one view in passing at a time, the newest next
  passingTo = address(form);
  if (passing) return;
  passing = true;
  await sleep(PAUSE_MS);
  while (passingTo) {
    const url = passingTo;
    passingTo = "";
    await go(url, { history: "keep", controls: false, parts: "passing" });
    await sleep(PAUSE_MS);
  }
  passing = false;
}

async function commit(form) {
  passingTo = "";
  const url = address(form);
  if (url === committing) return;
  if (url === rendered) {
    asking?.abort();
    if (url !== pushed) { history.pushState(null, "", url); pushed = url; }
    stand("fresh");
    return;
  }
  committing = url;
  const got = await go(url, { controls: false, parts: "answer" });
  if (committing === url) committing = "";
  const facts = document.querySelector("[data-label]");
  if (got && facts) say(facts.dataset.label);
}

addEventListener("input", (event) => {
  const input = event.target, form = input.form;
  if (form?.id !== "choose" || input.tagName === "SELECT") return;
  const slid = input.id.match(/^(depth|width)-slider$/);
  if (slid) { pairUp(slid[1], input.value); pass(form); }
  else if (input.name === "depth" || input.name === "width") {
    if (input.value === "" || Number(input.value) !== legal(input, Number(input.value))) return;
    pairUp(input.name, input.value);
  }
});

addEventListener("change", async (event) => {
  const input = event.target, form = input.form;
  if (form?.id !== "choose") return;
  if (input.id === "learngene") {
    passingTo = "";
    const got = await go(address(form));
    const nearest = got?.status === 422 && $("nearest");
    if (nearest) go(nearest.getAttribute("href"), { history: "replace" });
    return;
  }
  if (input.name === "depth" || input.name === "width") {
    const wanted = Number(input.value);
    const value = input.value === "" ? Number($(`${input.name}-slider`).value) : legal(input, wanted);
    pairUp(input.name, value);
    if (value !== wanted) say(`${input.name} ${input.value || "nothing"} can't be had; ${value} is the nearest`);
  }
  commit(form);
});

addEventListener("submit", (event) => {
  const form = event.target;
  if (form.id === "choose") { event.preventDefault(); commit(form); }
  if (form.id === "budget") {
    event.preventDefault();
    const query = new URLSearchParams(location.search);
    for (const name of LIMITS) form[name].value.trim() ? query.set(name, form[name].value.trim()) : query.delete(name);
    go(`/?${query}`, { controls: false, parts: "answer" });
  }
  if (form.id === "key-form" || form.id === "key-here") {
    event.preventDefault();
    const input = form.querySelector("input");
    useKey(input.value.trim(), input);
  }
  if (form.id === "upload") { event.preventDefault(); upload(form); }
});

function chooseInPlot(plot, event) {
  const box = plot.getBoundingClientRect(), chart = plot.closest("[data-chart]").dataset;
  const value = Number(chart.first) + ((event.clientX - box.left) / box.width) * (Number(chart.last) - Number(chart.first));
  pairUp("depth", legal($("depth"), value));
  commit($("choose"));
}
