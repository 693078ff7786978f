// --- tabs and copying ---
function dressTabs(box) {
  const panels = all(":scope > .tab", box);
  const list = document.createElement("div");
  list.setAttribute("role", "tablist");
  list.setAttribute("aria-label", "Ways to load it");
  const chosen = kept(sessionStorage, "tab");
  const select = (at, focus) => {
    panels.forEach((panel, n) => {
      const tab = list.children[n];
      panel.hidden = n !== at;
      tab.setAttribute("aria-selected", String(n === at));
      tab.tabIndex = n === at ? 0 : -1;
    });
    if (focus) { list.children[at].focus(); keep(sessionStorage, "tab", panels[at].id); }
  };
  panels.forEach((panel, n) => {
    const tab = document.createElement("button");
    Object.assign(tab, { type: "button", id: `${panel.id}-tab`, textContent: panel.dataset.title });
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", panel.id);
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tab.id);
    tab.onclick = () => select(n, true);
    tab.onkeydown = (event) => {
      const to = { ArrowRight: n + 1, ArrowLeft: n - 1, Home: 0, End: panels.length - 1 }[event.key];
      if (to !== undefined) { event.preventDefault(); select((to + panels.length) % panels.length, true); }
    };
    list.append(tab);
  });
  box.prepend(list);
  box.classList.add("ready");
  select(Math.max(0, panels.findIndex((panel) => panel.id === chosen)), false);
}

async function copy(button) {
  const text = $(button.dataset.copy).textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch { // no clipboard where the connection is not private
    getSelection().selectAllChildren($(button.dataset.copy));
    document.execCommand("copy");
  }
  button.textContent = "Copied";
  say("Copied");
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
}
