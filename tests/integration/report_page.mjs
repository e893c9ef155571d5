// SPDX-License-Identifier: Apache-2.0
// Opens a report: node report_page.mjs FILE NODE_MODULES CHROMIUM [FOLDER for screenshots]. Prints what it saw as JSON.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [file, modules, executablePath, pictures] = process.argv.slice(2);
const { chromium } = createRequire(pathToFileURL(modules + "/"))("playwright-core");
const browser = await chromium.launch({
  executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const url = pathToFileURL(file).href;
const seen = { problems: [], requests: [], views: {} };

async function open(width, height, colorScheme, javaScriptEnabled = true) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, javaScriptEnabled });
  const page = await context.newPage();
  page.on("console", (m) => ["error", "warning"].includes(m.type()) && seen.problems.push(m.text()));
  page.on("pageerror", (e) => seen.problems.push(String(e)));
  page.on("request", (r) => r.url() !== url && !r.url().startsWith("data:") && seen.requests.push(r.url()));
  await page.goto(url);
  return page;
}

/// What is wrong with the charts as drawn: empty ones, text that leaves the picture, names and ticks that cover each other.
function inspect() {
  const faults = [];
  const meet = (a, b) => a.x < b.x + b.width - 1 && b.x < a.x + a.width - 1 && a.y < b.y + b.height - 3 && b.y < a.y + a.height - 3;
  for (const figure of document.querySelectorAll("figure")) {
    if (!figure.querySelector("svg")) faults.push(`${figure.id}: no picture`);
    for (const svg of figure.querySelectorAll(".plot > svg")) {
      const box = svg.getBoundingClientRect(), view = svg.viewBox.baseVal, shapes = svg.querySelectorAll(".line,.point,.cross,.bar-area");
      if (!(box.width > 100 && box.height > 50) || !shapes.length) faults.push(`${figure.id}: an empty picture`);
      for (const shape of shapes) {
        const drawn = shape.getBBox();
        if (!(drawn.width + drawn.height > 0)) faults.push(`${figure.id}: a shape without size`);
      }
      const texts = [...svg.querySelectorAll("text")].map((text) => [text, text.getBBox()]);
      for (const [text, b] of texts)
        if (b.x < -2 || b.y < -2 || b.x + b.width > view.width + 2 || b.y + b.height > view.height + 2) faults.push(`${figure.id}: "${text.textContent}" leaves the picture`);
      const fixed = texts.filter(([text]) => !text.classList.contains("marked"));
      fixed.forEach(([text, a], i) => fixed.slice(i + 1).forEach(([other, b]) => meet(a, b) && faults.push(`${figure.id}: "${text.textContent}" covers "${other.textContent}"`)));
      if (/NaN|Infinity|undefined/.test(svg.outerHTML)) faults.push(`${figure.id}: not a number`);
    }
  }
  return { faults, figures: document.querySelectorAll("figure").length, overflow: Math.max(0, document.documentElement.scrollWidth - innerWidth) };
}

for (const [name, width, height, scheme] of [["light", 1280, 1180, "light"], ["dark", 1280, 900, "dark"], ["phone-light", 375, 812, "light"], ["phone-dark", 375, 812, "dark"]]) {
  const page = await open(width, height, scheme);
  seen.views[name] = { ...(await page.evaluate(inspect)), background: await page.evaluate(() => getComputedStyle(document.body).backgroundColor) };
  if (pictures) await page.evaluate(() => document.getElementById("loss").scrollIntoView());
  if (pictures) await page.screenshot({ path: `${pictures}/report-${name}.png` });
  if (pictures) await page.screenshot({ path: `${pictures}/report-${name}-whole.png`, fullPage: true });
  await page.close();
}

const plain = await open(1280, 900, "light", false);  // whole without its script
seen.views["no script"] = { figures: await plain.locator("figure svg").count(), tables: await plain.locator("main table").count() };
await plain.close();

const page = await open(1280, 900, "light");
const plot = page.locator(".plot").first();
const first = JSON.parse(await plot.locator("script").textContent()).series.find((s) => s.points.length > 1).points[0];
const box = await plot.locator("svg").boundingBox(), scale = box.width / (await plot.locator("svg").evaluate((svg) => svg.viewBox.baseVal.width));
await plot.scrollIntoViewIfNeeded();
await plot.locator("svg").hover({ position: { x: first[0] * scale + 2, y: first[1] * scale - 2 } });
seen.expected = first[2];
seen.tip = await plot.locator(".tip").textContent();
seen.crosshair = await plot.locator(".cross-hair").count();
await page.mouse.move(2, 2);
seen.left = await plot.locator(".tip").isHidden();
await plot.locator("svg").focus();
await page.keyboard.press("ArrowRight");
seen.key = await plot.locator(".tip").textContent();
await page.keyboard.press("ArrowRight");
seen.next = await plot.locator(".tip").textContent();
await page.keyboard.press("Escape");
seen.escaped = await plot.locator(".tip").isHidden();

const column = (name) => page.evaluate((label) => {
  const table = [...document.querySelectorAll("#models ~ .wide table, #runs ~ .wide table")][0];
  const index = [...table.tHead.rows[0].cells].findIndex((cell) => cell.textContent === label);
  return [...table.tBodies[0].rows].map((row) => row.cells[index].dataset.value);
}, name);
const button = page.locator("#models ~ .wide th button, #runs ~ .wide th button", { hasText: "validation loss" }).first();
await button.focus();
await page.keyboard.press("Enter");
seen.ascending = await column("validation loss");
seen.sort = await button.evaluate((b) => b.parentNode.getAttribute("aria-sort"));
await button.click();
seen.descending = await column("validation loss");

await page.locator("figure details").first().locator("summary").click();
const link = page.locator("figure details").first().locator("a[download]");
const download = page.waitForEvent("download");
await link.click();
const stream = await (await download).createReadStream();
let csv = "";
for await (const chunk of stream) csv += chunk;
seen.csv = csv;
await page.emulateMedia({ media: "print" });
seen.printed = await page.evaluate(() => getComputedStyle(document.querySelector("nav")).display);
await browser.close();
console.log(JSON.stringify(seen));
