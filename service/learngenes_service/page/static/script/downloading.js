// --- taking a file, with progress ---
const MEMORY_BYTES = 2 ** 30; // larger files are the browser's own matter, unless a key is needed
const mega = (bytes) => (bytes >= 1e9 ? `${(bytes / 1e9).toFixed(2)} GB` : bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e3).toFixed(1)} kB`);

let downloading = false;

async function download(event, link) {
  const large = Number(link.dataset.bytes) > MEMORY_BYTES;
  if (link.getAttribute("aria-disabled") === "true") { event.preventDefault(); say("The answer to what is chosen is not there yet."); return; }
  if (large && !key()) return;
  event.preventDefault();
  if (large || downloading) {
    $("getting").hidden = false;
    if (large) $("tab-curl-tab")?.click(); // with a key a tab has to hold all of it
    const why = large ? `${mega(Number(link.dataset.bytes))} are more than a tab can hold: curl, below, takes them.` : "One at a time: this one is still coming.";
    if (large) { $("getting-label").textContent = link.download; $("getting-stop").hidden = !downloading; $("getting-bar").hidden = !downloading; }
    $("getting-said").textContent = why;
    say(why);
    return;
  }
  downloading = true;
  const box = $("getting"), bar = $("getting-bar"), said = $("getting-said"), stop = new AbortController();
  const name = link.download;
  box.hidden = false;
  $("getting-label").textContent = `Downloading ${name}`;
  $("getting-stop").hidden = false;
  $("getting-stop").onclick = () => stop.abort();
  bar.hidden = false;
  bar.value = 0;
  try {
    const response = await fetch(link.href, { headers: headers(), signal: stop.signal });
    if (!response.ok) throw new Error((await response.json().catch(() => ({}))).detail || `the service answered ${response.status}`);
    const total = Number(response.headers.get("content-length")), pieces = [], begun = performance.now();
    let got = 0, told = 0;
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      pieces.push(value);
      got += value.length;
      if (performance.now() - told > 100) {
        told = performance.now();
        if (total) bar.value = got / total; else bar.removeAttribute("value");
        said.textContent = `${mega(got)}${total ? ` of ${mega(total)}` : ""}, ${mega((1000 * got) / (told - begun))}/s`;
      }
    }
    if (total && got !== total) throw new Error(`the connection ended after ${got} of ${total} bytes`);
    const url = URL.createObjectURL(new Blob(pieces, { type: "application/vnd.safetensors" }));
    Object.assign(document.createElement("a"), { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
    bar.value = 1;
    said.textContent = `${mega(got)} in ${((performance.now() - begun) / 1000).toFixed(1)} s`;
    say("Downloaded");
  } catch (error) {
    said.textContent = error.name === "AbortError" ? "Cancelled." : `Not downloaded: ${error.message}.`;
    say(said.textContent);
  }
  $("getting-stop").hidden = true;
  downloading = false;
}
