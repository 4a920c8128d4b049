'use strict'
// serve.js STATE PORT: the PDS on 127.0.0.1:PORT and its directory of identities (PLC) beside it, with all files in
// STATE. BACKFILL_MS: how far back a subscriber's cursor may reach. Ends on SIGTERM.
const crypto = require('node:crypto')
const fs = require('node:fs')
const net = require('node:net')
const path = require('node:path')
const { PDS, envToCfg, envToSecrets } = require('@atproto/pds')
const plc = require('@did-plc/server')

const [state, port] = [process.argv[2], Number(process.argv[3])]

// Both would listen on every address of the machine, and neither can be told otherwise.
const listen = net.Server.prototype.listen
net.Server.prototype.listen = function (where, ...rest) {
  const here = typeof where === 'number' ? { port: where, host: '127.0.0.1' } : where
  return listen.call(this, here, ...rest)
}

// Secrets that outlive a restart, so that sessions and identities do. Anybody may know them: nothing here is secret.
const secret = (name, bytes) =>
  crypto.createHash('sha256').update(`downtrend ${name}`).digest('hex').slice(0, 2 * bytes)

async function freePort() {
  const server = net.createServer()
  await new Promise((listening) => server.listen(0, listening))
  const { port } = server.address()
  await new Promise((closed) => server.close(closed))
  return port
}

async function main() {
  const data = path.join(state, 'pds')
  const blobs = path.join(data, 'blobs')
  fs.mkdirSync(blobs, { recursive: true })

  const plcPort = await freePort()
  const directory = plc.PlcServer.create({ db: plc.Database.mock(), port: plcPort })
  await directory.start()

  const settings = {
    port,
    hostname: 'localhost',
    version: 'test',
    devMode: true,
    disableSsrfProtection: true,
    dataDirectory: data,
    blobstoreDiskLocation: blobs,
    didPlcUrl: `http://127.0.0.1:${plcPort}`,
    serviceHandleDomains: ['.test'],
    inviteRequired: false,
    rateLimitsEnabled: false,
    crawlers: [],
    // Nobody shows what is posted here; the port is one where nobody listens.
    bskyAppViewUrl: 'http://127.0.0.1:9',
    bskyAppViewDid: 'did:web:appview.invalid',
    jwtSecret: secret('jwt', 16),
    dpopSecret: secret('dpop', 32),
    adminPassword: secret('admin', 16),
    plcRotationKeyK256PrivateKeyHex: secret('rotation', 32),
  }
  if (process.env.BACKFILL_MS) settings.repoBackfillLimitMs = Number(process.env.BACKFILL_MS)

  const pds = await PDS.create(envToCfg(settings), envToSecrets(settings))
  await pds.start()

  const stop = async () => {
    await pds.destroy()
    await directory.destroy()
    process.exit(0)
  }
  process.once('SIGTERM', stop)
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
