// The beta reference client (its TypeScript edition on npm), as an application has it: beta.mjs URL SCENE
import { RealtimeClient } from 'openai-realtime-api';
import { INSTRUCTIONS, loudness, speak, speech, sleep, tell, until } from './common.mjs';

const [url, scene] = process.argv.slice(2);
const detection = scene === 'speech' || scene === 'barge-in' ? { type: 'server_vad' } : null;
const client = new RealtimeClient({
  url: `${url.replace('http', 'ws')}/v1/realtime`,
  apiKey: 'sk-any',
  sessionConfig: { instructions: INSTRUCTIONS, turn_detection: detection },
});
const events = [];
const errors = [];
let interrupted = 0;
client.on('realtime.event', ({ source, event }) => {
  if (source === 'server') events.push(event);
  if (event.type !== 'error') return;
  errors.push(event.error);
  console.error(JSON.stringify(event.error));
});
client.on('conversation.interrupted', () => (interrupted += 1));
const last = (kind) => events.filter((event) => event.type === kind).at(-1);
const completed = () => last('response.done')?.response.status === 'completed';
const append = (samples) => client.appendInputAudio(samples.slice());
const bot = () => client.conversation.getItems().filter((item) => item.role === 'assistant').at(-1);

await client.connect();
await client.waitForSessionCreated();
await until('the settings', () => last('session.updated'));

if (scene === 'speech') {
  await Promise.all([speak(append, { speechS: 1, silenceS: 1.5 }), until('the end', completed)]);
} else if (scene === 'text') {
  client.sendUserMessageContent([{ type: 'input_text', text: 'What do you read?' }]);
  await until('the end', () => last('response.done'));
} else if (scene === 'manual') {
  for (const frame of speech(1)) append(frame);
  client.createResponse();
  await until('the end', () => last('response.done'));
} else if (scene === 'cancel') {
  client.sendUserMessageContent([{ type: 'input_text', text: 'Say something long.' }]);
  await until('sound', () => bot()?.formatted.audio.length > 24000);
  client.cancelResponse(bot().id, 12000);
  await until('the end', () => last('response.done') && last('conversation.item.truncated'));
} else if (scene === 'barge-in') {
  client.sendUserMessageContent([{ type: 'input_text', text: 'Say something long.' }]);
  await until('sound', () => bot()?.formatted.audio.length > 24000);
  await sleep(3000);
  await Promise.all([
    speak(append, { speechS: 0.8, silenceS: 0.2 }),
    until('the end', () => last('response.done') && interrupted),
  ]);
}
await sleep(200);
tell({
  errors,
  interrupted,
  items: client.conversation.getItems().map((item) => ({
    role: item.role,
    status: item.status,
    transcript: item.formatted.transcript,
    text: item.formatted.text,
    samples: item.formatted.audio.length,
    loudness: loudness([item.formatted.audio]),
  })),
  done: last('response.done')?.response,
  truncated: last('conversation.item.truncated'),
  kinds: events.map((event) => event.type).filter((kind, at, all) => kind !== all[at - 1]),
});
