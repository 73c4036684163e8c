// Keeps `#live` as the server would write it now, without a reload, until the server says that it has ended.
const FIRST = 2000;
const LONGEST = 6000;
const SLOWER = 1.15;

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
  if (now.dataset.said !== next.dataset.said) {
    document.getElementById("said").textContent = next.dataset.said;
    pause = FIRST; // it moves: look closely
  }
  if (now.outerHTML === next.outerHTML) return;
  const focused = document.activeElement?.id;
  const known = new Map([...now.querySelectorAll("details")].map((one) => [one.id, one.open]));
  for (const one of next.querySelectorAll("details")) one.open = known.get(one.id) ?? one.open;
  now.replaceWith(document.adoptNode(next));
  if (focused) document.getElementById(focused)?.focus();
}

function watch() {
  clearTimeout(timer);
  if (document.getElementById("live")?.dataset.live === "on" && !document.hidden) timer = setTimeout(refresh, pause);
}

document.addEventListener("visibilitychange", watch);
document.addEventListener("rowline:changed", () => {
  pause = FIRST;
  refresh();
});
watch();
