// Says in what two texts differ to npm `yaml`: node differ.cjs <node_modules> <1.1|1.2>; jobs and answers as in differ.py.
const path = require('path')
const readline = require('readline')

const [modules, version] = process.argv.slice(2)
const yaml = require(path.join(modules, 'yaml'))

function read(text) {
  const documents = yaml.parseAllDocuments(text, { version, uniqueKeys: false, logLevel: 'silent' })
  for (const document of documents) if (document.errors.length > 0) throw document.errors[0]
  return Array.from(documents, (document) => document.contents)
}

const kind = (node) =>
  node === null ? 'null' : yaml.isAlias(node) ? 'alias' : yaml.isScalar(node) ? typeof node.value : yaml.isMap(node) ? 'map' : 'seq'
const text = (node) => (node === null ? '' : yaml.isAlias(node) ? node.source : node.source ?? String(node.value))
const leaf = (node) => node === null || yaml.isAlias(node) || yaml.isScalar(node)
const key = (pair) => (leaf(pair.key) ? text(pair.key) : '?')

function differ(before, after, where, found) {
  if (found.length > 20) return
  if (leaf(before) && leaf(after)) {
    if (kind(before) !== kind(after) || text(before) !== text(after)) found.push([where, kind(before), text(before), kind(after), text(after)])
    return
  }
  if (leaf(before) || leaf(after) || kind(before) !== kind(after)) {
    found.push([where, kind(before), '', kind(after), ''])
    return
  }
  let rest = after.items
  if (yaml.isMap(before) && rest.length === before.items.length + 1) {
    let number = rest.findIndex((pair, n) => n >= before.items.length || key(pair) !== key(before.items[n]))
    const added = rest[number]
    found.push([`${where}/${key(added)}`, 'absent', '', kind(added.value), leaf(added.value) ? text(added.value) : ''])
    rest = [...rest.slice(0, number), ...rest.slice(number + 1)]
  }
  if (rest.length !== before.items.length) {
    found.push([where, kind(before), String(before.items.length), kind(after), String(rest.length)])
    return
  }
  for (let number = 0; number < rest.length; number += 1) {
    const [one, two] = [before.items[number], rest[number]]
    if (yaml.isPair(one)) {
      differ(one.key, two.key, `${where}/${key(one)}`, found)
      differ(one.value, two.value, `${where}/${key(one)}`, found)
    } else differ(one, two, `${where}/${number}`, found)
  }
}

let bytes = Buffer.alloc(0)
let before = null
function answer(job) {
  if ('before' in job) {
    bytes = Buffer.from(job.before)
    try {
      before = { nodes: read(job.before) }
    } catch (error) {
      before = { unread: String(error) }
    }
    return {}
  }
  if (before.unread) return before
  const changed = Buffer.concat([bytes.subarray(0, job.start), Buffer.from(job.new), bytes.subarray(job.end)])
  const found = []
  try {
    const after = read(changed.toString())
    if (after.length !== before.nodes.length) found.push(['', 'documents', String(before.nodes.length), 'documents', String(after.length)])
    for (let n = 0; n < Math.min(after.length, before.nodes.length); n += 1) differ(before.nodes[n], after[n], String(n), found)
    return { differ: found }
  } catch (error) {
    return { differ: [['', 'text', '', 'error', String(error)]] }
  }
}

readline.createInterface({ input: process.stdin, crlfDelay: Infinity }).on('line', (line) => {
  process.stdout.write(`${JSON.stringify(answer(JSON.parse(line)))}\n`)
})
