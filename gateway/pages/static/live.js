// Keeps `#live` as the server would write it now, without a reload. `data-live` says how: "on" while something is in work,
// "idle" where something may come (a list's first page), "off" where nothing changes any more.
const FIRST = 2000;
const LONGEST = 6000;
const SLOWER = 1.15;
const IDLE = 10000;

let pause = FIRST;
let timer;

async function refresh() {
  clearTimeout(timer);
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, credentials: "same-origin" });
    if (answer.redirected && new URL(answer.url).pathname === "/sign-in") location.assign(answer.url);
    if (answer.ok) put(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    // the network is away: look again later, and slower
  }
  pause = Math.min(pause * SLOWER, LONGEST);
  watch();
}

function put(page) {
  const [now, next] = [document.getElementById("live"), page.getElementById("live")];
  if (!now || !next) return;
  if (now.dataset.live !== next.dataset.live) pause = FIRST;
  if (now.dataset.said !== next.dataset.said) {
    document.getElementById("said").textContent = next.dataset.said;
    pause = FIRST; // it moves: look closely
  }
  if (now.outerHTML === next.outerHTML) return;
  const focused = sameIn(next, now.contains(document.activeElement) ? document.activeElement : null);
  const known = new Map([...now.querySelectorAll("details")].map((one) => [one.id, one.open]));
  for (const one of next.querySelectorAll("details")) one.open = known.get(one.id) ?? one.open;
  now.replaceWith(document.adoptNode(next));
  focused?.focus({ preventScroll: true });
}

// What the reader stands on, as the new page has it: by its id, or by where it leads.
function sameIn(next, element) {
  if (element?.id) return next.querySelector(`#${CSS.escape(element.id)}`);
  const leads = element?.getAttribute("href");
  return leads && [...next.querySelectorAll("a")].find((one) => one.getAttribute("href") === leads);
}

function watch() {
  clearTimeout(timer);
  const how = document.getElementById("live")?.dataset.live ?? "off";
  if (how !== "off" && !document.hidden) timer = setTimeout(refresh, how === "idle" ? IDLE : pause);
}

document.addEventListener("visibilitychange", watch);
document.addEventListener("rowline:changed", () => {
  pause = FIRST;
  refresh();
});
watch();
