// A device on the stock device SDK: follows its desired properties, reports the desired climate, answers the method
// "echo" and sends one message. Runs until it is killed.
//
//   node device.js DEVICE_CONNECTION_STRING [Mqtt|MqttWs]
'use strict';

const { Client, Message } = require('azure-iot-device');
const transports = require('azure-iot-device-mqtt');

const state = { firmwareVersion: '1.2.1', lastPatchReceivedId: '', fanOn: '', minTemperature: '', maxTemperature: '' };

function fail(error) {
  console.error(`device: ${error.name}: ${error.message}`);
  process.exit(1);
}

function report(twin) {
  twin.properties.reported.update(state, (error) => {
    if (error) fail(error);
    console.log(`reported: ${JSON.stringify(state)}`);
  });
}

function follow(twin) {
  twin.on('properties.desired', (delta) => {
    console.log(`desired: ${JSON.stringify(delta)}`);
    if (delta.patchId) {
      state.lastPatchReceivedId = delta.patchId;
      return;
    }
    for (const field of ['lastPatchReceivedId', 'minTemperature', 'maxTemperature', 'fanOn']) {
      state[field] = 'unknown';
    }
    report(twin);
  });
  twin.on('properties.desired.fanOn', (value) => {
    state.fanOn = value || 'unknown';
  });
  // Fires after fanOn only if the hub keeps the order of keys. Then the report below has the new value.
  twin.on('properties.desired.components.climate', (delta) => {
    if (!delta) return;
    const merged = twin.properties.desired.components.climate;
    state.minTemperature = merged.minTemperature;
    state.maxTemperature = merged.maxTemperature;
    report(twin);
  });
}

const client = Client.fromConnectionString(process.argv[2], transports[process.argv[3] || 'Mqtt']);
client.on('error', fail);
client.open((error) => {
  if (error) fail(error);
  client.onDeviceMethod('echo', (request, response) => {
    response.send(200, { echo: request.payload }, (sent) => sent && fail(sent));
  });
  const message = new Message(JSON.stringify({ temperature: 21.5 }));
  message.messageId = 'node-1';
  message.contentType = 'application/json';
  message.contentEncoding = 'utf-8';
  message.properties.add('alarm', 'door & roof');
  client.sendEvent(message, (sent) => (sent ? fail(sent) : console.log('telemetry acknowledged')));
  client.getTwin((failed, twin) => {
    if (failed) fail(failed);
    console.log('twin received');
    follow(twin);
  });
});
