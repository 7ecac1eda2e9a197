// What an order makes a client of centrifuge's SDK for JavaScript do, in Node and in a page.
'use strict';

// `write` takes events. `run` carries out an order and returns the answer.
function centrifugeActions(Centrifuge, url, protobuf, options, write) {
  const pack = (data) => (protobuf ? new TextEncoder().encode(JSON.stringify(data)) : data);
  const unpack = (data) => {
    if (data === undefined || data === null) return null;
    return protobuf ? JSON.parse(new TextDecoder().decode(data)) : data;
  };
  const publication = (ctx) => ({ data: unpack(ctx.data), offset: Number(ctx.offset || 0) });
  const position = (at) => at && { offset: Number(at.offset), epoch: at.epoch };

  let client;
  let token = '';
  const tokens = {};
  const subscriptions = {};

  const actions = {
    connect: async (order) => {
      token = order.token || '';
      client = new Centrifuge(url, {
        ...options,
        minReconnectDelay: 10,
        maxReconnectDelay: 50,
        token,
        getToken: async () => token,
      });
      client.on('connected', (ctx) => write({ event: 'connected', client: ctx.client }));
      client.on('connecting', (ctx) => write({ event: 'connecting', code: ctx.code }));
      client.on('disconnected', (ctx) => write({ event: 'disconnected', code: ctx.code }));
      client.on('message', (ctx) => write({ event: 'message', data: unpack(ctx.data) }));
      client.on('subscribed', (ctx) => write({
        event: 'server_subscribed', channel: ctx.channel, recovered: ctx.recovered,
      }));
      client.on('publication', (ctx) => write({
        event: 'server_publication', channel: ctx.channel, ...publication(ctx),
      }));
      client.connect();
      await client.ready(10000);
    },
    token: async (order) => {
      if (order.channel) tokens[order.channel] = order.token;
      else token = order.token;
    },
    subscribe: async (order) => {
      const { channel } = order;
      const settings = { joinLeave: true, minResubscribeDelay: 10, maxResubscribeDelay: 50 };
      if (order.token) {
        tokens[channel] = order.token;
        settings.token = order.token;
        settings.getToken = async () => tokens[channel];
      }
      if (order.state) settings.getState = async () => order.state;
      const subscription = client.newSubscription(channel, settings);
      subscriptions[channel] = subscription;
      subscription.on('subscribed', (ctx) => write({
        event: 'subscribed', channel, was_recovering: ctx.wasRecovering, recovered: ctx.recovered,
      }));
      subscription.on('subscribing', (ctx) => write({ event: 'subscribing', channel, code: ctx.code }));
      subscription.on('unsubscribed', (ctx) => write({ event: 'unsubscribed', channel, code: ctx.code }));
      subscription.on('publication', (ctx) => write({ event: 'publication', channel, ...publication(ctx) }));
      subscription.on('join', (ctx) => write({ event: 'join', channel, user: ctx.info.user }));
      subscription.on('leave', (ctx) => write({ event: 'leave', channel, user: ctx.info.user }));
      subscription.subscribe();
      await subscription.ready(10000);
    },
    unsubscribe: async ({ channel }) => {
      subscriptions[channel].unsubscribe();
      client.removeSubscription(subscriptions[channel]);
    },
    publish: async ({ channel, data }) => { await client.publish(channel, pack(data)); },
    presence: async ({ channel }) => {
      const { clients } = await client.presence(channel);
      return Object.values(clients).map((info) => info.user).sort();
    },
    stats: async ({ channel }) => {
      const stats = await client.presenceStats(channel);
      return [stats.numClients, stats.numUsers];
    },
    history: async ({ channel, limit, reverse, since }) => {
      const history = await client.history(channel, { limit, reverse, since });
      return {
        data: history.publications.map((each) => unpack(each.data)),
        position: position(history),
      };
    },
    rpc: async ({ method, data }) => unpack((await client.rpc(method, pack(data))).data),
    send: async ({ data }) => { await client.send(pack(data)); },
    disconnect: async () => { client.disconnect(); },
  };

  const run = (order) => actions[order.do](order).then(
    (result) => ({ id: order.id, result: result === undefined ? null : result }),
    (error) => ({ id: order.id, error: { code: error.code, message: String(error.message) } }),
  );
  return { run };
}

if (typeof module !== 'undefined') module.exports = { centrifugeActions };
