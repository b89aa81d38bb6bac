// A back end on the stock service SDK: sends seven patches to the twin of one device, each without waiting for the one
// before it, and shows what the device reported in the end.
//
//   node backend.js SERVICE_CONNECTION_STRING [PAUSE_MS [DEVICE_ID]]
//
// The last line of its output is the reported section of a fresh twin, as JSON. Exit code 1 if anything fails.
'use strict';

const { Registry } = require('azure-iothub');

const [connectionString, pauseText = '1000', deviceId = 'MyTwinDevice'] = process.argv.slice(2);
const pauseMs = Number(pauseText);
// The first and the last pause are longer than those between patches.
const LONG = 4;

const climate = { minTemperature: '68', maxTemperature: '76' };
const system = { id: '17', units: 'farenheit', firmwareVersion: '9.75' };
const patches = [
  { patchId: 'Init', fanOn: 'false', components: { system, climate } },
  { patchId: 'Switch fan on', fanOn: 'false' },
  { patchId: 'Set maximum temperature', components: { climate: { maxTemperature: '92' } } },
  { patchId: 'Add WiFi component', components: { wifi: { channel: '6', ssid: 'my_network' } } },
  { patchId: 'Update WiFi component', components: { wifi: { channel: '13', ssid: 'my_other_network' } } },
  { patchId: 'Delete WiFi component', components: { wifi: null } },
];

const pause = (times) => new Promise((resolve) => setTimeout(resolve, times * pauseMs));

function fail(error) {
  console.error(`backend: ${error.name}: ${error.message}`);
  process.exit(1);
}

function getTwin(registry) {
  return new Promise((resolve, reject) => {
    registry.getTwin(deviceId, (error, twin) => (error ? reject(error) : resolve(twin)));
  });
}

let answered = 0;

function send(twin, desired) {
  twin.update({ properties: { desired } }, (error, answer) => {
    if (error) fail(error);
    answered += 1;
    console.log(`sent: ${answer.properties.desired.patchId}`);
  });
}

function show(title, reported) {
  const fields = ['lastPatchReceivedId', 'firmwareVersion', 'fanOn', 'minTemperature', 'maxTemperature'];
  console.log(`${title}: ${fields.map((field) => `${field}=${reported[field]}`).join(' ')}`);
}

async function main() {
  const registry = Registry.fromConnectionString(connectionString);
  const twin = await getTwin(registry);
  send(twin, null);
  await pause(LONG);
  show('initially reported', twin.properties.reported);
  for (const desired of patches) {
    send(twin, desired);
    await pause(1);
  }
  await pause(LONG);
  show('finally reported', twin.properties.reported);
  if (answered !== patches.length + 1) {
    throw new Error(`${answered} of ${patches.length + 1} patches were answered`);
  }
  const fresh = await getTwin(registry);
  console.log(JSON.stringify(fresh.properties.reported));
}

main().catch(fail);
