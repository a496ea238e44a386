// Functions of the beta reference client, which it runs by itself: beta_tools.mjs URL SCENE
import { RealtimeClient } from 'openai-realtime-api';
import { speak, sleep, tell, until } from './common.mjs';

const [url, scene] = process.argv.slice(2);
const client = new RealtimeClient({
  url: `${url.replace('http', 'ws')}/v1/realtime`,
  apiKey: 'sk-any',
  sessionConfig: { instructions: 'Be brief.', turn_detection: scene === 'busy' ? { type: 'server_vad' } : null },
});
const events = [];
const errors = [];
const ran = [];
client.on('realtime.event', ({ source, event }) => {
  if (source === 'server') events.push(event);
  if (event.type !== 'error') return;
  errors.push(event.error);
  console.error(JSON.stringify(event.error));
});
const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
client.addTool({ name: 'weather', description: 'How warm it is.', parameters }, async ({ city }) => {
  if (scene === 'busy') await sleep(1500);
  ran.push(city);
  if (scene === 'fails') throw new Error('no weather today');
  return `21 degrees in ${city}`;
});
const bots = () => client.conversation.getItems().filter((item) => item.role === 'assistant');
const heardThat = (words) =>
  until(words, () => bots().some((item) => item.status === 'completed' && item.formatted.transcript.includes(words)));

await client.connect();
await client.waitForSessionCreated();
await until('the settings', () => events.some((event) => event.type === 'session.updated' && event.session.tools.length));
const questions = { meanwhile: 'Look, and tell me meanwhile.', two: 'Paris or Rome?' };
client.sendUserMessageContent([{ type: 'input_text', text: questions[scene] ?? 'Is it warm in Paris?' }]);
if (scene === 'busy') {
  await until('the call', () => client.conversation.getItems().some((item) => item.type === 'function_call'));
  await speak((samples) => client.appendInputAudio(samples.slice()), { speechS: 0.6, silenceS: 0.6 });
  await heardThat('Nice to meet you.');
}
await heardThat({ fails: 'no weather today', two: 'in Paris", "21 degrees in Rome"' }[scene] ?? '21 degrees in Paris');
await sleep(200);
tell({
  errors,
  ran,
  said: bots().map((item) => item.formatted.transcript),
  items: client.conversation.getItems().map((item) => [item.type, item.status]),
  call: client.conversation.getItems().find((item) => item.type === 'function_call').formatted.tool,
});
