// SPDX-License-Identifier: Apache-2.0
// Drives the server's page: node serve_page.mjs URL NODE_MODULES CHROMIUM [FOLDER for screenshots]. Prints what it saw as JSON.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [url, modules, executablePath, pictures] = process.argv.slice(2);
const { chromium } = createRequire(pathToFileURL(modules + "/"))("playwright-core");
const browser = await chromium.launch({
  executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const seen = { problems: [] };
const page = await browser.newPage({ viewport: { width: 1000, height: 1250 } });
page.on("console", (m) => ["error", "warning"].includes(m.type()) && seen.problems.push(m.text()));
page.on("pageerror", (e) => seen.problems.push(String(e)));
const picture = (name) => (pictures ? page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true }) : null);
const status = () => page.textContent("#status");

await page.goto(url);
await page.waitForFunction(() => document.querySelectorAll("#card dt").length > 5);
await page.fill("#prompt", "Lily went");
await page.fill("#max_tokens", "30");
await page.fill("#temperature", "0");
await page.keyboard.press("Control+Enter");
await page.waitForFunction(() => document.getElementById("status").textContent.includes("ended by"));
seen.status = await status();
seen.text = await page.textContent("#out");

await page.hover("#out .token:nth-of-type(5)");
seen.alternatives = await page.locator("#detail tbody tr").count();
seen.hovered = await page.textContent("#detail .chosen");
await picture("page-light");
await page.focus("#out .token:nth-of-type(5)");
await page.keyboard.press("ArrowRight");
seen.moved = await page.textContent("#detail .chosen");

await page.fill("#max_tokens", "1");
await page.keyboard.press("Control+Enter");
await page.waitForFunction(() => document.getElementById("status").textContent.startsWith("1 token"));
seen.one = await status();
await page.fill("#max_tokens", "60");
await page.fill("#stop", "the");
await page.keyboard.press("Control+Enter");
await page.waitForFunction(() => document.getElementById("status").textContent.endsWith("ended by stop"));
seen.before_stop = await page.textContent("#out");
await page.fill("#stop", "");
await page.fill("#temperature", "9");  // the form allows 5
await page.keyboard.press("Control+Enter");
seen.refused = await status();
await page.fill("#temperature", "0");

await page.selectOption("#model", "random");
await page.waitForFunction(() => document.getElementById("card").textContent.includes("ternary"));
seen.card = await page.textContent("#card");
seen.layers = await page.locator("#layers rect").count();
await page.emulateMedia({ colorScheme: "dark" });
await page.setViewportSize({ width: 390, height: 844 });
seen.wide = await page.evaluate(() => Math.max(0, document.documentElement.scrollWidth - innerWidth));
await picture("page-phone-dark");

await page.fill("#max_tokens", "100000");
await page.fill("#temperature", "1");
await page.evaluate(() => {  // so long that it can be stopped: the server delays nothing
  const real = window.fetch;
  window.fetch = (path, options) => {
    if (options?.body) options.body = JSON.stringify({ ...JSON.parse(options.body), ignore_eos: true });
    return real(path, options);
  };
});
await page.click("#go");
await page.waitForFunction(() => {  // in the page: a click from here may come after the text has ended
  const halt = document.getElementById("halt");
  if (halt.disabled || document.querySelectorAll("#out .token").length <= 3) return false;
  halt.click();
  return true;
});
await page.waitForFunction(() => document.getElementById("status").textContent.includes("stopped"));
seen.stopped = await status();
await browser.close();
console.log(JSON.stringify(seen));
