// The page works without this script: every view is rendered by the service and has an address. The script fetches the
// same addresses as you slide and puts in what changed, sends the key where one is set, and follows jobs as they run.
// Its files are joined in the order of assets.py, inside one function.
const root = document.documentElement;
const $ = (id) => document.getElementById(id);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
root.classList.add("js");

// --- what is remembered: colours for this browser, key and tab for this tab of it ---
const kept = (store, name) => { try { return store.getItem(`learngenes-${name}`) || ""; } catch { return ""; } };
const keep = (store, name, value) => {
  try { value ? store.setItem(`learngenes-${name}`, value) : store.removeItem(`learngenes-${name}`); } catch { /* private mode */ }
};
let theme = kept(localStorage, "theme");
if (theme) root.dataset.theme = theme;
const key = () => kept(sessionStorage, "key");
if (key()) root.classList.add("waiting"); // what comes is what is there without it
const headers = (more = {}) => (key() ? { ...more, Authorization: `Bearer ${key()}` } : more);
const say = (text) => { $("said").textContent = text; };
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

function showTheme() {
  const name = { light: "Light", dark: "Dark" }[theme] || "Auto";
  $("theme-name").textContent = name;
  $("theme").setAttribute("aria-label", `Colours: ${name}`);
  if (theme) root.dataset.theme = theme; else delete root.dataset.theme;
}

function turnTheme() {
  theme = { "": "light", light: "dark", dark: "" }[theme];
  keep(localStorage, "theme", theme);
  showTheme();
}

function useKey(value, input) {
  if (!/^[\x21-\x7e]*$/.test(value)) { // a header has no other letters
    input.setCustomValidity("A key has plain letters, digits, - and _ alone.");
    input.reportValidity();
    input.oninput = () => input.setCustomValidity("");
    return;
  }
  keep(sessionStorage, "key", value);
  location.reload();
}
