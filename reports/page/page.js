"use strict";
// Everything can be read without this: it only filters, copies, and opens the law that a link leads to.
const filters = document.getElementById("filters");
const laws = [...document.querySelectorAll(".law")];

function filter() {
  const wanted = Object.fromEntries(new FormData(filters));
  const words = wanted.find.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const law of laws) {
    const text = law.textContent.toLowerCase();
    const shown =
      (!wanted.family || law.dataset.family === wanted.family) &&
      (!wanted.level || law.dataset.level === wanted.level) &&
      (!wanted.verdict || law.dataset.verdicts.split(" ").includes(wanted.verdict)) &&
      words.every((word) => text.includes(word));
    law.hidden = !shown;
    count += shown;
  }
  for (const family of document.querySelectorAll(".family")) {
    family.hidden = !family.querySelector(".law:not([hidden])");
  }
  document.getElementById("count").textContent = count;
  document.getElementById("nothing").hidden = count > 0;
}
filters.hidden = false;
filters.addEventListener("input", filter);
filters.addEventListener("reset", () => setTimeout(filter));
filters.addEventListener("submit", (event) => event.preventDefault());

function reveal() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  if (target.hidden || target.closest("[hidden]")) {
    filters.reset();
    setTimeout(() => target.scrollIntoView());
  }
  if (target.matches("details")) target.open = true;
}
addEventListener("hashchange", reveal);
reveal();

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}
for (const box of document.querySelectorAll(".script")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy script";
  button.addEventListener("click", async () => {
    await copy(box.querySelector("pre").textContent);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy script"), 2000);
  });
  box.prepend(button);
}
