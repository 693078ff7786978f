// --- fetching a view of this page and putting in what it has ---
const here = () => location.pathname + location.search;
let asking = null;
let rendered = here(); // the address whose whole answer is on the page; empty where that is a view in passing
let pushed = here(); // the address in the history

async function fetchPage(url, parts) {
  asking?.abort();
  const mine = (asking = new AbortController());
  const response = await fetch(url, { headers: headers({ Accept: "text/html", ...(parts ? { "Page-Parts": parts } : {}) }), signal: mine.signal });
  const text = await response.text();
  return { status: response.status, view: new DOMParser().parseFromString(text, "text/html") };
}

function put(old, next) {
  const open = new Map(all("details[id]", old).map((one) => [one.id, one.open]));
  const place = document.adoptNode(next);
  for (const one of all("details[id]", place)) if (open.has(one.id)) one.open = one.open || open.get(one.id);
  old.replaceWith(place);
}

// Whatever is put in, the keyboard stays where it was: there again, or at the heading of the part it was in.
function keepingFocus(change) {
  const was = document.activeElement, region = was?.closest("[data-live][id], section[id]")?.id, href = was?.getAttribute("href");
  change();
  if (!was || was === document.body || was.isConnected) return;
  const place = region && $(region);
  const same = (was.id && $(was.id)) || (href && place && all("a[href]", place).find((one) => one.getAttribute("href") === href));
  const heading = (place && place.querySelector("h1, h2, h3")) || $("size-title") || $("problem-title") || $("main");
  if (!same && heading.tabIndex < 0) heading.tabIndex = -1;
  (same || heading).focus({ preventScroll: Boolean(same) });
}

function show(view, controls) {
  const mine = $("choose"), theirs = view.getElementById("choose");
  keepingFocus(() => {
    if (!mine || !theirs || (controls && (!$("depth") || !view.getElementById("depth")))) {
      put($("main"), view.getElementById("main"));
      return;
    }
    for (const old of all("[data-live]")) {
      const next = view.getElementById(old.id);
      if (next) put(old, next);
    }
    if (!controls) return;
    put(mine, theirs);
    for (const name of ["max_params", "max_macs", "max_bytes"]) if ($(name) && view.getElementById(name)) $(name).value = view.getElementById(name).getAttribute("value");
    const list = document.querySelector(".all"), other = view.querySelector(".all");
    if (list && other) put(list, other);
  });
  document.title = view.title;
  dress();
}

// What stands beside the controls is theirs, or is marked as not being so.
function stand(how, why = "", again = null) {
  const result = document.querySelector(".result");
  if (!result || !$("trouble")) { if (why) say(why); return; }
  result.classList.toggle("stale", how !== "fresh");
  result.classList.toggle("failed", how === "failed");
  result.setAttribute("aria-busy", String(how === "waiting"));
  $("download")?.setAttribute("aria-disabled", String(how !== "fresh"));
  $("trouble").hidden = how !== "failed";
  if (how !== "failed") return;
  const shown = document.querySelector("[data-label]")?.dataset.label.split(":")[0];
  $("trouble-said").textContent = shown ? `${why} What is shown is still ${shown}.` : why;
  $("trouble-again").onclick = again;
}

// history: push, replace or keep; parts: see endpoints.py.
async function go(url, { history: how = "push", controls = true, parts = "", whole = false } = {}) {
  stand("waiting");
  const again = () => go(url, { history: how, controls, parts: parts && "answer", whole });
  try {
    const { status, view } = await fetchPage(url, parts);
    if (!whole && $("choose") && (status === 429 || status >= 500)) {
      stand("failed", view.querySelector(".lead")?.textContent || `The service answered ${status}.`, again);
      return null;
    }
    if (how !== "keep") { history[`${how}State`](null, "", url); pushed = url; }
    if (whole) { keepingFocus(() => put($("main"), view.getElementById("main"))); document.title = view.title; dress(); } else show(view, controls);
    rendered = parts === "passing" ? "" : url;
    stand("fresh");
    return { status, view };
  } catch (error) {
    if (error.name !== "AbortError") stand("failed", "The service can't be reached.", again);
    return null;
  }
}

addEventListener("popstate", () => {
  pushed = here();
  if (here() === rendered || location.pathname !== "/") return; // a place on the same page
  go(here(), { history: "keep" });
});
