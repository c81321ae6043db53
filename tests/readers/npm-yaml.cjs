// Reads edited files with npm `yaml`: node npm-yaml.cjs <node_modules> <1.1|1.2> <edits.jsonl>; prints one JSON object.
const fs = require('fs')
const path = require('path')

const [modules, version, file] = process.argv.slice(2)
const yaml = require(path.join(modules, 'yaml'))

function child(node, step) {
  if ('key' in step) return node.items.find((pair) => text(pair.key) === step.key).value
  if ('index' in step) return node.items[step.index]
  return node.items.find((item) => text(child(item, { key: step.field })) === step.value)
}

function text(scalar) {
  return scalar.source ?? String(scalar.value)
}

function read(content, steps) {
  const documents = yaml.parseAllDocuments(content, { version, uniqueKeys: false, logLevel: 'silent' })
  for (const document of documents) if (document.errors.length > 0) throw document.errors[0]
  const node = steps.reduce(child, documents[0].contents)
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
