// A client of centrifuge's SDK for JavaScript in Chromium. Reads orders and writes answers and
// events, each a line of JSON. The second argument is `json` or `protobuf`.
'use strict';

const path = require('node:path');
const readline = require('node:readline');
const { chromium } = require('playwright-core');

const [, , url, encoding] = process.argv;
const protobuf = encoding === 'protobuf';
const script = protobuf ? 'centrifuge.protobuf.js' : 'centrifuge.js';
const write = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

(async () => {
  const browser = await chromium.launch({ executablePath: process.env.BROWSER, args: ['--no-sandbox'] });
  const page = await browser.newPage();
  // The server answers that it expects a WebSocket; what counts is the origin of the page.
  await page.goto(url.replace('ws:', 'http:'));
  await page.addScriptTag({ path: path.join(process.env.NODE_PATH, 'centrifuge/dist', script) });
  await page.addScriptTag({ path: path.join(__dirname, 'centrifuge_actions.js') });
  await page.exposeFunction('write', write);
  await page.evaluate(([url, protobuf]) => {
    window.run = centrifugeActions(window.Centrifuge, url, protobuf, {}, window.write).run;
  }, [url, protobuf]);
  readline.createInterface({ input: process.stdin })
    .on('line', (line) => page.evaluate((order) => window.run(order), JSON.parse(line)).then(write))
    .on('close', () => browser.close().then(() => process.exit(0)));
})();
