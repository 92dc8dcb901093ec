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

// Cells of the grid: a change is saved as soon as one leaves the cell, Escape takes it back.
// What was typed meanwhile in other cells of the row survives its redrawing.
let unsavedCells = [];

// A browser also leaves a cell that is removed from the page; its new row is not saved then.
document.addEventListener("focusout", (event) => {
  const cell = event.target;
  if (!cell.matches("[data-cell]") || cell.closest("[data-redrawn]")) return;
  if (cell.value !== cell.defaultValue) cell.form.requestSubmit();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !event.target.matches("[data-cell]")) return;
  event.target.value = event.target.defaultValue;
});
document.body.addEventListener("htmx:beforeSwap", (event) => {
  const { target, requestConfig } = event.detail;
  if (!target.matches(".problem-grid tr")) return;
  target.dataset.redrawn = "";
  const cells = [...target.querySelectorAll("[data-cell]")];
  const isUnsaved = (cell) => cell.value !== cell.defaultValue && cell.form !== requestConfig.elt;
  unsavedCells = cells.filter(isUnsaved).map(({ id, value }) => ({ id, value }));
});
document.body.addEventListener("htmx:afterSwap", () => {
  unsavedCells.forEach(({ id, value }) => {
    const cell = document.getElementById(id);
    if (cell?.matches("[data-cell]")) cell.value = value;
  });
  unsavedCells = [];
});

// Upload: choose, drop or paste a file. One that is too large is refused before it is sent.
const MEGABYTE = 1000 ** 2;
const LIMIT_MEGABYTE = 1024 ** 2;
const PASTED_NAME = "pasted.tsv";
const inMegabytes = (bytes, unit = MEGABYTE) => `${Math.ceil(bytes / unit).toLocaleString("en")} MB`;
const counted = (number, thing) => `${number.toLocaleString("en")} ${thing}${number === 1 ? "" : "s"}`;
const isShown = (element) => element.checkVisibility?.() ?? true;
const isTextField = (element) => element.matches?.("textarea, input:not([type=file]), [contenteditable]");

const showDropHints = () => {
  document.querySelectorAll("[data-drop-hint]").forEach((hint) => { hint.hidden = false; });
  if (!navigator.clipboard?.readText) return;
  document.querySelectorAll("[data-paste]").forEach((button) => { button.hidden = false; });
};

const sayInDrop = (drop, text, isError = false) => {
  const state = drop.querySelector("[data-drop-state]");
  state.textContent = text;
  state.classList.toggle("bad", isError);
};

const checkFile = (input) => {
  const drop = input.closest("[data-drop]");
  const file = input.files[0];
  const isTooLarge = file && file.size > Number(input.dataset.maxBytes);
  const limit = inMegabytes(Number(input.dataset.maxBytes), LIMIT_MEGABYTE);
  const refusal = isTooLarge ? `${file.name} is larger than ${limit}. Split it, or raise JOBSUI_MAX_UPLOAD_MB.` : "";
  input.setCustomValidity(refusal);
  input.toggleAttribute("aria-invalid", Boolean(refusal));
  sayInDrop(drop, refusal, Boolean(refusal));
  return !refusal;
};

const putFile = (drop, file, text) => {
  const input = drop.querySelector("input[type=file]");
  const transfer = new DataTransfer();
  transfer.items.add(file);
  input.files = transfer.files;
  if (checkFile(input)) sayInDrop(drop, text);
};

const putText = (drop, text) => {
  if (!text.trim()) {
    sayInDrop(drop, "There is no text to paste. Copy rows in a spreadsheet first.", true);
    return;
  }
  const rows = text.trimEnd().split("\n").length;
  const file = new File([text], PASTED_NAME, { type: "text/tab-separated-values" });
  putFile(drop, file, `Pasted ${counted(rows, "row")}, the header included.`);
};

// The place for a file where the person points, else the first one that is shown.
const dropAt = (target) => (
  target.closest?.("[data-drop]") ?? [...document.querySelectorAll("[data-drop]")].find(isShown)
);

const markDrop = (drop) => {
  document.querySelectorAll("[data-drop]").forEach((each) => each.classList.toggle("is-over", each === drop));
};

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-drop] input[type=file]")) checkFile(event.target);
});
document.addEventListener("dragover", (event) => {
  const drop = dropAt(event.target);
  if (!drop || !event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  markDrop(drop);
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) markDrop(null);
});
document.addEventListener("drop", (event) => {
  const drop = dropAt(event.target);
  const files = event.dataTransfer.files;
  if (!drop || !files.length) return;
  event.preventDefault();
  markDrop(null);
  if (files.length > 1) sayInDrop(drop, "Drop one file. A job has one.", true);
  else putFile(drop, files[0], `${files[0].name} is chosen.`);
});
document.addEventListener("paste", (event) => {
  const drop = dropAt(event.target);
  if (!drop || isTextField(event.target)) return;
  event.preventDefault();
  const file = event.clipboardData.files[0];
  if (file) putFile(drop, file, `${file.name} is chosen.`);
  else putText(drop, event.clipboardData.getData("text/plain"));
});
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-paste]");
  if (!button) return;
  const drop = button.closest("[data-drop]");
  try {
    putText(drop, await navigator.clipboard.readText());
  } catch {
    sayInDrop(drop, "The browser does not let this page read the clipboard. Press Ctrl+V.", true);
  }
});
document.body.addEventListener("htmx:afterSettle", showDropHints);
showDropHints();

const uploadOf = (event) => event.target.querySelector?.("[data-upload]");

document.body.addEventListener("htmx:xhr:progress", (event) => {
  const upload = uploadOf(event);
  if (!upload || !event.detail.lengthComputable) return;
  const { loaded, total } = event.detail;
  const bar = upload.querySelector("progress");
  upload.classList.add("is-active");
  bar.max = total;
  bar.value = loaded;
  const isSent = loaded === total;
  upload.querySelector("span").textContent = isSent ? "Storing the file" : `${inMegabytes(loaded)} of ${inMegabytes(total)}`;
});
document.body.addEventListener("htmx:sendError", (event) => {
  const upload = uploadOf(event);
  if (!upload?.classList.contains("is-active")) return;
  upload.classList.remove("is-active");
  const sent = inMegabytes(upload.querySelector("progress").value);
  sayInDrop(upload.closest("[data-drop]"), `The upload stopped at ${sent}. Check the connection and upload again.`, true);
});

// Buttons that work once. Disabled after the form is read: a disabled button is not sent.
document.addEventListener("submit", (event) => {
  const button = event.target.querySelector("[data-once]");
  if (button) setTimeout(() => { button.disabled = true; });
});
