// Reads edited files with npm `yaml`: node npm-yaml.cjs <node_modules> <1.1|1.2> <edits.jsonl>; prints one JSON object.
const fs = require('fs')
const path = require('path')

const [modules, version, file] = process.argv.slice(2)
const yaml = require(path.join(modules, 'yaml'))

function child(node, step, root) {
  if (yaml.isAlias(node)) node = node.resolve(root.document)
  if (yaml.isScalar(node)) {
    // The path goes on in the text.
    root.document = documents(node.value)[0]
    node = root.document.contents
  }
  if ('key' in step) {
    // The last of several counts, and what is merged only where there is none.
    const own = node.items.filter((pair) => text(pair.key) === step.key).pop()
    if (own) return own.value
    for (const pair of node.items.filter((pair) => text(pair.key) === '<<')) {
      const merged = yaml.isAlias(pair.value) ? pair.value.resolve(root.document) : pair.value
      for (const map of yaml.isSeq(merged) ? merged.items : [merged]) {
        const found = child(map, step, root)
        if (found !== undefined) return found
      }
    }
    return undefined
  }
  if ('index' in step) return node.items[step.index]
  return node.items.find((item) => text(child(item, { key: step.field }, root)) === step.value)
}

function text(scalar) {
  return scalar?.source ?? String(scalar?.value)
}

function documents(content) {
  const all = yaml.parseAllDocuments(content, { version, uniqueKeys: false, logLevel: 'silent' })
  for (const document of all) if (document.errors.length > 0) throw document.errors[0]
  return all
}

function read(content, steps) {
  const root = { document: documents(content)[0] }
  let node = steps.reduce((node, step) => child(node, step, root), root.document.contents)
  if (yaml.isAlias(node)) node = node.resolve(root.document)
  return node.value
}

const report = { right: 0, wrong: [], unread: [] }
for (const line of fs.readFileSync(file, 'utf8').trimEnd().split('\n')) {
  const { name, before, after, steps, expected } = JSON.parse(line)
  let found
  try {
    found = read(after, steps)
  } catch (error) {
    let readable = true
    try {
      read(before, steps)
    } catch {
      readable = false
    }
    if (!readable) {
      report.unread.push(name)
      continue
    }
    found = { error: String(error) }
  }
  if (found === expected) report.right += 1
  else report.wrong.push({ name, after: after.slice(0, 400), found, type: typeof found, expected })
}
console.log(JSON.stringify(report))
