// Functions of a RealtimeAgent of @openai/agents-realtime, which it runs by itself: agents_tools.mjs URL SCENE
import { OpenAIRealtimeWebSocket, RealtimeAgent, RealtimeSession, tool } from '@openai/agents-realtime';
import { z } from 'zod';
import { speak, sleep, tell, until } from './common.mjs';

const [url, scene] = process.argv.slice(2);
const transport = new OpenAIRealtimeWebSocket({ url: `${url.replace('http', 'ws')}/v1/realtime?model=gpt-realtime` });
const ran = [];
const weather = tool({
  name: 'weather',
  description: 'How warm it is.',
  parameters: z.object({ city: z.string() }),
  execute: async ({ city }) => {
    if (scene === 'busy') await sleep(2000);
    ran.push(city);
    return `21 degrees in ${city}`;
  },
});
const ben = new RealtimeAgent({ name: 'Ben', instructions: 'You are Ben.', tools: [weather] });
const anna = new RealtimeAgent({ name: 'Anna', instructions: 'You are Anna.', tools: [weather], handoffs: [ben] });
const config = { audio: { input: { turnDetection: { type: 'server_vad' } } } };
const session = new RealtimeSession(anna, { transport, config });

const heard = { sound: 0, errors: [], started: [], ended: [], handoffs: [], wire: [] };
session.on('error', (error) => {
  heard.errors.push(error);
  console.error(JSON.stringify(error));
});
session.on('audio', (event) => (heard.sound += event.data.byteLength));
session.on('agent_tool_start', (_context, _agent, tool) => heard.started.push(tool.name));
session.on('agent_tool_end', (_context, _agent, _tool, result) => heard.ended.push(result));
session.on('agent_handoff', (_context, from, to) => heard.handoffs.push([from.name, to.name]));
session.on('transport_event', (event) => heard.wire.push(event));
const of = (kind) => heard.wire.filter((event) => event.type === kind);
const said = () =>
  of('response.done').flatMap(({ response }) => response.output.flatMap((item) => item.content ?? []))
    .map((part) => part.transcript);
const heardThat = (words) => until(words, () => said().some((text) => text.includes(words)));

await session.connect({ apiKey: 'sk-any' });
await until('the settings', () => of('session.updated').length);

if (scene === 'call') {
  session.sendMessage('Is it warm in Paris?');
  await heardThat('21 degrees in Paris');
} else if (scene === 'meanwhile') {
  session.sendMessage('Look, and tell me meanwhile.');
  await heardThat('21 degrees in Paris');
} else if (scene === 'two') {
  session.sendMessage('Paris or Rome?');
  await heardThat('21 degrees in Paris, 21 degrees in Rome');
} else if (scene === 'handoff') {
  session.sendMessage('Ben, please.');
  await heardThat('I am Ben.');
} else if (scene === 'busy') {
  session.sendMessage('Is it warm in Paris?');
  await until('the call', () => heard.started.length);
  await speak((samples) => session.sendAudio(samples.slice().buffer), { speechS: 0.6, silenceS: 1 });
  await heardThat('Nice to meet you.');
  await heardThat('21 degrees in Paris');
}
await sleep(300);
tell({
  ...heard,
  wire: undefined,
  ran,
  said: said(),
  tools: of('session.updated').at(-1).session.tools.map((tool) => tool.name),
  history: session.history.map((item) => [item.type, item.status]),
});
