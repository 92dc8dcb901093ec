// Small helpers of all pages. Pages work without them, minus live updates.

// Theme: auto, light, dark, in turn.
const theme = document.getElementById("theme");
const words = { auto: "Auto", light: "Light", dark: "Dark" };
const showTheme = () => {
  const chosen = document.documentElement.dataset.theme;
  document.getElementById("theme-word").textContent = words[chosen];
  theme.setAttribute("aria-label", `Theme: ${words[chosen]}`);
};
if (theme) {
  showTheme();
  theme.addEventListener("click", () => {
    const order = Object.keys(words);
    const next = order[(order.indexOf(document.documentElement.dataset.theme) + 1) % order.length];
    localStorage.setItem("theme", next);
    window.applyTheme();
    showTheme();
  });
}

// Live updates: none while the tab is hidden, paused, or text is selected.
const live = document.getElementById("live");
let paused = sessionStorage.getItem("live") === "paused";
const showLive = () => {
  if (!live) return;
  live.setAttribute("aria-pressed", String(paused));
  live.classList.toggle("text-warning", paused);
  document.getElementById("live-word").textContent = paused ? "Live: paused" : "Live";
};
showLive();
live?.addEventListener("click", () => {
  paused = !paused;
  sessionStorage.setItem("live", paused ? "paused" : "on");
  showLive();
});
let heard = Date.now();
document.body.addEventListener("htmx:beforeRequest", (event) => {
  if (!event.detail.elt.matches("[data-live]")) return;
  if (document.hidden || paused || String(getSelection()).length) event.preventDefault();
});
document.body.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.elt.matches("[data-live]") && event.detail.successful) heard = Date.now();
});
const showStale = () => {
  const section = document.querySelector("[data-live][hx-get]");
  const late = section && !document.hidden && !paused && Date.now() - heard > 3000 * Number(section.dataset.live || 5);
  const stale = document.getElementById("stale");
  if (stale) stale.hidden = !late;
};
setInterval(showStale, 2000);

// Say what changed, in whole sentences and not too often; and keep the title true.
const announcer = document.getElementById("announcer");
let said = "";
let saidAt = 0;
document.body.addEventListener("htmx:afterSettle", () => {
  showStale();
  const section = document.querySelector("[data-say]");
  if (!section) return;
  if (section.dataset.title) document.title = section.dataset.title;
  const words = section.dataset.say;
  if (words !== said && (Date.now() - saidAt > 15000 || section.dataset.urgent)) {
    said = words;
    saidAt = Date.now();
    announcer.textContent = words;
  }
});

// Buttons that copy, fields that show or hide others, uploads that tell how far they are.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(document.querySelector(button.dataset.copy).textContent);
  button.querySelector("span").textContent = "Copied";
});
const showFor = (select) => {
  document.querySelectorAll(`[data-for="${select.name}"]`).forEach((part) => {
    part.hidden = !part.dataset.values.split(" ").includes(select.value);
  });
};
document.querySelectorAll("select[data-switch]").forEach((select) => {
  showFor(select);
  select.addEventListener("change", () => showFor(select));
});
document.querySelectorAll("select[data-submit]").forEach((select) => {
  select.addEventListener("change", () => select.form.requestSubmit());
});
document.body.addEventListener("htmx:xhr:progress", (event) => {
  const bar = event.target.querySelector?.("progress[data-upload]");
  if (!bar || !event.detail.lengthComputable) return;
  bar.hidden = false;
  bar.max = event.detail.total;
  bar.value = event.detail.loaded;
});
document.addEventListener("submit", (event) => {
  const button = event.target.querySelector("[data-once]");
  if (button) setTimeout(() => { button.disabled = true; });
});
