// node-zendesk asks for job statuses in each of its ways: URL TOKEN EMAIL JOB_ID ... -> JSON on standard output.
const { createClient } = require('node-zendesk');

const [url, token, username, ...ids] = process.argv.slice(2);
const client = createClient({ endpointUri: `${url}/api/v2`, username, token });

async function main() {
  const watched = await client.jobstatuses.watch(ids[0], 50, 100);
  const shown = await client.jobstatuses.show(ids[0]);
  const many = await client.jobstatuses.showMany(ids);
  const listed = await client.jobstatuses.list();
  console.log(JSON.stringify({ watched, shown, many, listed }));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
