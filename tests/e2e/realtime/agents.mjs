// A RealtimeSession of @openai/agents-realtime, as an application has it: agents.mjs URL SCENE
import { OpenAIRealtimeWebSocket, RealtimeAgent, RealtimeSession } from '@openai/agents-realtime';
import { INSTRUCTIONS, loudness, speak, sleep, tell, until } from './common.mjs';

const [url, scene, interrupts] = process.argv.slice(2);
const transport = new OpenAIRealtimeWebSocket({ url: `${url.replace('http', 'ws')}/v1/realtime?model=gpt-realtime` });
const agent = new RealtimeAgent({ name: 'Anna', instructions: INSTRUCTIONS });
const turnDetection = scene === 'manual' ? null : { type: 'server_vad', interruptResponse: interrupts !== 'no' };
const spoken = { audio: { input: { turnDetection } }, outputModalities: [process.env.MODALITY ?? 'audio'] };
const config = scene === 'defaults' ? {} : spoken;
const session = new RealtimeSession(agent, { transport, config });

const heard = { sound: 0, pieces: [], kinds: [], errors: [], interrupted: 0, ends: [], wire: [], updated: [] };
session.on('error', (error) => {
  heard.errors.push(error);
  console.error(JSON.stringify(error));
});
session.on('audio', (event) => {
  heard.sound += event.data.byteLength;
  heard.pieces.push(new Int16Array(event.data));
});
session.on('audio_interrupted', () => (heard.interrupted += 1));
session.on('agent_end', (_context, _agent, text) => heard.ends.push(text));
session.on('transport_event', (event) => {
  heard.wire.push(event);
  if (heard.kinds.at(-1) !== event.type) heard.kinds.push(event.type);
});
const last = (kind) => heard.wire.filter((event) => event.type === kind).at(-1);
const completed = () => last('response.done')?.response.status === 'completed' && heard.ends.length;
const send = (samples) => session.sendAudio(samples.slice().buffer);

await session.connect({ apiKey: 'sk-any' });
await until('the settings', () => last('session.updated'));

if (scene === 'speech' || scene === 'defaults') {
  await Promise.all([speak(send, { speechS: 1, silenceS: 1.5 }), until('the end', completed)]);
} else if (scene === 'text') {
  session.sendMessage('What do you read?');
  await until('the end', () => heard.ends.length);
} else if (scene === 'barge-in') {
  session.sendMessage('Say something long.');
  await until('sound', () => heard.sound);
  await sleep(Number(process.env.LISTENING_MS ?? 3200));
  await speak(send, { speechS: 0.8, silenceS: 0.2 });
  await until('the truncated item', () => last('conversation.item.truncated') && last('conversation.item.retrieved'));
  await until('the end of the response', () => last('response.done'));
} else if (scene === 'cancel') {
  session.sendMessage('Say something long.');
  await until('sound', () => heard.sound);
  session.interrupt();
  await until('the end of the response', () => last('response.done'));
} else if (scene === 'manual') {
  await speak(send, { speechS: 1, silenceS: 0 });
  session.sendAudio(new Int16Array(480).buffer, { commit: true });
  await until('the transcript', () => last('conversation.item.input_audio_transcription.completed'));
  transport.requestResponse();
  await until('the end', () => heard.ends.length);
}
await sleep(300);
tell({
  sound: heard.sound,
  loudness: loudness(heard.pieces),
  errors: heard.errors,
  interrupted: heard.interrupted,
  ends: heard.ends,
  history: session.history.map((item) => [item.role, item.content.map((part) => part.transcript ?? part.text).join(' ')]),
  done: last('response.done')?.response,
  truncated: last('conversation.item.truncated'),
  settings: last('session.updated').session,
  kinds: heard.kinds,
});
