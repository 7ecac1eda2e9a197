// Runs the clients of page.mjs in Chromium, on a page of this program:
//
//   browser_client.mjs URL DESCRIPTORS OWN-PORT
//
// The gateway at the URL has to allow the origin http://127.0.0.1:OWN-PORT; its certificate is not
// checked. BROWSER is the path of Chromium.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { report } from './conversation.mjs';

const LIMIT = 240_000; // milliseconds, for all clients
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-dev-shm-usage',
  '--ignore-certificate-errors',
];

const [, , url, descriptors, ownPort] = process.argv;

const bundle = await build({
  entryPoints: [new URL('page.mjs', import.meta.url).pathname],
  bundle: true,
  format: 'iife',
  platform: 'browser',
  write: false,
  logLevel: 'error',
});
const server = createServer((_, response) => {
  response.setHeader('content-type', 'text/html');
  response.end('<!doctype html><meta charset="utf-8"><title>clients</title>');
});
await new Promise((resolve) => server.listen(Number(ownPort), '127.0.0.1', resolve));

const browser = await chromium.launch({ executablePath: process.env.BROWSER, args: FLAGS });
let status = 1;
try {
  const page = await browser.newPage();
  page.on('pageerror', (error) => console.log(`error in the page: ${error.message}`));
  page.setDefaultTimeout(LIMIT);
  await page.goto(`http://127.0.0.1:${ownPort}/`);
  await page.addScriptTag({ content: bundle.outputFiles[0].text });
  const running = page.evaluate(
    ([gateway, set]) => globalThis.run(gateway, set),
    [url, readFileSync(descriptors).toString('base64')],
  );
  const limit = new Promise((_, reject) => {
    setTimeout(() => reject(new Error('the page did not end in time')), LIMIT).unref();
  });
  status = report(await Promise.race([running, limit]));
} catch (error) {
  console.log(String(error.message ?? error));
} finally {
  await browser.close();
  server.close();
}
process.exit(status);
