// Compiles a WebAssembly module, fails if it imports anything, then calls its function `probe`,
// which returns 0 on success: node ci/wasm-imports.mjs MODULE.wasm
import { readFileSync } from "node:fs";

const bytes = readFileSync(process.argv[2]);
const compiled = new WebAssembly.Module(bytes);

const imports = WebAssembly.Module.imports(compiled);
console.log(`wasm: ${bytes.length} bytes, ${imports.length} imports`);
for (const { module: from, name, kind } of imports) {
  console.error(`wasm: imports the ${kind} ${from}.${name}`);
}
if (imports.length > 0) {
  process.exit(1);
}

const { exports } = new WebAssembly.Instance(compiled, {});
const answer = exports.probe();
console.log(`wasm: probe() is ${answer}`);
process.exit(answer === 0 ? 0 : 1);
