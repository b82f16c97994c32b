// Looks at the built site in a browser: each page from its file, at two widths, in light and in dark.
//
//   npm install --prefix build/node puppeteer-core axe-core    # once; and Chromium from the system
//   NODE_PATH=build/node/node_modules node scripts/site/browser.js [a regular expression of pages]
//
// Reports what axe-core finds serious or critical, pages wider than the screen, errors of scripts, and requests
// to other machines; tries the search. Exit code 1 if there is any. SHOTS=FOLDER keeps pictures of the pages,
// CHROMIUM=PATH names the browser.
"use strict";
const fs = require("fs");
const path = require("path");
const puppeteer = require("puppeteer-core");

const SITE = path.resolve("build/site");
const ONLY = new RegExp(process.argv[2] || ".");
const AXE = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const WIDTHS = [400, 1280]; // CSS pixels
const SCHEMES = ["default", "slate"];
const found = new Map(); // fault -> where

function report(fault, where) {
  found.set(fault, [...(found.get(fault) || []), where]);
}

async function judge(page, where) {
  const { violations } = await page.evaluate(() => axe.run(document, { preload: false }));
  for (const { id, impact, nodes } of violations)
    if (["serious", "critical"].includes(impact))
      for (const { target, html } of nodes) report(`${id}: ${html.slice(0, 100)}`, `${where} ${target}`);
}

async function look(browser, name) {
  const page = await browser.newPage();
  page.on("request", (request) => {
    if (!/^(file|data|blob):/.test(request.url())) report(`asks for ${request.url()}`, name);
  });
  page.on("pageerror", (error) => report(`script: ${error.message}`, name));
  await page.emulateMediaFeatures([{ name: "prefers-reduced-motion", value: "reduce" }]);
  await page.goto(`file://${SITE}/${name}`, { waitUntil: "load" });
  await page.evaluate(AXE);
  for (const width of WIDTHS) {
    await page.setViewport({ width, height: 900 });
    for (const scheme of SCHEMES) {
      const where = `${name} ${width} ${scheme}`;
      await page.evaluate((value) => document.body.setAttribute("data-md-color-scheme", value), scheme);
      await new Promise((done) => setTimeout(done, 500)); // colours change slowly
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (wide > 0) report("wider than the screen", where);
      await judge(page, where);
      const file = `${name.replaceAll("/", "_")}.${width}.${scheme}.png`;
      if (process.env.SHOTS) await page.screenshot({ path: path.join(process.env.SHOTS, file), fullPage: true });
    }
  }
  await page.close();
}

async function search(browser) {
  const page = await browser.newPage();
  await page.setViewport({ width: 1280, height: 900 });
  await page.goto(`file://${SITE}/index.html`, { waitUntil: "load" });
  await page.click(".md-search__input");
  await page.type(".md-search__input", "discriminator");
  const result = page.waitForSelector(".md-search-result__item", { timeout: 20000 });
  await result.catch(() => report("finds nothing", "search"));
  await page.evaluate(AXE);
  await new Promise((done) => setTimeout(done, 1000));
  await judge(page, "search");
  await page.close();
}

async function main() {
  const executablePath = process.env.CHROMIUM || "/usr/bin/chromium";
  const browser = await puppeteer.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
  const pages = fs.readdirSync(SITE, { recursive: true }).filter((name) => name.endsWith(".html"));
  const chosen = pages.filter((name) => name !== "404.html" && ONLY.test(name)).sort();
  for (const name of chosen) await look(browser, name);
  await search(browser);
  await browser.close();
  for (const [fault, places] of found) console.log(`${fault}\n  ${places.length} times, first in ${places[0]}`);
  console.log(`${chosen.length} pages, ${found.size} faults`);
  process.exitCode = found.size ? 1 : 0;
}

main();
