// Small helpers of all pages. Pages work without them, except for live updates.

// Theme: system, light, dark, in turn. localStorage keeps the choice (theme.js applies it).
const THEMES = { auto: "system", light: "light", dark: "dark" };
const themeButton = document.getElementById("theme");

const showTheme = () => {
  const label = THEMES[document.documentElement.dataset.theme];
  document.getElementById("theme-word").textContent = `Theme: ${label}`;
};

const nextTheme = () => {
  const names = Object.keys(THEMES);
  const current = names.indexOf(document.documentElement.dataset.theme);
  localStorage.setItem("theme", names[(current + 1) % names.length]);
  window.applyTheme();
  showTheme();
};

if (themeButton) {
  showTheme();
  themeButton.addEventListener("click", nextTheme);
}

// Live updates: sections with data-live="SECONDS" poll. They stop while the tab is hidden,
// while the person has paused them, and while text is selected.
const liveButton = document.getElementById("live");
let isPaused = sessionStorage.getItem("live") === "paused";
let answeredAt = Date.now();

// After a swap the event's own element is another one. Only the request knows who asked.
const isPoll = (event) => event.detail.requestConfig.elt.matches("[data-live]");
const isQuiet = () => document.hidden || isPaused || String(getSelection()).length > 0;

const showLive = () => {
  if (!liveButton) return;
  liveButton.setAttribute("aria-pressed", String(isPaused));
  liveButton.classList.toggle("text-warning", isPaused);
  document.getElementById("live-word").textContent = isPaused ? "Live updates: paused" : "Live updates";
};

const showConnection = () => {
  const warning = document.getElementById("stale");
  if (!warning) return;
  if (isQuiet()) answeredAt = Date.now(); // Without a question, silence means nothing.
  const section = document.querySelector("[data-live][hx-get]");
  const patience = 3000 * Number(section?.dataset.live);
  warning.hidden = !section || Date.now() - answeredAt <= patience;
};

showLive();
liveButton?.addEventListener("click", () => {
  isPaused = !isPaused;
  sessionStorage.setItem("live", isPaused ? "paused" : "on");
  answeredAt = Date.now();
  showLive();
});
document.addEventListener("visibilitychange", () => {
  answeredAt = Date.now();
});
document.body.addEventListener("htmx:beforeRequest", (event) => {
  if (isPoll(event) && isQuiet()) event.preventDefault();
});
document.body.addEventListener("htmx:afterRequest", (event) => {
  if (!isPoll(event) || !event.detail.successful) return;
  answeredAt = Date.now();
  showConnection();
});
setInterval(showConnection, 1000);

// Announce what changed in whole sentences, at most every 15 seconds unless it is urgent.
// Keep the title of the page up to date.
const ANNOUNCE_INTERVAL = 15000;
const announcer = document.getElementById("announcer");
let announcedAt = 0;

const announce = (section) => {
  const sentence = section.dataset.say;
  const isDue = Date.now() - announcedAt > ANNOUNCE_INTERVAL;
  if (sentence === announcer.textContent) return;
  if (!isDue && !section.dataset.urgent) return;
  announcer.textContent = sentence;
  announcedAt = Date.now();
};

document.body.addEventListener("htmx:afterSettle", () => {
  const section = document.querySelector("[data-say]");
  if (!section) return;
  if (section.dataset.title) document.title = section.dataset.title;
  announce(section);
});

// Buttons that copy the text of another element. Browsers offer the clipboard over HTTPS and
// on localhost only. Elsewhere the text is selected, in view, and copied the old way.
const copySelected = (source) => {
  const details = source.closest("details");
  if (details) details.open = true;
  getSelection().selectAllChildren(source);
  return document.execCommand("copy");
};

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.querySelector(button.dataset.copy);
  let isCopied = true;
  if (navigator.clipboard) await navigator.clipboard.writeText(source.textContent);
  else isCopied = copySelected(source);
  button.querySelector("span").textContent = isCopied ? "Copied" : "Press Ctrl+C to copy";
});

// Fields that show or hide others, and fields that submit their form.
const showPartsFor = (select) => {
  document.querySelectorAll(`[data-for="${select.name}"]`).forEach((part) => {
    part.hidden = !part.dataset.values.split(" ").includes(select.value);
  });
};
document.querySelectorAll("select[data-switch]").forEach((select) => {
  showPartsFor(select);
  select.addEventListener("change", () => showPartsFor(select));
});
document.querySelectorAll("select[data-submit]").forEach((select) => {
  select.addEventListener("change", () => select.form.requestSubmit());
});

// Progress of an upload.
document.body.addEventListener("htmx:xhr:progress", (event) => {
  const bar = event.target.querySelector?.("progress[data-upload]");
  if (!bar || !event.detail.lengthComputable) return;
  bar.hidden = false;
  bar.max = event.detail.total;
  bar.value = event.detail.loaded;
});

// Buttons that work once. Disabled after the form is read: a disabled button is not sent.
document.addEventListener("submit", (event) => {
  const button = event.target.querySelector("[data-once]");
  if (button) setTimeout(() => { button.disabled = true; });
});
