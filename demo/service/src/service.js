// What the service answers. It knows nothing of HTTP.

export function createService() {
  return {
    handle({ client, path }) {
      if (path !== '/hello') return { status: 404, body: 'not found' };
      return { status: 200, body: `hello ${client}` };
    },
  };
}
