// --- whatever has just been put in, and what is clicked ---
let following = "";
function dress() {
  for (const box of all(".tabs:not(.ready)")) dressTabs(box);
  if ($("upload")) dressUpload();
  if ($("job") && following !== $("job").dataset.job) { following = $("job").dataset.job; follow(following); }
  if ($("jobs")?.dataset.each && following !== "jobs") { following = "jobs"; watchList(); }
}

const BUTTONS = {
  theme: turnTheme,
  "key-forget": () => useKey(""),
  "ask-job": askJob,
  cancel: cancelJob,
};

addEventListener("click", (event) => {
  const soft = event.target.closest("a[data-soft]");
  if (soft && !event.metaKey && !event.ctrlKey && !event.shiftKey && event.button === 0) {
    event.preventDefault();
    const url = new URL(soft.href);
    go(url.pathname + url.search).then(() => { if (url.hash) document.querySelector(url.hash)?.scrollIntoView(); });
    return;
  }
  const plot = event.target.closest("[data-chart] .plot");
  if (plot && $("depth")) { chooseInPlot(plot, event); return; }
  const button = event.target.closest("button, a#download");
  if (!button) return;
  if (button.id === "download") download(event, button);
  BUTTONS[button.id]?.(button);
  if (button.dataset.copy) copy(button);
});

addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !$("key").open) return;
  $("key").open = false;
  $("key").querySelector("summary").focus();
});

addEventListener("DOMContentLoaded", async () => {
  showTheme();
  $("key").classList.toggle("set", Boolean(key()));
  $("key").querySelector("summary").textContent = key() ? "Key set" : "Key";
  if (key()) await go(here(), { history: "keep", whole: true });
  root.classList.remove("waiting");
  dress();
});
