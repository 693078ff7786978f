// --- uploading ---
const numbers = (text) => (text.trim() ? text.split(/[\s,]+/).filter(Boolean).map(Number) : undefined);

async function digest(form, file) {
  const given = form.sha256.value.trim().toLowerCase();
  if (given && !/^[0-9a-f]{64}$/.test(given)) throw new Error("a sha256 has 64 digits of 0-9 and a-f, as sha256sum prints it");
  if (given) return given;
  const most = Number(form.dataset.digestBytes);
  if (!crypto.subtle || file.size > most) {
    $("upload-more").open = true;
    form.sha256.focus();
    throw new Error(crypto.subtle ? `the file has ${mega(file.size)}, more than is read here; paste its sha256` : "a browser works out digests on private connections alone (https, or this machine); paste the file's sha256");
  }
  const raw = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
  return [...raw].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function sendFile(url, file, signal) { // fetch tells nothing of how far a body is
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    request.open("PUT", url);
    for (const [name, value] of Object.entries(headers({ "Content-Type": "application/octet-stream" }))) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => {
      $("upload-bar").value = event.loaded / file.size;
      $("upload-said").textContent = `${mega(event.loaded)} of ${mega(file.size)}`;
    };
    request.onload = () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { /* said by its status */ }
      request.status < 300 ? done(answer) : fail(new Error(answer.detail || `the service answered ${request.status}`));
    };
    request.onerror = () => fail(new Error("the connection ended"));
    request.onabort = () => fail(new DOMException("cancelled", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

async function manifestOf(form) {
  const file = form.manifest.files[0];
  if (!file) throw new Error("choose its manifest.json too");
  let manifest = null;
  try { manifest = JSON.parse(await file.text()); } catch { /* said below */ }
  if (!/^[0-9a-f]{64}$/.test(manifest?.weights?.sha256)) throw new Error(`${file.name} is no manifest of a learngene: choose the one that learngenes export wrote`);
  return manifest;
}

function bodyOf(form, sha256, manifest) {
  const alias = form.alias.value.trim() || undefined, hidden = form.private.checked;
  if (manifest) return { manifest, alias, private: hidden };
  const labels = form.labels.value.split("\n").map((line) => line.trim()).filter(Boolean);
  return {
    name: form.elements.name.value.trim(), sha256, method: form.method.value, heads: Number(form.heads.value) || undefined,
    mean: numbers(form.mean.value), std: numbers(form.std.value), crop_pct: Number(form.crop_pct.value) || undefined,
    labels: labels.length ? labels : undefined, license: form.license.value.trim() || undefined,
    data_license: form.data_license.value.trim() || undefined, description: form.description.value.trim() || undefined,
    alias, private: hidden,
  };
}

async function upload(form) {
  const file = form.file.files[0], said = $("upload-said"), stop = new AbortController();
  $("upload-go").disabled = true;
  $("upload-bar").hidden = $("upload-stop").hidden = false;
  $("upload-stop").onclick = () => stop.abort();
  try {
    if (file.size > Number(form.dataset.mostBytes)) throw new Error(`the file has ${mega(file.size)}, the service takes ${mega(Number(form.dataset.mostBytes))}`);
    said.textContent = "Reading the file …";
    const manifest = form.what.value === "manifest" ? await manifestOf(form) : null;
    const sha256 = manifest ? manifest.weights.sha256 : await digest(form, file);
    await sendFile(`/v1/blobs/${sha256}`, file, stop.signal);
    said.textContent = "Being checked and published …";
    const made = await send("POST", "/v1/learngenes", JSON.stringify(bodyOf(form, sha256, manifest)));
    const link = document.createElement("a");
    Object.assign(link, { href: `/?learngene=${encodeURIComponent(made.name)}`, textContent: made.reference });
    said.replaceChildren("Published ", link);
  } catch (error) {
    said.textContent = error.name === "AbortError" ? "Cancelled." : `Not published: ${error.message}.`;
  }
  $("upload-bar").hidden = $("upload-stop").hidden = true;
  $("upload-go").disabled = false;
}

function dressUpload() { // what is asked for is what can be seen
  const form = $("upload"), exported = form.what.value === "manifest";
  $("of-manifest").hidden = !exported;
  $("of-checkpoint").hidden = exported;
  form.manifest.required = exported;
  form.elements.name.required = !exported;
}

addEventListener("change", (event) => { if (event.target.name === "what") dressUpload(); });
