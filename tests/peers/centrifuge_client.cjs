// A client of centrifuge's SDK for JavaScript in Node. Reads orders and writes answers and events,
// each a line of JSON. The second argument is `json` or `protobuf`.
'use strict';

const readline = require('node:readline');
const websocket = require('ws');
const { centrifugeActions } = require('./centrifuge_actions.js');

const [, , url, encoding] = process.argv;
const protobuf = encoding === 'protobuf';
const { Centrifuge } = require(protobuf ? 'centrifuge/build/protobuf' : 'centrifuge');

const write = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const { run } = centrifugeActions(Centrifuge, url, protobuf, { websocket }, write);
readline.createInterface({ input: process.stdin })
  .on('line', (line) => run(JSON.parse(line)).then(write))
  .on('close', () => process.exit(0));
