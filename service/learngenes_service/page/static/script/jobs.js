// --- jobs ---
async function send(method, url, body) {
  const response = await fetch(url, { method, headers: headers(body ? { "Content-Type": "application/json" } : {}), body });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.detail || `the service answered ${response.status}`);
  return answer;
}

async function askJob(button) {
  button.disabled = true;
  try {
    location.assign(`/jobs/${(await send("POST", "/v1/jobs", $("job-body").textContent)).id}`);
  } catch (error) { $("ask-said").textContent = `${error.message}.`; button.disabled = false; }
}

async function cancelJob(button) {
  if (button.getAttribute("aria-disabled")) return;
  if (!button.dataset.sure) {
    button.dataset.sure = "yes";
    button.textContent = "Really cancel it?";
    setTimeout(() => { delete button.dataset.sure; button.textContent = "Cancel this job"; }, 5000);
    return;
  }
  button.setAttribute("aria-disabled", "true");
  try {
    await send("DELETE", `/v1/jobs/${$("job").dataset.job}`);
    say("The job is being cancelled");
    $("job-status").focus({ preventScroll: true });
    await refreshJob();
    if (open() && $("cancel-said")) $("cancel-said").textContent = "Being cancelled.";
  } catch (error) { $("cancel-said").textContent = `${error.message}.`; button.removeAttribute("aria-disabled"); }
}

const open = () => ["queued", "running", "stopping"].includes($("job")?.dataset.status);

async function refresh(id) {
  const response = await fetch(location.href, { headers: headers({ Accept: "text/html" }) }).catch(() => null);
  if (!response?.ok) return null;
  const view = new DOMParser().parseFromString(await response.text(), "text/html");
  if (!$(id) || !view.getElementById(id)) return null;
  keepingFocus(() => put($(id), view.getElementById(id)));
  return view;
}

async function refreshJob() {
  const view = await refresh("job-head");
  if (view) $("job").dataset.status = view.getElementById("job").dataset.status;
}

// Server-sent events by fetch: EventSource can't send a key.
async function* events(url, last) {
  const response = await fetch(url, { headers: headers({ Accept: "text/event-stream", ...(last ? { "Last-Event-ID": last } : {}) }) });
  if (!response.ok) {
    const { detail } = await response.json().catch(() => ({}));
    const seconds = Number(response.headers.get("retry-after"));
    throw Object.assign(new Error(detail || `the service answered ${response.status}`), { status: response.status, after: 1000 * seconds || 0 });
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).replace(/\r\n?/g, "\n").split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const one = { event: "message", data: "", id: "" };
      for (const line of block.split("\n")) {
        const [, name, text] = line.match(/^(\w+): ?(.*)$/) || [];
        if (name) one[name] = name === "data" ? one.data + text : text;
      }
      if (one.data) yield one;
    }
  }
}

async function log(id) {
  if (!$("log")) return;
  const response = await fetch(`/v1/jobs/${id}/log?bytes=8192`, { headers: headers() }).catch(() => null);
  if (!response?.ok || !$("log")) return;
  const box = $("log"), text = await response.text(), low = box.scrollTop + box.clientHeight >= box.scrollHeight - 8;
  if (text && text !== box.textContent) { box.textContent = text; if (low) box.scrollTop = box.scrollHeight; }
}

const ENDS = { finished: "The job has finished", failed: "The job has failed", cancelled: "The job was cancelled" };
const EACH_MS = 2500, AGAIN_MS = 1500, RARELY_MS = 60_000;

function isAfter(id, other) { // ids are <milliseconds>-<n>
  const [one, two] = [id, other].map((text) => text.split("-").map(Number));
  return one[0] > two[0] || (one[0] === two[0] && one[1] >= two[1]);
}

async function follow(id) {
  const told = new Told(), { seen, status: first } = $("job").dataset;
  let last = "", ended = false, drawn = false, wait = AGAIN_MS, whole = !seen;
  // What is on the page already is not drawn again until all of it has been told again.
  const later = () => { if (whole && !drawn) { drawn = true; setTimeout(() => { drawn = false; if ($("job")) tell(told); }, 200); } };
  const watch = setInterval(() => {
    if (document.hidden || !open()) return;
    log(id);
    if ($("job").dataset.status === "queued" && !$("cancel")?.dataset.sure) refreshJob();
  }, EACH_MS);
  while (!ended && $("job")?.dataset.job === id) {
    try {
      for await (const one of events(`/v1/jobs/${id}/events`, last)) {
        if (one.event === "end") { ended = true; break; }
        if (one.id) last = one.id;
        whole = whole || isAfter(last, seen);
        wait = AGAIN_MS;
        $("live").hidden = !open();
        try { told.add(JSON.parse(one.data)); } catch { continue; } // one that can't be read hides no other
        later();
        if (["attempt", "start"].includes(one.event) && open()) refreshJob();
      }
    } catch (error) {
      if (error.status >= 400 && error.status < 500 && error.status !== 429) {
        $("follow-said").textContent = `Not followed any more: ${error.message}.`;
        break;
      }
      wait = Math.max(wait, error.after || 0);
    }
    if (ended) break;
    $("live").hidden = true; // asked again, from where it ended
    await sleep(wait * (0.8 + 0.4 * Math.random()));
    wait = Math.min(2 * wait, RARELY_MS);
  }
  clearInterval(watch);
  if (!$("job")) return;
  $("live").hidden = true;
  if (!ended) return;
  tell(told);
  await Promise.all([refreshJob(), log(id)]);
  const now = $("job").dataset.status;
  if (first !== now && ENDS[now]) say(ENDS[now]);
}

async function watchList() {
  while ($("jobs")?.dataset.each) {
    await sleep(1000 * Number($("jobs").dataset.each));
    if (!document.hidden) await refresh("jobs");
  }
}
