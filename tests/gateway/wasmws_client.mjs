// Runs the client of go-tunnel, compiled for the browser, in Chromium on a page of this program:
//
//   wasmws_client.mjs URL OWN-PORT WASM WASM-EXEC
//
// The gateway has to allow the origin http://127.0.0.1:OWN-PORT. WASM-EXEC is the script of Go that
// runs such programs. BROWSER is the path of Chromium.
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

const LIMIT = 120_000; // milliseconds
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-dev-shm-usage'];

const [, , url, ownPort, wasm, wasmExec] = process.argv;
const files = {
  '/': ['text/html', '<!doctype html><meta charset="utf-8"><title>wasmws</title>'],
  '/client.wasm': ['application/wasm', readFileSync(wasm)],
};
const server = createServer((request, response) => {
  const [type, content] = files[request.url] ?? ['text/plain', ''];
  response.setHeader('content-type', type);
  response.end(content);
});
await new Promise((resolve) => server.listen(Number(ownPort), '127.0.0.1', resolve));

const browser = await chromium.launch({ executablePath: process.env.BROWSER, args: FLAGS });
let status = 1;
try {
  const page = await browser.newPage();
  page.on('pageerror', (error) => console.log(`error in the page: ${error.message}`));
  page.on('console', (message) => console.log(message.text()));
  page.setDefaultTimeout(LIMIT);
  await page.goto(`http://127.0.0.1:${ownPort}/`);
  await page.addScriptTag({ path: wasmExec });
  const running = page.evaluate(async (gateway) => {
    const go = new globalThis.Go();
    go.argv = ['client', gateway];
    let exitStatus = 0;
    go.exit = (code) => (exitStatus = code);
    const program = await WebAssembly.instantiateStreaming(fetch('client.wasm'), go.importObject);
    await go.run(program.instance);
    return exitStatus;
  }, url);
  const limit = new Promise((_, reject) => {
    setTimeout(() => reject(new Error('the client did not end in time')), LIMIT).unref();
  });
  status = await Promise.race([running, limit]);
} catch (error) {
  console.log(String(error.message ?? error));
} finally {
  await browser.close();
  server.close();
}
process.exit(status);
